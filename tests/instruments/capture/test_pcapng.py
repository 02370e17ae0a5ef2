"""pcapng: what is written is read, in any cuts; what is damaged is one sentence."""

import struct

from hypothesis import given, strategies
from twisted.trial.unittest import SynchronousTestCase

from tests.wire.cuts import PLACES, cut
from twisted_lab.instruments.capture.links import ETHERNET, RAW
from twisted_lab.instruments.capture.pcapng import (
    MAX_BLOCK,
    MAX_INTERFACES,
    CaptureError,
    Packet,
    Reader,
    write_packet_block,
    write_start,
)

TIMES = strategies.integers(0, 2**44).map(lambda ticks: ticks / 10**6)
COMMENTS = strategies.lists(strategies.text(strategies.characters(codec="utf-8"), max_size=20), max_size=3).map(tuple)
PACKETS = strategies.lists(
    strategies.builds(Packet, TIMES, strategies.just(RAW), strategies.binary(max_size=50), COMMENTS), max_size=6
)


def write(packets: list[Packet]) -> bytes:
    """Give a file of them."""
    return write_start() + b"".join(write_packet_block(each.time, each.data, each.comments) for each in packets)


def read(pieces: list[bytes]) -> tuple[list[Packet], str]:
    """Give the packets in a file's pieces, and the sentence that ends it, if one does."""
    reader = Reader()
    packets: list[Packet] = []
    try:
        for piece in pieces:
            packets += reader.feed(piece)
        reader.eof()
    except CaptureError as error:
        return packets, str(error)
    return packets, ""


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """Give a block, in either byte order."""
    length = struct.pack(f"{order}I", 12 + len(body))
    return struct.pack(f"{order}I", kind) + length + body + length


def section(order: str = "<") -> bytes:
    """Give a section header, in either byte order."""
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


class PcapngTests(SynchronousTestCase):
    """`Reader` and what writes."""

    @given(PACKETS, PLACES)
    def test_round_trip(self, packets: list[Packet], places: list[int]) -> None:
        """What was written is read, wherever the file was cut."""
        self.assertEqual(read(cut(write(packets), places)), (packets, ""))

    @given(PACKETS, PLACES, strategies.integers(0, 10**6), strategies.integers(0, 255))
    def test_damage(self, packets: list[Packet], places: list[int], place: int, byte: int) -> None:
        """A file with a wrong byte is read, or is a sentence, the same in any cuts; and raises nothing else."""
        data = bytearray(write(packets))
        data[place % len(data)] = byte
        pieces = cut(bytes(data), places)
        self.assertEqual(read(pieces)[1], read([bytes(data)])[1])

    @given(strategies.binary(max_size=100), PLACES)
    def test_any_bytes(self, data: bytes, places: list[int]) -> None:
        """Any bytes are a capture or a sentence, at the beginning of a file and after it."""
        self.assertTrue(read(cut(data, places))[1])
        self.assertEqual(read(cut(write([]) + data, places))[1], read([write([]) + data])[1])

    @given(strategies.integers(0, 10**6))
    def test_cut_off(self, place: int) -> None:
        """A file that ends in a block has all packets before it, and a sentence."""
        data = write([Packet(1.5, RAW, b"one", ()), Packet(2.5, RAW, b"two", ("note",))])
        end = len(data) - 1 - place % 40
        packets, why = read([data[:end]])
        self.assertEqual(
            ([each.data for each in packets], why), ([b"one"], "the capture ends in the middle of a block")
        )

    def test_others_files(self) -> None:
        """Big-endian sections, nanoseconds, powers of two, an offset, and blocks of other types are read."""
        for order in "<>":
            options = struct.pack(f"{order}HHB3x", 9, 1, 9) + struct.pack(f"{order}HHqHH", 14, 8, 100, 0, 0)
            interface = block(1, struct.pack(f"{order}HHI", ETHERNET, 0, 0) + options, order)
            binary = block(
                1, struct.pack(f"{order}HHI", RAW, 0, 0) + struct.pack(f"{order}HHB3x", 9, 1, 0x80 | 10), order
            )
            other = block(0xBAD, b"whatever", order)
            ticks = struct.pack(f"{order}IIIII", 0, 0, 1_500_000_000, 2, 2) + b"ab\0\0"
            more = struct.pack(f"{order}IIIII", 1, 0, 1536, 1, 9) + b"c\0\0\0"
            data = section(order) + interface + binary + other + block(6, ticks, order) + block(6, more, order)
            packets = [Packet(101.5, ETHERNET, b"ab", ()), Packet(1.5, RAW, b"c", ())]
            self.assertEqual(read([data]), (packets, ""))
            self.assertEqual(read([data + data]), (packets * 2, ""))

    def test_damaged(self) -> None:
        """Each kind of damage has its sentence."""
        start = write_start()
        long = struct.pack("<III", 6, MAX_BLOCK + 4, 0)
        for data, why in {
            b"": "the capture is empty",
            b"hello, world": "no pcapng file",
            b"\xd4\xc3\xb2\xa1" + bytes(20): "editcap -F pcapng",
            section()[:8] + b"????" + section()[12:]: "no byte order",
            start + long: "a block of 16777220 bytes",
            start + b"\6\0\0\0\0\0\0\0": "a block of 0 bytes",
            start + block(6, struct.pack("<IIIII", 0, 0, 0, 100, 100)): "longer than its block",
            start + block(6, struct.pack("<IIIII", 7, 0, 0, 0, 0)): "has no interface",
            start + block(6, b""): "too short",
            start + block(6, bytes(20) + struct.pack("<HH", 1, 9)): "an option is longer",
            start + block(7, b"")[:-4] + b"oops": "two lengths differ",
            section() + block(1, struct.pack("<HHI", RAW, 0, 0)) * (MAX_INTERFACES + 1): "more than 1024 interfaces",
        }.items():
            self.assertIn(why, read([data])[1])

    def test_length_is_checked_before_bytes_are_kept(self) -> None:
        """A block that is too long is refused by its first 8 bytes."""
        reader = Reader()
        reader.feed(write_start())
        self.assertRaises(CaptureError, reader.feed, struct.pack("<II", 6, 2**32 - 4))

    def test_long_comments_are_cut(self) -> None:
        """A comment has 65535 bytes at most."""
        (packet,), _ = read([write([Packet(0.0, RAW, b"", ("x" * 70_000,))])])
        self.assertEqual(packet.comments, ("x" * 65535,))
