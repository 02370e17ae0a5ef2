"""
The header protocol's codec: a message is a prefix, a JSON header, and ``header["length"]`` raw bytes.

States: *between messages* (or in a header) until a header is whole, *in content* while `_remaining` bytes of
it are to come. A message without content is exactly an Int32 string. The protocol is laid down in
docs/header-protocol.rst.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twisted_lab.wire.errors import LocalProtocolError, RemoteProtocolError, TruncatedError
from twisted_lab.wire.fields import WELL_KNOWN, parse, serialize
from twisted_lab.wire.int32 import PREFIX_LENGTH, Int32Codec
from twisted_lab.wire.layout import Field, Layout, LengthIn

#: Bytes a header has at most, and at least: ``{}``.
MAX_HEADER = 65536
MIN_HEADER = 2


def make_layout(*keys: str) -> Layout:
    """Give the layout of messages whose headers have keys that one may want to search for, besides the well-known."""
    return (
        Field("prefix", "number", PREFIX_LENGTH, most=MAX_HEADER),
        Field("header", "json", LengthIn("prefix"), keys=(*WELL_KNOWN, *keys)),
        Field("content", "bytes", LengthIn("header", "length")),
    )


LAYOUT = make_layout()


@dataclass(frozen=True, slots=True)
class Header:
    """A message's header has arrived."""

    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Content:
    """Some of the message's content has arrived; where it is cut means nothing."""

    data: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The message is complete. `feeds`: how many feeds its bytes came in, which is the network's whim."""

    feeds: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message, to encode; `header` needs no ``length``."""

    header: Mapping[str, Any]
    content: bytes = b""


Event = Header | Content | End


class HeaderCodec:
    """Decode and encode messages of the header protocol. Memory: one unfinished header, never the content."""

    def __init__(self) -> None:
        self.error: RemoteProtocolError | None = None
        self._headers = Int32Codec(MAX_HEADER, noun="header")
        self._remaining = 0
        self._feeds = 0

    @property
    def at_boundary(self) -> bool:
        """Whether no message is unfinished."""
        return not self._remaining and self._headers.at_boundary and self.error is None

    @property
    def wanted(self) -> int:
        """How many bytes are missing of the prefix, or then of the header, or then of the content."""
        return self._remaining or self._headers.wanted

    @property
    def content_left(self) -> int:
        """How many bytes of the content are still to come."""
        return self._remaining

    def skip(self, count: int) -> list[Event]:
        """Take notice that `count` bytes of the content, at most all that is left, went another way; as `feed`."""
        self._remaining -= count
        if self._remaining:
            return []
        feeds, self._feeds = self._feeds, 0
        return [End(feeds)]

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes; give the events they complete. Raises `error` if that is set already."""
        if self.error is not None:
            raise self.error
        events: list[Event] = []
        position, end = 0, len(data)
        self._feeds += bool(data)
        while position < end:
            if self._remaining:
                chunk = data[position : position + self._remaining]
                position += len(chunk)
                self._remaining -= len(chunk)
                events.append(Content(chunk))
            else:
                raw, position = self._headers.take(data, position)
                try:
                    fields = self._parse(raw)
                except RemoteProtocolError as error:
                    self.error = error
                    break
                if fields is None:
                    break
                self._remaining = fields.get("length", 0)
                events.append(Header(fields))
            if not self._remaining:
                events.append(End(self._feeds))
                self._feeds = 1 if position < end else 0
        return events

    def eof(self) -> None:
        """Take the end of the stream: `TruncatedError` inside a message, `error` if that is set already."""
        try:
            if self._remaining and self.error is None:
                raise TruncatedError(
                    f"the stream ended in the middle of a message's content, bytes missing: {self._remaining}"
                )
            self._headers.eof()
        except RemoteProtocolError as error:
            self.error = self.error or error
        if self.error is not None:
            raise self.error

    def encode(self, message: Message) -> bytes:
        """Give the message's bytes; ``length`` is set from the content, and may not contradict it."""
        length = len(message.content)
        header = dict(message.header)
        if header.setdefault("length", length) != length:
            raise LocalProtocolError("bad-length", f'"length" is {header["length"]}, the content has {length} bytes')
        if not length and "length" not in message.header:
            del header["length"]
        return self.encode_header(header) + message.content

    def encode_header(self, header: Mapping[str, Any]) -> bytes:
        """Give prefix and header alone; the content that ``length`` announces must follow."""
        return self._headers.encode(serialize(header))

    def _parse(self, raw: bytes | None) -> dict[str, Any] | None:
        """Read a header, if it is complete; raise what is wrong with it, or with its length."""
        if raw is None:
            if self._headers.error is not None:
                raise self._headers.error
            return None
        if len(raw) < MIN_HEADER:
            raise RemoteProtocolError("header-too-short", f"a header has at least {MIN_HEADER} bytes, not {len(raw)}")
        return parse(raw)
