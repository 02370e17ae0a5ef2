"""
The TCP segments in captured packets, of the link types that come up: raw IP, Ethernet, loopback, Linux's "any".

Whatever is no TCP over IP is None, and so is what is cut off or broken: a capture has all kinds of packets.
"""

import struct
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

from twisted_lab.instruments.capture.segment import TCP, Address, Segment

#: Link types, as the registry of pcap numbers them.
NULL, ETHERNET, RAW, LOOP, LINUX_SLL, IPV4, IPV6, LINUX_SLL2 = 0, 1, 101, 108, 113, 228, 229, 276
_VLANS = {b"\x81\x00", b"\x88\xa8"}
_IP = {b"\x08\x00", b"\x86\xdd"}
#: Extension headers of IPv6 that may stand before TCP: hop-by-hop, routing, destination. (A fragment is none of ours.)
_EXTENSIONS = {0, 43, 60}

_tcp = struct.Struct("!HHIIBBHHH")


def find_segment(link: int, packet: bytes) -> Segment | None:
    """Give the segment in a packet of that link type."""
    strip = _LINKS.get(link)
    ip = strip(packet) if strip is not None else None
    if not ip:
        return None
    return _in_ipv4(ip) if ip[0] >> 4 == 4 else _in_ipv6(ip) if ip[0] >> 4 == 6 else None


def _ethernet(packet: bytes) -> bytes | None:
    at = 12
    while packet[at : at + 2] in _VLANS:
        at += 4
    return packet[at + 2 :] if packet[at : at + 2] in _IP else None


_LINKS: dict[int, Callable[[bytes], bytes | None]] = {
    RAW: lambda packet: packet,
    IPV4: lambda packet: packet,
    IPV6: lambda packet: packet,
    # Four bytes say which family, by numbers that differ between systems; the packet's own first one doesn't.
    NULL: lambda packet: packet[4:],
    LOOP: lambda packet: packet[4:],
    ETHERNET: _ethernet,
    LINUX_SLL: lambda packet: packet[16:] if packet[14:16] in _IP else None,
    LINUX_SLL2: lambda packet: packet[20:] if packet[:2] in _IP else None,
}


def _in_ipv4(packet: bytes) -> Segment | None:
    start = (packet[0] & 15) * 4
    if len(packet) < max(start, 20) or packet[9] != TCP:
        return None
    total, fragment = int.from_bytes(packet[2:4], "big"), int.from_bytes(packet[6:8], "big") & 0x3FFF
    if fragment:  # the first of several, or one that follows
        return None
    # A length of zero is what offloading to the card leaves; then it is as long as the capture.
    hosts = IPv4Address(packet[12:16]), IPv4Address(packet[16:20])
    return _in_ip(*hosts, packet[start : total or None], (total or len(packet)) - start)


def _in_ipv6(packet: bytes) -> Segment | None:
    if len(packet) < 40:
        return None
    length, following, start = int.from_bytes(packet[4:6], "big"), packet[6], 40
    end = start + length if length else len(packet)
    while following in _EXTENSIONS and start + 8 <= len(packet):
        following, start = packet[start], start + 8 + 8 * packet[start + 1]
    if following != TCP:
        return None
    return _in_ip(IPv6Address(packet[8:24]), IPv6Address(packet[24:40]), packet[start:end], end - start)


def _in_ip(
    source: IPv4Address | IPv6Address, destination: IPv4Address | IPv6Address, tcp: bytes, length: int
) -> Segment | None:
    """Read a segment, of which `length` bytes were sent."""
    if len(tcp) < _tcp.size:
        return None
    from_port, to_port, sequence, acknowledgement, offset, flags, *_ = _tcp.unpack_from(tcp)
    start = (offset >> 4) * 4
    if start < _tcp.size or start > length:
        return None
    addresses = Address(source, from_port), Address(destination, to_port)
    return Segment(*addresses, sequence, acknowledgement, flags & 0x1F, tcp[start:], length - start)
