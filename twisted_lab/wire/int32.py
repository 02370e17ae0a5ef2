"""
Int32 strings: a 4-byte length, unsigned, in network byte order, then that many bytes.

Cost: each byte is copied at most twice, whatever the cuts. Whole strings are sliced out of the bytes fed;
a string that arrives in pieces is gathered in one BytesIO, whose growth is amortised and which hands over
what it holds without a copy. (The stock Int32StringReceiver joins all it has so far with each new piece:
quadratic in the length of a string.)

Memory: at most one unfinished string, `limit` bytes, once; the length is checked as soon as its prefix is whole.
"""

from io import BytesIO
from struct import Struct

from twisted_lab.wire.errors import LocalProtocolError, RemoteProtocolError, TooLongError, TruncatedError
from twisted_lab.wire.layout import Field, Layout, LengthIn

PREFIX = Struct("!I")
PREFIX_LENGTH = PREFIX.size
LARGEST = 2**32 - 1

LAYOUT: Layout = (
    Field("length", "number", PREFIX_LENGTH, most=LARGEST),
    Field("string", "bytes", LengthIn("length")),
)

_unpack = PREFIX.unpack_from


class Int32Codec:
    """
    Decode and encode Int32 strings of at most `limit` bytes; an event is a string, as bytes.

    `noun` is what an error calls a string: the header protocol's headers are Int32 strings too.
    """

    def __init__(self, limit: int = LARGEST, noun: str = "string") -> None:
        self.error: RemoteProtocolError | None = None
        self._limit = limit
        self._noun = noun
        # Of an unfinished string: its prefix while that is cut itself; then what is there, and how much is missing.
        self._prefix = b""
        self._body: BytesIO | None = None
        self._missing = 0  # bytes

    @property
    def at_boundary(self) -> bool:
        """Whether no string is unfinished."""
        return not self._prefix and self._body is None and self.error is None

    @property
    def wanted(self) -> int:
        """How many bytes are missing of the length, or then of the string."""
        return PREFIX_LENGTH - len(self._prefix) if self._body is None else self._missing

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes; give the strings they complete. Raises `error` if that is set already."""
        if self.error is not None:
            raise self.error
        strings: list[bytes] = []
        position = 0
        if self._prefix or self._body is not None:
            string, position = self._finish(data, 0)
            if string is None:
                return strings
            strings.append(string)
        # The hot loop: everything in locals, one unpack and one slice a string.
        unpack, limit, append = _unpack, self._limit, strings.append
        end = len(data)
        last_prefix = end - PREFIX_LENGTH
        while position <= last_prefix:
            (length,) = unpack(data, position)
            start = position + PREFIX_LENGTH
            stop = start + length
            if stop > end or length > limit:
                break
            append(data[start:stop])
            position = stop
        if position < end:
            self._begin(data, position)
        return strings

    def take(self, data: bytes, position: int) -> tuple[bytes | None, int]:
        """
        Take one string from `data[position:]`, which isn't empty: give it and the position after it.

        Gives None where the string isn't complete yet (all of `data` is then used up) or is too long (then
        `error` is set).
        """
        return self._finish(data, position) if self._prefix or self._body is not None else self._begin(data, position)

    def eof(self) -> None:
        """Take the end of the stream: `TruncatedError` inside a string, `error` if that is set already."""
        if not self.at_boundary and self.error is None:
            there = len(self._prefix)
            expected = "a length"
            if self._body is not None:
                there = PREFIX_LENGTH + self._body.tell()
                expected = str(there + self._missing)
            self.error = TruncatedError(
                f"the stream ended in the middle of a {self._noun}, {there} bytes of {expected} were there"
            )
        if self.error is not None:
            raise self.error

    def encode(self, string: bytes) -> bytes:
        """Give prefix and string; `LocalProtocolError` if the string is longer than the limit."""
        if len(string) > self._limit:
            raise LocalProtocolError(
                f"{self._noun}-too-long",
                f"a {self._noun} of {len(string)} bytes can't be sent: the limit is {self._limit} bytes",
            )
        return PREFIX.pack(len(string)) + string

    def _begin(self, data: bytes, position: int) -> tuple[bytes | None, int]:
        """As `take`, where nothing of the string was there before."""
        end = len(data)
        start = position + PREFIX_LENGTH
        if start > end:
            self._prefix = data[position:]
            return None, end
        (length,) = _unpack(data, position)
        if length > self._limit:
            self._refuse(length)
            return None, end
        stop = start + length
        if stop <= end:
            return data[start:stop], stop
        self._missing = stop - end
        self._body = BytesIO()
        self._body.write(data[start:])
        return None, end

    def _finish(self, data: bytes, position: int) -> tuple[bytes | None, int]:
        """As `take`, where the string's beginning is in `_prefix` or `_body`."""
        body = self._body
        if body is None:
            prefix, self._prefix = self._prefix, b""
            string, stop = self._begin(prefix + data[position:], 0)
            return string, position + stop - len(prefix)
        stop = position + self._missing
        body.write(data[position:stop])
        if stop > len(data):
            self._missing = stop - len(data)
            return None, len(data)
        self._body = None
        return body.getvalue(), stop

    def _refuse(self, length: int) -> None:
        """Note that a string of `length` bytes is over the limit: the stream has ended for us."""
        self.error = TooLongError(
            f"{self._noun}-too-long",
            f"the peer announced a {self._noun} of {length} bytes, the limit is {self._limit} bytes",
            length,
            self._limit,
        )
