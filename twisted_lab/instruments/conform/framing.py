"""
Framings: what a case must know of a protocol to speak it: how a request is made, and how replies are told apart.

A request has a payload, some bytes; nothing else about it matters. Replies are compared with those that the same
request got when it was sent alone and whole, so what they mean needn't be known.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

from twisted_lab.wire.codec import Codec
from twisted_lab.wire.errors import ProtocolError
from twisted_lab.wire.header import Content, End, Header, HeaderCodec, Message
from twisted_lab.wire.int32 import PREFIX, Int32Codec

#: The length of a request that no server takes.
HUGE = 2**32 - 1
#: Bytes in payloads that every framing takes, a line too; no prefix of an echo has them.
ALPHABET = b"ABCDFGHIJKLMNOPQRSTUVWXYZ"


class UndecodableError(Exception):
    """What came back isn't in this framing; the message says why."""


@dataclass(frozen=True)
class Framing:
    """
    A protocol, as far as the cases need it.

    `request` makes the bytes of a request with a payload; `decode` gives the replies in all that has come so far, and
    how many bytes are left over, and raises `UndecodableError`. `limit` is the longest payload in bytes, None if there
    is none, and `too_long` the beginning of a request with a payload of so many bytes, its length if that comes first.
    `refusal` tells whether a reply says that a payload was too long; None where such a request ends the connection.
    `garbage` breaks the protocol; empty where nothing does. `framed`: whether a request has an end; in a bare
    stream it hasn't. `hello`: what a client says first, and is answered, on each connection. `answers`: how many
    replies, of a bare stream bytes, each of `payloads` gets; None where that hasn't been asked. `codec` is what faults
    of messages need.
    """

    name: str
    request: Callable[[bytes], bytes]
    decode: Callable[[bytes], tuple[list[Any], int]]
    limit: int | None = None
    too_long: Callable[[int], bytes] | None = None
    garbage: bytes = b""
    framed: bool = True
    empty: bool = True
    hello: bytes = b""
    answers: Sequence[int] | None = None
    codec: Callable[[], Codec[Any, Any]] | None = None
    refusal: Callable[[Any], bool] | None = None

    def with_limit(self, limit: int | None) -> "Framing":
        """Give the same with another limit."""
        return replace(self, limit=limit)


def _decode_int32(data: bytes) -> tuple[list[Any], int]:
    codec = Int32Codec()
    strings = codec.feed(data)
    return [*strings], len(data) - sum(PREFIX.size + len(string) for string in strings)


def _decode_header(data: bytes) -> tuple[list[Any], int]:
    codec = HeaderCodec()
    replies: list[Any] = []
    left = len(data)
    try:
        for event in codec.feed(data):
            match event:
                case Header(fields):
                    # How the network cut a request is no part of the answer.
                    kept = {key: value for key, value in fields.items() if key != "received-in"}
                    replies.append((kept, b""))
                case Content(more):
                    fields, content = replies[-1]
                    replies[-1] = (fields, content + more)
                case End():
                    left = 0
    except ProtocolError as error:
        raise UndecodableError(str(error)) from error
    if codec.error is not None:
        raise UndecodableError(str(codec.error))
    if codec.at_boundary:
        return replies, 0
    return replies[:-1] if codec.content_left else replies, max(1, left)


def _decode_netstrings(data: bytes) -> tuple[list[Any], int]:
    replies: list[Any] = []
    position = 0
    while (colon := data.find(b":", position)) >= 0:
        if not data[position:colon].isdigit():
            raise UndecodableError("a netstring has no length")
        end = colon + 1 + int(data[position:colon])
        if end >= len(data):
            break
        if data[end : end + 1] != b",":
            raise UndecodableError("a netstring has no comma behind it")
        replies.append(data[colon + 1 : end])
        position = end + 1
    return replies, len(data) - position


def _header_request(payload: bytes) -> bytes:
    return HeaderCodec().encode(Message({"type": "conform"}, payload))


def _stat(payload: bytes) -> bytes:
    text = payload.decode()[:3000]
    path = "/".join(text[start : start + 100] for start in range(0, len(text), 100))
    return HeaderCodec().encode(Message({"type": "stat", "id": crc32(payload), "path": path}))


def stream(prefix: bytes = b"") -> Framing:
    """Give the framing of a bare stream that sends back what it gets, `prefix` before each chunk."""
    return Framing(
        "stream",
        bytes,
        lambda data: ([data.replace(prefix, b"") if prefix else data], 0),
        framed=False,
        empty=False,
    )


def lines(delimiter: bytes, limit: int) -> Framing:
    """Give the framing of lines that end with `delimiter`."""

    def decode(data: bytes) -> tuple[list[Any], int]:
        *found, rest = data.split(delimiter)
        return [*found], len(rest)

    return Framing("line", lambda payload: payload + delimiter, decode, limit, too_long=lambda length: b"X" * length)


INT32 = Framing(
    "int32",
    lambda payload: PREFIX.pack(len(payload)) + payload,
    _decode_int32,
    limit=99_999,
    too_long=PREFIX.pack,
    garbage=b"\xff\xff\xff\xff" + b"GARBAGE" * 100,
    codec=Int32Codec,
)
HEADER = Framing(
    "header",
    _header_request,
    _decode_header,
    limit=2**20,
    too_long=PREFIX.pack,
    garbage=PREFIX.pack(8) + b"not JSON" + b"GARBAGE" * 100,
    codec=HeaderCodec,
    refusal=lambda reply: reply[0].get("type") == "error",
)
FILEXFER = Framing(
    "filexfer",
    _stat,
    _decode_header,
    garbage=PREFIX.pack(8) + b"not JSON" + b"GARBAGE" * 100,
    empty=False,
    hello=HeaderCodec().encode(Message({"type": "hello", "id": 0, "versions": [1], "digests": ["sha-256"]})),
    codec=HeaderCodec,
)
LINE = lines(b"\r\n", 16_384)
NETSTRING = Framing(
    "netstring",
    lambda payload: b"%d:%s," % (len(payload), payload),
    _decode_netstrings,
    limit=99_999,
    too_long=lambda length: b"%d:" % length,
    garbage=b"GARBAGE:" * 100,
)
_ours = {framing.name: framing for framing in (INT32, HEADER, FILEXFER, LINE, NETSTRING, stream())}
#: What the specimens speak.
_ours["echo"] = _ours["stream"]


def find(name: str) -> Framing:
    """Give a framing by its name; `LookupError` if there is none."""
    if name not in _ours:
        raise LookupError(f"there is no codec {name!r}: it is one of {', '.join(_ours)}")
    return _ours[name]


def payloads(framing: Framing) -> Sequence[bytes]:
    """Give payloads that differ from each other, short and middling, and none over the limit."""
    found = [payload[: framing.limit] for payload in (b"A", b"HALLO", ALPHABET * 12, b"B" * 7)]
    return [*found, b"", b"C"] if framing.empty else [*found, b"C"]


def count(framing: Framing, data: bytes | bytearray) -> int:
    """Give how many replies are in `data`, of a bare stream bytes, without prefixes; what can't be read is one."""
    try:
        replies, _ = framing.decode(bytes(data))
    except UndecodableError:
        return 1
    return len(replies) if framing.framed else len(b"".join(replies))
