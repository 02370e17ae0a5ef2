"""Lanes: what comes back is found and compared, whatever the cuts."""

from collections.abc import Awaitable, Iterator

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.wire.cuts import PLACES, cut
from twisted_lab.instruments.load.content import Content
from twisted_lab.instruments.load.lanes import Lane, RequestLane, StreamLane


class Watching:
    """A load that writes down what its lanes tell it."""

    def __init__(self, content: Content) -> None:
        self.content = content
        self.answers: list[tuple[float, float]] = []
        self.failures: list[str] = []
        self.time = 0.0

    def now(self) -> float:
        """Give the time."""
        return self.time

    def answered(self, lane: Lane, due: float, sent: float) -> None:
        """Write it down."""
        self.answers.append((due, sent))

    def failed(self, lane: Lane, what: str) -> None:
        """Write it down."""
        self.failures.append(what)


def stream(prefix: bytes = b"", window: int = 100) -> tuple[Watching, StreamLane, StringTransport]:
    """Give a lane whose message `n` is due at second `n`, and its transport."""
    load = Watching(Content(10, 0, without=prefix[:1]))
    lane = StreamLane(load, 3, window, prefix)
    transport = StringTransport()
    lane.makeConnection(transport)
    lane.begin(0, 1)
    return load, lane, transport


class StreamLaneTests(SynchronousTestCase):
    """`StreamLane`."""

    @given(PLACES, PLACES, st.sampled_from([b"", b"echo ", b"aab"]), st.integers(1, 8))
    def test_replies_are_found_whatever_the_cuts(
        self, reads: list[int], cuts: list[int], prefix: bytes, count: int
    ) -> None:
        """The server may read in any pieces, put its prefix before each, and the network cut again."""
        load, lane, transport = stream(prefix)
        for _ in range(count):
            lane.offer()
        answer = b"".join(prefix + piece for piece in cut(transport.value(), reads))
        for piece in cut(answer, cuts):
            lane.dataReceived(piece)
        self.assertEqual(load.failures, [])
        self.assertEqual([due for due, _ in load.answers], [float(number) for number in range(count)])

    def test_a_wrong_byte_is_a_failure(self) -> None:
        """Wherever it is."""
        load, lane, transport = stream()
        lane.offer()
        lane.dataReceived(transport.value()[:-1] + b"?")
        self.assertEqual(load.failures, ["a wrong byte came back, in reply 1"])

    def test_the_reply_with_the_wrong_byte_is_told(self) -> None:
        """Its own number, though several came at once and the first of them were right."""
        for place, number in ((0, 2), (9, 2), (10, 3), (29, 4)):
            load, lane, transport = stream()
            for _ in range(4):
                lane.offer()
            lane.dataReceived(transport.value()[:10])
            came = bytearray(transport.value()[10:])
            came[place] ^= 1
            lane.dataReceived(bytes(came))
            self.assertEqual(load.failures, [f"a wrong byte came back, in reply {number}"])

    def test_a_lost_connection_is_a_failure_unless_we_closed_it(self) -> None:
        """The sentence says how it was lost."""
        load, lane, _ = stream()
        lane.connectionLost(Failure(ConnectionLost("gone")))
        self.assertRegex(load.failures[0], r"^the connection was lost: .*gone")
        load, lane, _ = stream()
        lane.close()
        lane.connectionLost(Failure(ConnectionLost("gone")))
        self.assertEqual(load.failures, [])

    def test_the_window_holds_back_and_lets_go(self) -> None:
        """No more than that are unanswered at one time; the rest is sent when there is room, due when it was."""
        load, lane, transport = stream(window=2)
        self.assertEqual([lane.offer() for _ in range(4)], [True, True, False, False])
        sent = transport.value()
        self.assertEqual(len(sent), 20)
        load.time = 9.0
        lane.dataReceived(sent)
        lane.dataReceived(transport.value()[20:])
        self.assertEqual(load.answers, [(0.0, 0.0), (1.0, 0.0), (2.0, 9.0), (3.0, 9.0)])

    def test_it_knows_what_waits(self) -> None:
        """When each message was due that has no answer, and when it was sent, if it was."""
        _, lane, transport = stream()
        for _ in range(3):
            lane.offer()
        lane.dataReceived(transport.value()[:10])
        self.assertEqual([*lane.unanswered()], [(1.0, 0.0), (2.0, 0.0)])

    def test_it_knows_what_was_never_sent(self) -> None:
        """Each message, or a few times that stand for all: as many, in the middle of those that they stand for."""
        _, lane, _ = stream(window=2)
        for _ in range(12):
            lane.offer()
        self.assertEqual([*lane.unsent(0, 100)], [(float(number), 1) for number in range(2, 12)])
        self.assertEqual([*lane.unsent(5, 3)], [(6.0, 3), (9.0, 3), (11.0, 1)])
        self.assertEqual([*lane.unsent(12, 3)], [])
        self.assertEqual([lane.first_from(time) for time in (-5.0, 0.0, 0.5, 7.0)], [0, 0, 1, 7])


