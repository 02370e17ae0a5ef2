"""Streams from packets: in order, whatever the wire did to them, and within bounds."""

from hypothesis import given, strategies
from twisted.trial.unittest import SynchronousTestCase

from tests.instruments.capture.packets import (
    CLIENT,
    HANDSHAKE,
    SEGMENTS,
    SERVER,
    START,
    THE,
    downstream,
    happenings,
    packet,
    upstream,
)
from tests.wire.cuts import PLACES, cut
from twisted_lab.instruments.capture.segment import ACK, FIN, MAX_PAYLOAD, PSH, RST, SYN, Segment
from twisted_lab.instruments.capture.streams import (
    MAX_CONNECTIONS,
    MAX_WAITING_IN_ALL,
    Ended,
    Noted,
    Opened,
    Read,
    Streams,
)
from twisted_lab.instruments.directions import DOWNSTREAM, UPSTREAM


def reads(segments: list[Segment]) -> list[tuple[str, bytes, int]]:
    """Give the reads in segments: stream, data, missing."""
    found = happenings([packet(segment) for segment in segments])
    return [(each.stream, each.data, each.missing) for each in found if isinstance(each, Read)]


class StreamsTests(SynchronousTestCase):
    """`Streams`."""

    def test_a_connection(self) -> None:
        """It is opened, read from and ended, with what was noted, and what was noted of nothing in particular."""
        packets = [
            packet(HANDSHAKE[0], 1.0, "between unix and unix:/run/echo"),
            *map(packet, HANDSHAKE[1:]),
            packet(upstream(START, b"hello", PSH | ACK), 2.0, "fault=slicer"),
            packet(downstream(1000, b"echo hello", PSH | ACK), 3.0),
            packet(upstream(START + 5, flags=FIN | ACK), 4.0),
            packet(downstream(1010, b"!", FIN | ACK), 5.0, "late"),
            packet(upstream(START + 6), 6.0, "closed: idle"),
        ]
        self.assertEqual(
            happenings(packets),
            [
                Opened(THE, 1.0, ("between unix and unix:/run/echo",), midst=False),
                Read(THE, 2.0, UPSTREAM, b"hello", ("fault=slicer",)),
                Read(THE, 3.0, DOWNSTREAM, b"echo hello"),
                Ended(THE, 4.0, UPSTREAM, reset=False, comments=()),
                Read(THE, 5.0, DOWNSTREAM, b"!", ("late",)),
                Ended(THE, 5.0, DOWNSTREAM, reset=False, comments=()),
                Noted(THE, 6.0, UPSTREAM, ("closed: idle",)),
            ],
        )

    def test_a_reset(self) -> None:
        """A reset ends the connection; what comes after it is none of it."""
        reset = packet(downstream(1000, flags=RST | ACK), 2.0, "closed: reset")
        late = packet(upstream(START, b"late"))
        self.assertEqual(
            happenings([*map(packet, HANDSHAKE), reset, late])[1:],
            [Ended(THE, 2.0, DOWNSTREAM, reset=True, comments=("closed: reset",))],
        )

    def test_one_read_of_several_packets(self) -> None:
        """What our recorder cut for being too long is one read; what others cut is several."""
        segments = [upstream(START, bytes(MAX_PAYLOAD)), upstream(START + MAX_PAYLOAD, b"x", PSH | ACK)]
        more = [upstream(START + MAX_PAYLOAD + 1, b"y", PSH | ACK)]
        found = happenings([packet(each) for each in [*HANDSHAKE, *segments, *more]])
        self.assertEqual([each.continues for each in found if isinstance(each, Read)], [False, True, False])

    @given(
        strategies.binary(min_size=1, max_size=60),
        PLACES,
        strategies.lists(strategies.integers(0, 10**6), max_size=12),
        strategies.randoms(use_true_random=False),
    )
    def test_whatever_the_wire_did(self, data: bytes, places: list[int], others: list[int], random: object) -> None:
        """Segments in any order, some of them twice and cut elsewhere, give the stream, and nothing else."""
        segments = []
        for pieces in (cut(data, places), cut(data, others)):
            at = START
            for piece in pieces:
                segments.append(upstream(at, piece))
                at += len(piece)
        random.shuffle(segments)  # type: ignore[attr-defined]
        found = reads([*HANDSHAKE, *segments])
        self.assertEqual(b"".join(piece for _, piece, _ in found), data)
        self.assertTrue(all(piece and not missing for _, piece, missing in found))

    def test_a_reset_by_who_had_ended(self) -> None:
        """It ends the connection as any other does; what comes of it later is only what was noted."""
        end, reset = upstream(START, flags=FIN | ACK), packet(upstream(START + 1, flags=RST), 2.0, "fault=reset_peer")
        late = [packet(downstream(1000, b"late")), packet(upstream(START + 1, flags=RST), 3.0, "closed: idle")]
        found = happenings([*map(packet, [*HANDSHAKE, end]), reset, *late])
        self.assertEqual(
            found[2:],
            [
                Ended(THE, 2.0, UPSTREAM, reset=True, comments=("fault=reset_peer",)),
                Noted(THE, 3.0, UPSTREAM, ("closed: idle",)),
            ],
        )

    def test_what_comes_again_and_goes_further(self) -> None:
        """Of two segments that wait for one place the longer has more to give, and an end is more than none."""
        at = START + 1
        again = [upstream(at, b"el"), upstream(at, b"ello"), upstream(at, b"el"), upstream(at, b"ello", FIN | ACK)]
        found = happenings([packet(each) for each in [*HANDSHAKE, *again, upstream(START, b"h")]])
        self.assertEqual([each.data for each in found if isinstance(each, Read)], [b"h", b"ello"])
        self.assertIsInstance(found[-1], Ended)

    def test_notes_on_what_comes_again(self) -> None:
        """A repetition has nothing new but what was noted about it."""
        found = happenings(
            [*map(packet, [*HANDSHAKE, upstream(START, b"x")]), packet(upstream(START, b"x"), 1.0, "why")]
        )
        self.assertEqual(found[-1], Noted(THE, 1.0, UPSTREAM, ("why",)))

    def test_the_end_of_one_that_is_not_known(self) -> None:
        """In the next file of a capture there may be no more of a connection than its end, with what was noted."""
        end = packet(upstream(START, flags=RST), 1.0, "closed: idle")
        self.assertEqual(happenings([packet(upstream(START, flags=RST))]), [])
        self.assertEqual([type(each) for each in happenings([end])], [Opened, Ended])

    def test_many_small_segments_wait_no_more(self) -> None:
        """The bound holds for segments of a byte too."""
        streams = Streams()
        for segment in HANDSHAKE:
            [*streams.take(packet(segment))]
        for number in range(3000):
            [*streams.take(packet(upstream(START + 2 + 2 * number, b"x")))]
        ((_, directions),) = streams._known.values()
        self.assertLess(len(directions[UPSTREAM].waiting), 1100)

    def test_all_together_wait_no_more(self) -> None:
        """There is a bound for all connections together, and what waits of one that is forgotten counts no more."""
        streams = Streams()
        for number in range(100):
            client = CLIENT._replace(port=10000 + number)
            [*streams.take(packet(Segment(client, SERVER, 0, 0, SYN)))]
            for late in range(15):
                at = 2 + late * MAX_PAYLOAD
                [*streams.take(packet(Segment(client, SERVER, at, 0, ACK, bytes(MAX_PAYLOAD))))]
        waiting = [each.size for _, directions in streams._known.values() for each in directions.values()]
        self.assertEqual(sum(waiting), streams._waiting)
        self.assertLessEqual(sum(waiting), MAX_WAITING_IN_ALL)
        for number in range(100):
            [*streams.take(packet(Segment(CLIENT._replace(port=10000 + number), SERVER, 0, 0, RST)))]
        self.assertEqual(streams._waiting, 0)

    def test_in_the_midst(self) -> None:
        """A capture that begins later is taken from there; who has the smaller port is the server."""
        found = happenings([packet(downstream(5, b"x")), packet(upstream(7, b"y"))])
        self.assertEqual(found[0], Opened(THE, 0.0, (), midst=True))
        self.assertEqual([each.stream for each in found if isinstance(each, Read)], [DOWNSTREAM, UPSTREAM])
        found = happenings([packet(downstream(5, flags=SYN | ACK)), packet(downstream(6, b"x"))])
        self.assertEqual(found[0], Opened(THE, 0.0, (), midst=False))

    def test_a_port_that_is_used_again(self) -> None:
        """A new handshake is a new connection; the same once more isn't."""
        again = [upstream(5000, flags=SYN), downstream(7000, flags=SYN | ACK), upstream(5001, b"x")]
        found = happenings([packet(each) for each in [*HANDSHAKE, *HANDSHAKE, *again]])
        self.assertEqual([each.connection.number for each in found], [1, 2, 2])

    def test_connections_are_bounded(self) -> None:
        """Of very many connections the oldest are forgotten."""
        streams = Streams()
        for number in range(MAX_CONNECTIONS + 10):
            port = CLIENT._replace(port=10000 + number)
            [*streams.take(packet(Segment(port, SERVER, number, 0, SYN)))]
        self.assertEqual(len(streams._known), MAX_CONNECTIONS)

    def test_what_is_over_is_forgotten_first(self) -> None:
        """One long connection is followed to its end, however many short ones there are meanwhile."""
        streams = Streams()
        for each in HANDSHAKE:
            [*streams.take(packet(each))]
        for number in range(MAX_CONNECTIONS + 10):
            port = CLIENT._replace(port=10000 + number)
            [*streams.take(packet(Segment(port, SERVER, number, 0, SYN)))]
            [*streams.take(packet(Segment(port, SERVER, number + 1, 0, RST)))]
        (read,) = streams.take(packet(upstream(START, b"still here")))
        assert isinstance(read, Read)
        self.assertEqual((read.connection.number, read.stream), (1, UPSTREAM))

    @given(strategies.lists(SEGMENTS, max_size=10))
    def test_any_segments(self, segments: list[Segment]) -> None:
        """Any segments are some connections'."""
        happenings([packet(segment) for segment in segments])
