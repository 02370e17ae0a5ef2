"""Segments and packets, for the tests of captures."""

from ipaddress import ip_address
from pathlib import Path

from hypothesis import strategies

from twisted_lab.instruments.capture.links import RAW, find_segment
from twisted_lab.instruments.capture.pcapng import Packet, Reader
from twisted_lab.instruments.capture.segment import ACK, FIN, PSH, RST, SYN, Address, Segment, write_packet
from twisted_lab.instruments.capture.streams import Connection, Happening, Streams

CLIENT, SERVER = Address(ip_address("127.0.0.1"), 40000), Address(ip_address("127.0.0.1"), 5679)
CLIENT6, SERVER6 = Address(ip_address("::1"), 40000), Address(ip_address("fe80::1"), 5679)

_NAMES = {FIN: "F", SYN: "S", RST: "R", PSH: "P", ACK: "."}

PORTS = strategies.integers(0, 65535)
NUMBERS = strategies.integers(0, 2**32 - 1)


def addresses(version: int) -> strategies.SearchStrategy[Address]:
    """Give any address of that IP version."""
    return strategies.builds(Address, strategies.ip_addresses(v=version), PORTS)  # type: ignore[arg-type]


#: Any segment, of either IP version.
SEGMENTS = strategies.sampled_from((4, 6)).flatmap(
    lambda version: strategies.builds(
        Segment,
        addresses(version),
        addresses(version),
        NUMBERS,
        NUMBERS,
        strategies.integers(0, 31),
        strategies.binary(max_size=40),
    )
)


def packet(segment: Segment, time: float = 0.0, *comments: str) -> Packet:
    """Give a segment as a capture has it."""
    return Packet(time, RAW, write_packet(segment), comments)


def upstream(sequence: int, data: bytes = b"", flags: int = ACK) -> Segment:
    """Give a segment from the client."""
    return Segment(CLIENT, SERVER, sequence % 2**32, 0, flags, data)


def downstream(sequence: int, data: bytes = b"", flags: int = ACK) -> Segment:
    """Give a segment from the server."""
    return Segment(SERVER, CLIENT, sequence % 2**32, 0, flags, data)


def read(path: Path) -> list[tuple[Packet, Segment]]:
    """Give the packets of a file, with their segments."""
    reader = Reader()
    packets = reader.feed(path.read_bytes())
    reader.eof()
    segments = [find_segment(packet.link, packet.data) for packet in packets]
    return [(packet, segment) for packet, segment in zip(packets, segments, strict=True) if segment is not None]


def flags(segment: Segment) -> str:
    """Give a segment's flags, as tcpdump does."""
    return "".join(name for flag, name in _NAMES.items() if segment.flags & flag)


THE = Connection(1, CLIENT, SERVER)
START = 2**32 - 5  # so that numbers wrap
HANDSHAKE = [upstream(START - 1, flags=SYN), downstream(999, flags=SYN | ACK), upstream(START)]


def happenings(packets: list[Packet]) -> list[Happening]:
    """Give what happened in packets, which are all there are."""
    streams = Streams()
    return [*[each for one in packets for each in streams.take(one)], *streams.finish()]
