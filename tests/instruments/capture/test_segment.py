"""Segments: written as RFC 9293 and RFC 1071 say, and found again in packets of every link type."""

import struct
from dataclasses import replace

from hypothesis import given, strategies
from twisted.trial.unittest import SynchronousTestCase

from tests.instruments.capture.packets import CLIENT, CLIENT6, SEGMENTS, SERVER, SERVER6
from twisted_lab.instruments.capture.links import (
    ETHERNET,
    IPV4,
    LINUX_SLL,
    LINUX_SLL2,
    LOOP,
    NULL,
    RAW,
    find_segment,
)
from twisted_lab.instruments.capture.segment import ACK, MAX_PAYLOAD, SYN, Segment, checksum, write_packet


def add_up(data: bytes) -> int:
    """Add 16-bit words as RFC 1071 does, one after the other."""
    total = 0
    for (word,) in struct.iter_unpack("!H", data + bytes(len(data) % 2)):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    return total


class SegmentTests(SynchronousTestCase):
    """`write_packet` and `find_segment`."""

    @given(strategies.binary(max_size=100))
    def test_checksum(self, data: bytes) -> None:
        """The checksum is the one of RFC 1071."""
        self.assertEqual(checksum(data), 0xFFFF - add_up(data))

    @given(SEGMENTS)
    def test_checksums_are_right(self, segment: Segment) -> None:
        """Words, with the checksum among them, add up to all ones: in the IP header, and with TCP's pseudo-header."""
        packet = write_packet(segment)
        start = 20 if packet[0] >> 4 == 4 else 40
        if start == 20:
            self.assertEqual(add_up(packet[:20]), 0xFFFF)
        hosts = packet[12:20] if start == 20 else packet[8:40]
        tcp = packet[start:]
        self.assertEqual(add_up(hosts + struct.pack("!II", len(tcp), 6) + tcp), 0xFFFF)

    @given(SEGMENTS)
    def test_found_again(self, segment: Segment) -> None:
        """What was written is found."""
        self.assertEqual(find_segment(RAW, write_packet(segment)), segment)

    def test_the_largest(self) -> None:
        """A segment of as much as there may be fits an IP packet, whose length has 16 bits."""
        for ends in ((CLIENT, SERVER), (CLIENT6, SERVER6)):
            segment = Segment(*ends, 1, 1, ACK, bytes(MAX_PAYLOAD))
            self.assertEqual(find_segment(RAW, write_packet(segment)), segment)
        self.assertEqual(len(write_packet(Segment(CLIENT, SERVER, 1, 1, ACK, bytes(MAX_PAYLOAD)))), 65535)

    def test_link_types(self) -> None:
        """Ethernet with tags or without, both kinds of loopback, and Linux's "any" have the segment too."""
        four, six = Segment(CLIENT, SERVER, 1, 2, ACK, b"x"), Segment(CLIENT6, SERVER6, 1, 2, SYN)
        for segment, kind in ((four, b"\x08\x00"), (six, b"\x86\xdd")):
            ip = write_packet(segment)
            for link, packet in {
                ETHERNET: bytes(12) + kind + ip,
                LINUX_SLL: bytes(14) + kind + ip,
                LINUX_SLL2: kind + bytes(18) + ip,
                NULL: b"\2\0\0\0" + ip,
                LOOP: b"\0\0\0\2" + ip,
            }.items():
                self.assertEqual(find_segment(link, packet), segment, link)
            self.assertEqual(find_segment(ETHERNET, bytes(12) + b"\x81\x00\0\1" + kind + ip), segment)
        self.assertEqual(find_segment(IPV4, write_packet(four)), four)
        # Short frames are padded; that isn't part of the packet.
        self.assertEqual(find_segment(ETHERNET, bytes(12) + b"\x08\x00" + write_packet(four) + bytes(19)), four)

    def test_extension_headers(self) -> None:
        """In IPv6 there may be other headers before TCP's."""
        segment = Segment(CLIENT6, SERVER6, 1, 2, ACK, b"x")
        packet = bytearray(write_packet(segment))
        packet[6], packet[4:6] = 0, struct.pack("!H", len(packet) - 40 + 8)
        packet[40:40] = b"\x06\0" + bytes(6)
        self.assertEqual(find_segment(RAW, bytes(packet)), segment)

    def test_not_kept_whole(self) -> None:
        """Of a packet that the capture cut off it is known how long it was."""
        segment = Segment(CLIENT, SERVER, 1, 2, ACK, b"0123456789")
        self.assertEqual(find_segment(RAW, write_packet(segment)[:-4]), replace(segment, payload=b"012345"))

    def test_other_packets(self) -> None:
        """UDP, ARP, fragments and unknown link types have none."""
        packet = write_packet(Segment(CLIENT, SERVER, 1, 2, ACK, b"x"))
        udp = packet[:9] + b"\x11" + packet[10:]
        fragment = packet[:6] + b"\x20\0" + packet[8:]
        for link, other in ((RAW, udp), (RAW, fragment), (ETHERNET, bytes(12) + b"\x08\x06" + packet), (147, packet)):
            self.assertIs(find_segment(link, other), None)

    @given(
        strategies.sampled_from((RAW, ETHERNET, NULL, LINUX_SLL, LINUX_SLL2)),
        strategies.binary(max_size=80) | SEGMENTS.map(write_packet),
        strategies.integers(0, 80),
        strategies.integers(0, 255),
    )
    def test_any_packet(self, link: int, packet: bytes, place: int, byte: int) -> None:
        """Any bytes are a packet, with a segment or without."""
        damaged = packet[:place] + bytes([byte]) + packet[place + 1 :]
        for data in (packet, damaged, damaged[:place]):
            segment = find_segment(link, data)
            if segment is not None:
                self.assertGreaterEqual(segment.length, 0)
