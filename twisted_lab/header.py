"""
The header protocol over Twisted: messages of a JSON header and raw content, streamed both ways.

`HeaderProtocol` streams; `MessageProtocol` gathers whole messages under a limit. The wire format is in
docs/header-protocol.rst; the service that ``twistd -n header`` runs, and its client, in `header_service`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IPushProducer

from twisted_lab.net.content import ContentSender, SizedProducer
from twisted_lab.net.int32 import Int32Receiver
from twisted_lab.wire.errors import LocalProtocolError
from twisted_lab.wire.header import MAX_HEADER, Content, End, Event, Header, HeaderCodec, Message

#: Bytes of content that `MessageProtocol` gathers at most.
MAX_CONTENT = 2**20


class HeaderProtocol(Int32Receiver):
    """
    Send and receive messages; content is handed over as it arrives, and never kept.

    Override `headerReceived`, `contentReceived` and `messageFinished`, and `connectionLost` and
    `streamFailed` as for `Int32Receiver`. For backpressure call `pauseProducing` and `resumeProducing`
    at any time, inside the hooks too.

    `received_in` is the number of reads in which the last finished message arrived; `owed` how many bytes of
    content `sendHeader` has announced and `sendContent` hasn't sent yet.
    """

    MAX_LENGTH = MAX_HEADER
    received_in = 0
    owed = 0
    _codec: HeaderCodec

    def headerReceived(self, header: dict[str, Any]) -> None:
        """Take a message's header; its content, if any, follows."""

    def contentReceived(self, data: bytes) -> None:
        """Take some of the content, in order; where it is cut means nothing."""

    def messageFinished(self) -> None:
        """Take notice that the message is complete."""

    def sendHeader(self, header: Mapping[str, Any]) -> None:
        """
        Send a header; the content it announces in ``length`` must follow by `sendContent`.

        Raises `LocalProtocolError`, and sends nothing, if the header is invalid or the last message's
        content isn't complete.
        """
        data = self._encode_header(header)
        self.owed = header.get("length", 0)
        self._write(data)

    def sendString(self, string: bytes) -> None:
        """Send an Int32 string, which must be a header: as `sendHeader`, but unchecked, and without content."""
        self._check_nothing_owed()
        super().sendString(string)

    def sendContent(self, data: bytes) -> None:
        """Send some of the content; `LocalProtocolError` if that is more than was announced."""
        if len(data) > self.owed:
            raise LocalProtocolError(
                "content-too-long", f"{len(data)} bytes of content, but only {self.owed} more were announced"
            )
        self.owed -= len(data)
        self._write(data)

    def sendMessage(
        self, header: Mapping[str, Any], content: "bytes | bytearray | memoryview | SizedProducer" = b""
    ) -> "Deferred[None]":
        """
        Send a whole message; ``length`` is set from the content.

        `content` is bytes or a producer with a known `length`, in bytes, as twisted.web's `IBodyProducer`
        (`FileBodyProducer`, say), which is paused while the peer doesn't take its bytes.

        Returns a Deferred that fires once the transport has all of it; until then nothing else can be sent.
        It fails with `LocalProtocolError` if the producer gives another number of bytes, and with what the
        producer fails with; the connection is aborted then, since the message can't be completed.
        Cancelling it does the same. Raises `LocalProtocolError` for an invalid header.
        """
        if isinstance(content, bytes | bytearray | memoryview):
            content = bytes(content)
            self._check_nothing_owed()
            self._write(self._codec.encode(Message(header, content)))
            return succeed(None)
        if header.get("length", content.length) != content.length:
            raise LocalProtocolError(
                "bad-length", f'"length" is {header["length"]}, the content has {content.length} bytes'
            )
        data = self._encode_header({**header, "length": content.length})
        self.owed = content.length
        self._write(data)
        return ContentSender(self).send(content)

    def sendError(self, code: str, sentence: str, request: Mapping[str, Any] | None = None) -> None:
        """Send an ``error``: a stable `code`, a sentence for people, and the ``id`` of the request, if it had one."""
        identity = {"id": request["id"]} if request is not None and "id" in request else {}
        self.sendHeader({"type": "error", "code": code, "message": sentence, **identity})

    def start_producer(self, producer: IPushProducer) -> None:
        """Let the transport pause, resume and stop the content's producer."""
        self.transport.registerProducer(producer, True)

    def stop_producer(self) -> None:
        """Let the transport forget the content's producer."""
        self.transport.unregisterProducer()

    def _encode_header(self, header: Mapping[str, Any]) -> bytes:
        self._check_nothing_owed()
        return self._codec.encode_header(header)

    def _check_nothing_owed(self) -> None:
        if self.owed:
            raise LocalProtocolError("content-missing", f"the last message's content still wants {self.owed} bytes")

    def _make_codec(self) -> HeaderCodec:
        return HeaderCodec()

    def _receiver(self) -> Callable[[Event], None]:
        return self._event_received

    def _event_received(self, event: Event) -> None:
        match event:
            case Header(fields):
                self.headerReceived(fields)
            case Content(data):
                self.contentReceived(data)
            case End(feeds):
                self.received_in = feeds
                self.messageFinished()


class MessageProtocol(HeaderProtocol):
    """
    Gather whole messages: override `messageReceived`.

    Content of more than `MAX_CONTENT` bytes is refused when its header arrives, before any of it is kept.
    """

    MAX_CONTENT = MAX_CONTENT
    _header: dict[str, Any] | None = None

    def messageReceived(self, header: dict[str, Any], content: bytes) -> None:
        """Take a whole message."""

    def contentLimitExceeded(self, header: dict[str, Any]) -> None:
        """
        Take notice of a message whose content is over the limit, and which is skipped.

        Closes the connection, unless overridden; then the messages after it are received as usual.
        """
        self.transport.loseConnection()

    def headerReceived(self, header: dict[str, Any]) -> None:
        """Note the header, or refuse it."""
        self._content = bytearray()  # not a list: of tiny pieces each would cost more than it holds
        if header.get("length", 0) > self.MAX_CONTENT:
            self._header = None
            self.contentLimitExceeded(header)
        else:
            self._header = header

    def contentReceived(self, data: bytes) -> None:
        """Keep the content, unless it was refused."""
        if self._header is not None:
            self._content += data

    def messageFinished(self) -> None:
        """Hand the message over, unless it was refused."""
        if self._header is not None:
            header, self._header = self._header, None
            content, self._content = bytes(self._content), bytearray()
            self.messageReceived(header, content)
