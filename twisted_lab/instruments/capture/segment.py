"""
TCP segments in IP packets (RFC 9293, 791, 8200), written with right checksums.

An address is an IPv4Address or IPv6Address and a port; both of a segment are of one family.
"""

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
#: Bytes that a segment carries at most, so that it fits an IPv4 packet; in IPv6 there would be 20 more.
MAX_PAYLOAD = 65535 - 20 - 20
#: What both sides claim to have room for, 1 GiB: nobody acknowledges here but with what they send.
WINDOW, SCALE = 65535, 14
TCP = 6
_HOPS = 64

_ipv4 = struct.Struct("!BBHHHBBH4s4s")
_ipv6 = struct.Struct("!IHBB16s16s")
_tcp = struct.Struct("!HHIIBBHHH")


class Address(NamedTuple):
    """One end of a connection."""

    host: IPv4Address | IPv6Address
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.host.version == 6 else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Segment:
    """A TCP segment. `length` is how many bytes it carried, of which a capture may hold only the first ones."""

    source: Address
    destination: Address
    sequence: int
    acknowledgement: int
    flags: int
    payload: bytes = b""
    length: int = -1

    def __post_init__(self) -> None:
        if self.length < 0:
            object.__setattr__(self, "length", len(self.payload))


def write_packet(segment: Segment) -> bytes:
    """Give the segment in its IP packet."""
    source, destination = segment.source.host.packed, segment.destination.host.packed
    options = b"\x02\x04\xff\xd7\x01\x03\x03" + bytes([SCALE]) if segment.flags & SYN else b""
    header = _tcp.pack(
        segment.source.port,
        segment.destination.port,
        segment.sequence,
        segment.acknowledgement,
        (_tcp.size + len(options)) // 4 << 4,
        segment.flags,
        WINDOW,
        0,
        0,
    )
    tcp = bytearray(header + options + segment.payload)
    pseudo = source + destination + struct.pack("!II", len(tcp), TCP)
    struct.pack_into("!H", tcp, 16, checksum(pseudo + tcp))
    if len(source) == 4:
        ip = bytearray(_ipv4.pack(0x45, 0, _ipv4.size + len(tcp), 0, 0x4000, _HOPS, TCP, 0, source, destination))
        struct.pack_into("!H", ip, 10, checksum(ip))
        return bytes(ip + tcp)
    return _ipv6.pack(6 << 28, len(tcp), TCP, _HOPS, source, destination) + tcp


def checksum(data: bytes | bytearray) -> int:
    """Give the Internet checksum (RFC 1071). 65536 is 1 modulo 65535, so the sum of all words is one remainder."""
    if len(data) % 2:
        data = data + b"\0"
    folded = int.from_bytes(data, "big") % 0xFFFF
    # What is no zero but has the remainder zero is 0xFFFF in that arithmetic, and 0 its complement.
    return 0 if not folded and any(data) else 0xFFFF - folded
