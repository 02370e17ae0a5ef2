"""The header protocol's service, which answers each message with its content, and its client."""

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Factory, connectionDone
from twisted.python.failure import Failure

from twisted_lab.header import MessageProtocol
from twisted_lab.net.bounded import BoundedConnection, BoundedFactory
from twisted_lab.net.content import SizedProducer
from twisted_lab.wire.errors import RemoteProtocolError
from twisted_lab.wire.header import HeaderCodec


class HeaderServer(BoundedConnection, MessageProtocol):
    """Answer each message with its type, content and ``received-in``; each error with an ``error``, then close."""

    _draining = False

    def dataReceived(self, data: bytes) -> None:
        """Count, and decode."""
        self.bytes_in += len(data)
        super().dataReceived(data)

    def messageReceived(self, header: dict[str, Any], content: bytes) -> None:
        """Answer, unless it is an error: two servers would answer each other for ever."""
        if header["type"] != "error":
            kept: dict[str, Any] = {
                key: header[key] for key in ("type", "id", "content-type", "content-encoding") if key in header
            }
            self.sendMessage({**kept, "received-in": self.received_in}, content)

    def messageFinished(self) -> None:
        """Answer; and close, if the server is stopping and waited for this message."""
        super().messageFinished()
        if self._draining and self.is_idle():
            self.close("server stopping")

    def contentLimitExceeded(self, header: dict[str, Any]) -> None:
        """Say so and go on with the next message."""
        self.sendError("content-too-large", f"content may have at most {self.MAX_CONTENT} bytes", header)

    def streamFailed(self, error: RemoteProtocolError) -> None:
        """Say what was wrong, then close."""
        self.sendError(error.code, str(error))
        self.close(error.code, last_word=True)

    def readConnectionLost(self) -> None:
        """Report a message cut short; send what is left to send, then close."""
        self._end_of_stream()
        super().readConnectionLost()

    def pause_reading(self) -> None:
        """Deliver nothing more, either: its answer would have to wait in memory."""
        self.pauseProducing()

    def resume_reading(self) -> None:
        """Deliver what waits, then read on."""
        self.resumeProducing()

    def sendMessage(self, header: Mapping[str, Any], content: bytes | SizedProducer = b"") -> "Deferred[None]":
        """Send a message; while a producer's content goes out the next request waits, for replies are in order."""
        sent = super().sendMessage(header, content)
        if not sent.called:
            self.pauseProducing()
            sent.addCallback(self._go_on)
        return sent

    def start_producer(self, producer: IPushProducer) -> None:
        """Let the content's producer take the place of the one that stops reading."""
        self.unregister_backpressure()
        super().start_producer(producer)

    def _go_on(self, _: None) -> None:
        if not self.transport.disconnecting:
            self.register_backpressure()
            self.resumeProducing()

    def drain(self) -> None:
        """Let the message that is arriving arrive, and be answered."""
        if self.is_idle():
            self.close("server stopping")
        self._draining = True

    def _write(self, data: bytes) -> None:
        self.bytes_out += len(data)
        super()._write(data)


class HeaderServerFactory(BoundedFactory):
    """Serve the header protocol."""

    protocol = HeaderServer
    name = "header"

    def refusal(self) -> bytes:
        """Give the error that a surplus connection is told."""
        header = {
            "type": "error",
            "code": "too-many-connections",
            "message": f"at most {self.max_connections} connections at one time",
        }
        return HeaderCodec().encode_header(header)


class HeaderClient(MessageProtocol):
    """
    Send messages, and wait for each one's reply: replies come in the order of the requests.

    Call `request`; for content from a producer too.
    """

    def __init__(self) -> None:
        self._waiting: list[Deferred[tuple[dict[str, Any], bytes]]] = []

    async def request(
        self, header: Mapping[str, Any], content: "bytes | SizedProducer" = b""
    ) -> tuple[dict[str, Any], bytes]:
        """
        Send a message and give its reply: header and content. An ``error`` is a reply too.

        A reply that comes before all of the content is sent ends the sending, and with it the connection.
        Raises `ConnectionDone` or what else ended the connection, and what `sendMessage` does.
        """
        reply: Deferred[tuple[dict[str, Any], bytes]] = Deferred()
        sent = self.sendMessage(header, content)
        self._waiting.append(reply)

        def fail(reason: Failure) -> None:
            if not reply.called:
                reply.errback(reason)

        sent.addErrback(fail)
        answer = await reply
        sent.cancel()
        return answer

    def messageReceived(self, header: dict[str, Any], content: bytes) -> None:
        """Give the reply to the request that has waited longest; nobody waits for one that wasn't asked for."""
        if self._waiting:
            self._waiting.pop(0).callback((header, content))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell those who wait for a reply that none will come."""
        waiting, self._waiting = self._waiting, []
        for reply in waiting:
            if not reply.called:
                reply.errback(reason)


class HeaderClientFactory(Factory):
    """Make `HeaderClient`s."""

    protocol = HeaderClient
    noisy = False