class Asking:
    """A client whose requests the test answers."""

    def __init__(self) -> None:
        self.transport = StringTransport()
        self.requests: list[tuple[bytes, Deferred[bytes]]] = []

    def request(self, message: bytes) -> "Deferred[bytes]":
        """Keep it."""
        reply: Deferred[bytes] = Deferred()
        self.requests.append((message, reply))
        return reply


class Promise:
    """What can be awaited and is neither a Deferred nor a coroutine, as a Future of asyncio is."""

    def __await__(self) -> Iterator[None]:
        yield


class RequestLaneTests(SynchronousTestCase):
    """`RequestLane`."""

    def asking(self, *, as_coroutine: bool = False) -> tuple[Watching, RequestLane, Asking]:
        """Give a lane, and the client that it drives."""

        async def ask(client: Asking, message: bytes) -> bytes:
            return await client.request(message)

        def exchange(client: Asking, message: bytes) -> Awaitable[bytes]:
            return ask(client, message) if as_coroutine else client.request(message)

        load, client = Watching(Content(10, 0)), Asking()
        lane = RequestLane(load, 0, 10, client, exchange)
        lane.begin(0, 1)
        return load, lane, client

    def test_replies_count_in_any_order(self) -> None:
        """Each has its own time, whether the client gives a Deferred or a coroutine."""
        for as_coroutine in (False, True):
            load, lane, client = self.asking(as_coroutine=as_coroutine)
            lane.offer()
            lane.offer()
            for message, reply in reversed(client.requests):
                reply.callback(message)
            self.assertEqual(load.answers, [(1.0, 0.0), (0.0, 0.0)])

    def test_a_wrong_reply_is_a_failure(self) -> None:
        """And it isn't counted."""
        load, lane, client = self.asking()
        lane.offer()
        client.requests[0][1].callback(b"something else")
        self.assertEqual(load.failures, ["a wrong reply came back, reply 1"])
        self.assertEqual(load.answers, [])

    def test_what_is_awaited_otherwise_is_a_failure(self) -> None:
        """In a sentence, whether or not it could be awaited elsewhere."""
        for what, name in ((Promise(), "Promise"), (5, "int")):
            load = Watching(Content(10, 0))
            lane = RequestLane(load, 0, 10, Asking(), lambda _client, _message, what=what: what)  # type: ignore[misc]
            lane.offer()
            self.assertEqual(load.failures, [f"`request` gives {name}, neither a Deferred nor a coroutine"])

    def test_a_failed_request_is_a_failure_unless_we_closed(self) -> None:
        """With the reason."""
        load, lane, client = self.asking()
        lane.offer()
        lane.offer()
        client.requests[0][1].errback(Failure(ValueError("no such thing")))
        self.assertEqual(load.failures, ["a request failed: no such thing"])
        lane.close()
        client.requests[1][1].errback(Failure(ConnectionLost()))
        self.assertEqual(len(load.failures), 1)
