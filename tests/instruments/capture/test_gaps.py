"""What a capture lacks is shown as a gap; what it has is shown, and nothing that waits for the rest is forgotten."""

from hypothesis import given, strategies
from twisted.trial.unittest import SynchronousTestCase

from tests.instruments.capture.packets import (
    CLIENT,
    HANDSHAKE,
    SERVER,
    START,
    THE,
    downstream,
    happenings,
    packet,
    upstream,
)
from tests.wire.cuts import PLACES, cut
from twisted_lab.instruments.capture import streams as module
from twisted_lab.instruments.capture.pcapng import Packet
from twisted_lab.instruments.capture.segment import ACK, FIN, MAX_PAYLOAD, RST, SYN, Segment
from twisted_lab.instruments.capture.streams import MAX_WAITING, Ended, Opened, Read, Streams
from twisted_lab.instruments.directions import UPSTREAM


class GapsTests(SynchronousTestCase):
    """`Streams` of packets that aren't all there."""

    def test_what_never_comes_is_a_gap(self) -> None:
        """What is behind a gap waits, no more than a bound; then it is given, with how much is missing."""
        size = MAX_PAYLOAD
        behind = [upstream(START + 100 + number * size, bytes(size)) for number in range(MAX_WAITING // (size + 1024))]
        more = upstream(START + 100 + len(behind) * size, b"x" * size)
        streams = Streams()
        self.assertEqual(len([each for one in [*HANDSHAKE, *behind] for each in streams.take(packet(one))]), 1)
        found = [each.missing for each in streams.take(packet(more)) if isinstance(each, Read)]
        self.assertEqual(found, [100] + [0] * len(behind))

    @given(
        strategies.binary(min_size=1, max_size=60),
        PLACES,
        strategies.sets(strategies.integers(0, 13)),
        strategies.sampled_from(("", "FIN", "FIN with data", "RST")),
        strategies.randoms(use_true_random=False),
    )
    def test_whatever_was_not_captured(
        self, data: bytes, places: list[int], left_out: set[int], end: str, random: object
    ) -> None:
        """All that was captured is shown, in its place, with the size of each gap before, and the end."""
        segments, kept, at = [], b"", 0
        pieces = [piece for piece in cut(data, places) if piece]
        for number, piece in enumerate(pieces):
            last = end == "FIN with data" and number == len(pieces) - 1
            if last or number not in left_out:
                segments.append(packet(upstream(START + at, piece, ACK | FIN * last), float(at), f"at {at}"))
                kept += piece
            at += len(piece)
        if end == "FIN":
            segments.append(packet(upstream(START + at, flags=FIN | ACK), float(at), "the end"))
        random.shuffle(segments)  # type: ignore[attr-defined]
        if end == "RST":  # behind all that is late: none of it counts later
            segments.append(packet(upstream(START + at, flags=RST | ACK), float(at), "the end"))
        found = happenings([*map(packet, HANDSHAKE), *segments])
        shown, at = b"", 0
        for each in found:
            if isinstance(each, Read):
                at += each.missing
                self.assertEqual(each.data, data[at : at + len(each.data)])
                self.assertTrue(not each.data or each.comments == (f"at {at}",))
                at += len(each.data)
                shown += each.data
        self.assertEqual(shown, kept)
        if end:
            self.assertEqual(at, len(data))
            comments = () if end == "FIN with data" else ("the end",)
            time = found[-1].time
            self.assertEqual(found[-1], Ended(THE, time, UPSTREAM, reset=end == "RST", comments=comments))
        else:
            self.assertNotIn(Ended, map(type, found))

    def test_what_waits_of_one_that_is_forgotten(self) -> None:
        """It is shown before the connection that takes its place, or its port."""
        self.patch(module, "MAX_CONNECTIONS", 1)
        begun = [*HANDSHAKE, upstream(START + 10, b"behind")]
        for other in (upstream(5000, flags=SYN), Segment(CLIENT._replace(port=1), SERVER, 0, 0, SYN)):
            found = happenings([packet(each) for each in [*begun, other]])
            self.assertEqual([type(each) for each in found], [Opened, Read, Opened])
            self.assertEqual([each.missing for each in found if isinstance(each, Read)], [10])

    def test_both_sides_wait_when_one_resets(self) -> None:
        """A reset is the last of its connection, behind what waits of either direction."""
        behind = [upstream(START + 10, b"up"), downstream(1010, b"down"), downstream(1014, flags=FIN | ACK)]
        found = happenings([packet(each) for each in [*HANDSHAKE, *behind, upstream(START + 12, flags=RST)]])
        self.assertEqual([type(each) for each in found], [Opened, Read, Read, Ended, Ended])
        last = found[-1]
        assert isinstance(last, Ended)
        self.assertTrue(last.reset)

    def test_packets_that_were_not_kept_whole(self) -> None:
        """What the capture cut off is missing there, whether or not there is a next read."""
        whole = packet(upstream(START, b"0123456789"))
        short = Packet(0.0, whole.link, whole.data[:-4], ())
        packets = [*map(packet, HANDSHAKE), short, packet(upstream(START + 10, b"next"))]
        found = [each for each in happenings(packets) if isinstance(each, Read)]
        self.assertEqual([(each.data, each.missing) for each in found], [(b"012345", 0), (b"", 4), (b"next", 0)])
