"""
The file format pcapng (draft-ietf-opsawg-pcapng): blocks, each with its type and, at both ends, its length.

Written are a Section Header, one Interface Description of raw IP, and Enhanced Packets with comments. Read are those
of any interfaces and sections, in either byte order; blocks of other types are passed over. There are libraries that
read it, but of whole files only: here bytes are fed as they come, from a file that still grows, and a length is checked
before a byte of what is announced is kept.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from twisted_lab.instruments.capture.links import RAW

SECTION, INTERFACE, PACKET = 0x0A0D0D0A, 1, 6
_BYTE_ORDER = 0x1A2B3C4D
#: Bytes of a block at most, as in Wireshark; and interfaces of a section.
MAX_BLOCK = 2**24
MAX_INTERFACES = 1024
#: Bytes of a comment at most: an option's length has two bytes.
MAX_COMMENT = 65535
_COMMENT, _END = 1, 0
_HARDWARE, _APPLICATION = 2, 4
_NAME, _RESOLUTION, _OFFSET = 2, 9, 14
_OLD = {b"\xa1\xb2\xc3\xd4", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x4d\x3c\xb2\xa1"}
#: Ticks of a second in what is written: microseconds.
TICKS = 10**6


class CaptureError(Exception):
    """The file isn't what it should be; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet: seconds since 1970, its link type, its bytes as far as they were kept, and what was noted about it."""

    time: float
    link: int
    data: bytes
    comments: tuple[str, ...] = ()


def write_start(application: str = "twisted-lab") -> bytes:
    """Give what a file begins with: a section, and its one interface, of raw IP packets in microseconds."""
    section = struct.pack("<IHHq", _BYTE_ORDER, 1, 0, -1) + _options([(_APPLICATION, application.encode())])
    interface = struct.pack("<HHI", RAW, 0, 0) + _options([(_NAME, application.encode()), (_RESOLUTION, b"\x06")])
    return _block(SECTION, section) + _block(INTERFACE, interface)


def write_packet_block(time: float, data: bytes, comments: Sequence[str] = ()) -> bytes:
    """Give a packet of raw IP; a comment that is too long is cut."""
    high, low = divmod(round(time * TICKS), 2**32)
    body = struct.pack("<IIIII", 0, high, low, len(data), len(data)) + data + bytes(-len(data) % 4)
    cut = (comment.encode(errors="replace")[:MAX_COMMENT] for comment in comments)
    return _block(PACKET, body + _options([(_COMMENT, comment) for comment in cut]))


def _options(options: Sequence[tuple[int, bytes]]) -> bytes:
    written = [struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4) for code, value in options]
    return b"".join([*written, struct.pack("<HH", _END, 0)]) if written else b""


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", 12 + len(body))
    return struct.pack("<I", kind) + length + body + length


class Reader:
    """Packets out of a file's bytes, as they come. Memory: one unfinished block."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._order = ""  # of the section: < or >, as struct has it; empty before the first one
        self._interfaces: list[tuple[int, int, int]] = []  # link type, ticks a second, seconds to add

    def feed(self, data: bytes) -> list[Packet]:
        """Take the next bytes; give the packets they complete. `CaptureError` for what is no such file."""
        self._buffer += data
        packets: list[Packet] = []
        position = 0
        while (length := self._length(position)) and position + length <= len(self._buffer):
            block = bytes(self._buffer[position : position + length])
            position += length
            if block[-4:] != block[4:8]:
                raise CaptureError("the capture is damaged: a block's two lengths differ")
            try:
                self._take(block, packets)
            except (struct.error, IndexError):
                raise CaptureError("the capture is damaged: a block is too short for what it holds") from None
        del self._buffer[:position]
        return packets

    def eof(self) -> None:
        """Take the end of the file; `CaptureError` if that falls inside a block, or nothing came before it."""
        if self._buffer:
            raise CaptureError("the capture ends in the middle of a block")
        if not self._order:
            raise CaptureError("the capture is empty")

    def _length(self, position: int) -> int:
        """Give the length of the block there, once it is known; 0 until then."""
        start = bytes(self._buffer[position : position + 12])
        if start[:4] == SECTION.to_bytes(4, "big"):  # the same read from behind
            if len(start) < 12:
                return 0
            orders = {struct.pack(f"{order}I", _BYTE_ORDER): order for order in "<>"}
            if start[8:] not in orders:
                raise CaptureError("the capture is damaged: a section has no byte order")
            order = orders[start[8:]]
        elif not self._order:
            self._refuse(start)
            return 0
        else:
            order = self._order
        if len(start) < 8:
            return 0
        (length,) = struct.unpack_from(f"{order}I", start, 4)
        if not 12 <= length <= MAX_BLOCK or length % 4:
            raise CaptureError(f"the capture is damaged: a block of {length} bytes, of 12 to {MAX_BLOCK}")
        return int(length)

    @staticmethod
    def _refuse(start: bytes) -> None:
        if start[:4] in _OLD:
            raise CaptureError("this is the older format, pcap: editcap -F pcapng OLD NEW makes a pcapng file of it")
        if not SECTION.to_bytes(4, "big").startswith(start[:4]):
            raise CaptureError("this is no pcapng file")

    def _take(self, block: bytes, packets: list[Packet]) -> None:
        (kind,) = struct.unpack_from(f"{self._order or '<'}I", block)
        if block[:4] == SECTION.to_bytes(4, "big"):
            self._order = "<" if block[8] == _BYTE_ORDER & 0xFF else ">"
            self._interfaces.clear()
        elif kind == INTERFACE:
            if len(self._interfaces) == MAX_INTERFACES:
                raise CaptureError(f"the capture has more than {MAX_INTERFACES} interfaces")
            self._interfaces.append(self._interface(block))
        elif kind == PACKET:
            packets.append(self._packet(block))

    def _interface(self, block: bytes) -> tuple[int, int, int]:
        (link,) = struct.unpack_from(f"{self._order}H", block, 8)
        ticks, offset = TICKS, 0
        for code, value in self._read_options(block, 16):
            if code == _RESOLUTION:
                exponent = value[0] & 0x7F
                ticks = 2**exponent if value[0] & 0x80 else 10**exponent
            elif code == _OFFSET:
                (offset,) = struct.unpack_from(f"{self._order}q", value)
        return link, ticks, offset

    def _packet(self, block: bytes) -> Packet:
        number, high, low, kept, _ = struct.unpack_from(f"{self._order}IIIII", block, 8)
        if number >= len(self._interfaces) or 28 + kept > len(block) - 4:
            raise CaptureError("the capture is damaged: a packet has no interface, or is longer than its block")
        link, ticks, offset = self._interfaces[number]
        comments = [
            value.decode(errors="backslashreplace")
            for code, value in self._read_options(block, 28 + kept + -kept % 4)
            if code == _COMMENT
        ]
        return Packet(offset + (high << 32 | low) / ticks, link, block[28 : 28 + kept], tuple(comments))

    def _read_options(self, block: bytes, start: int) -> list[tuple[int, bytes]]:
        options = []
        while start + 4 <= len(block) - 4:
            code, length = struct.unpack_from(f"{self._order}HH", block, start)
            start += 4
            if code == _END:
                break
            if start + length > len(block) - 4:
                raise CaptureError("the capture is damaged: an option is longer than its block")
            options.append((code, block[start : start + length]))
            start += length + -length % 4
        return options
