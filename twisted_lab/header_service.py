"""The header protocol's service, which answers each message with its content, and its client."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, connectionDone
from twisted.python.failure import Failure

from twisted_lab.header import MessageProtocol
from twisted_lab.header_connection import HeaderConnection
from twisted_lab.net.bounded import BoundedFactory
from twisted_lab.net.content import SizedProducer
from twisted_lab.wire.errors import LocalProtocolError, RemoteProtocolError
from twisted_lab.wire.header import HeaderCodec


class HeaderServer(HeaderConnection, MessageProtocol):
    """Answer each message with its type, content and ``received-in``; each error with an ``error``, then close."""

    def messageReceived(self, header: dict[str, Any], content: bytes) -> None:
        """Answer, unless it is an error: two servers would answer each other for ever."""
        if header["type"] != "error":
            kept: dict[str, Any] = {
                key: header[key] for key in ("type", "id", "content-type", "content-encoding") if key in header
            }
            try:
                self.sendMessage({**kept, "received-in": self.received_in}, content)
            except LocalProtocolError as error:  # the header was as long as one can be, and got longer
                self.sendError("reply-too-long", f"the reply can't be sent: {error}", header)

    def contentLimitExceeded(self, header: dict[str, Any]) -> None:
        """Say so, unless it is an error, and go on with the next message."""
        if header["type"] != "error":
            self.sendError("content-too-large", f"content may have at most {self.MAX_CONTENT} bytes", header)


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
        self._waiting: deque[Deferred[tuple[dict[str, Any], bytes]]] = deque()
        self._lost: Failure | None = None

    async def request(
        self, header: Mapping[str, Any], content: "bytes | SizedProducer" = b""
    ) -> tuple[dict[str, Any], bytes]:
        """
        Send a message and give its reply: header and content. An ``error`` is a reply too.

        A reply that comes before all of the content is sent ends the sending, and with it the connection.
        Raises `ConnectionDone` or what else ended the connection, and what `sendMessage` does.
        """
        if self._lost is not None:
            self._lost.raiseException()
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
            self._waiting.popleft().callback((header, content))

    def contentLimitExceeded(self, header: dict[str, Any]) -> None:
        """Tell who waits for this reply that it is too large, and end the connection: its content won't be read."""
        if self._waiting:
            sentence = f"the reply's content has {header['length']} bytes, the limit is {self.MAX_CONTENT} bytes"
            self._waiting.popleft().errback(RemoteProtocolError("content-too-large", sentence))
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell those who wait for a reply that none will come."""
        waiting, self._waiting, self._lost = self._waiting, deque(), reason
        for reply in waiting:
            if not reply.called:
                reply.errback(reason)


class HeaderClientFactory(Factory):
    """Make `HeaderClient`s."""

    protocol = HeaderClient
    noisy = False
