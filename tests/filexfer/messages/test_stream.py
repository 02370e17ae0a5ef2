"""Messages pulled by coroutines: nothing is lost, nothing piles up, and the end comes last."""

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.filexfer.server.sessions import encode
from tests.net.fakes import FakeTransport
from twisted_lab.filexfer.client.stream import ClientStream
from twisted_lab.filexfer.errors import DisconnectedError
from twisted_lab.filexfer.messages.stream import QUEUE
from twisted_lab.wire.errors import RemoteProtocolError
from twisted_lab.wire.header import HeaderCodec

Result = TypeVar("Result")


class StreamTests(SynchronousTestCase):
    """`ClientStream`, without a network."""

    def setUp(self) -> None:
        """Connect."""
        self.stream, self.transport = ClientStream(), FakeTransport()
        self.stream.makeConnection(self.transport)

    def arrive(self, *messages: tuple[dict[str, Any], bytes]) -> None:
        """Let messages arrive in one read."""
        self.stream.dataReceived(b"".join(encode({"type": "x", **header}, content) for header, content in messages))

    def now(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Give the result of what needn't wait."""
        result: Result = self.successResultOf(Deferred.fromCoroutine(work))
        return result

    def test_messages(self) -> None:
        """Headers and content are read in order, whether they came before they were asked for or after."""
        waiting = Deferred.fromCoroutine(self.stream.receive())
        self.assertNoResult(waiting)
        self.arrive(({"id": 1}, b"one"), ({"id": 2}, b""), ({"id": 3}, b"three"))
        self.assertEqual(self.successResultOf(waiting)["id"], 1)
        self.assertEqual(b"".join(self.now(self.stream.read_some())), b"one")
        self.assertEqual(self.now(self.stream.read_some()), [])
        self.assertEqual(self.now(self.stream.receive())["id"], 2)
        self.assertEqual(self.now(self.stream.read_some()), [])
        self.assertEqual(self.now(self.stream.receive())["id"], 3)

    def test_unread_content_is_dropped(self) -> None:
        """Who isn't interested in a message's content asks for the next message."""
        self.arrive(({"id": 1}, b"one"), ({"id": 2}, b""))
        self.now(self.stream.receive())
        self.assertEqual(self.now(self.stream.receive())["id"], 2)

    def test_nothing_piles_up(self) -> None:
        """Reading pauses when a little waits, and goes on when it is taken: bytes, tiny pieces and headers alike."""
        for arriving in (
            lambda: self.stream.dataReceived(bytes(2**16)),
            lambda: self.stream.dataReceived(b"x"),
        ):
            self.setUp()
            self.stream.dataReceived(HeaderCodec().encode_header({"type": "x", "length": 2**40}))
            times = 0
            while self.transport.producerState == "producing":
                arriving()
                times += 1
                self.assertLess(times, QUEUE // 60)
            self.now(self.stream.receive())
            while self.transport.producerState == "paused":
                self.now(self.stream.read_some())
        self.setUp()
        self.arrive(*[({"id": number}, b"") for number in range(1000)])
        self.assertEqual(self.transport.producerState, "paused")
        for number in range(1000):
            self.assertEqual(self.now(self.stream.receive())["id"], number)
        self.assertEqual(self.transport.producerState, "producing")

    def test_the_end_comes_last(self) -> None:
        """What arrived before the connection was lost is read first; then each call says that it is lost."""
        self.arrive(({"id": 1}, b""))
        self.stream.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.now(self.stream.receive())["id"], 1)
        for _ in range(2):
            self.failureResultOf(Deferred.fromCoroutine(self.stream.receive()), DisconnectedError)
        self.assertRaises(DisconnectedError, self.stream.send, {"type": "x"})

    def test_cut_short(self) -> None:
        """A connection that ends in the middle of a message was lost; the peer did nothing that is forbidden."""
        self.stream.dataReceived(encode({"type": "x"}, b"content")[:-1])
        self.stream.connectionLost(Failure(ConnectionDone()))
        self.now(self.stream.receive())
        self.now(self.stream.read_some())
        failure = self.failureResultOf(Deferred.fromCoroutine(self.stream.read_some()), DisconnectedError)
        self.assertIn("in the middle of a message", str(failure.value))

    def test_a_fault(self) -> None:
        """What the peer does against the protocol is heard when what came before it is read."""
        self.stream.dataReceived(encode({"type": "x", "id": 1}) + b"\xff\xff\xff\xff")
        self.assertEqual(self.now(self.stream.receive())["id"], 1)
        self.failureResultOf(Deferred.fromCoroutine(self.stream.receive()), RemoteProtocolError)

    def test_a_peer_that_takes_nothing(self) -> None:
        """Who sends waits until the peer has room, or is gone."""
        assert self.transport.producer is not None
        self.stream.send({"type": "x", "length": 2})
        self.transport.producer.pauseProducing()
        sending = Deferred.fromCoroutine(self.stream.send_content(b"1"))
        self.assertNoResult(sending)
        self.transport.producer.resumeProducing()
        self.successResultOf(sending)
        self.transport.producer.pauseProducing()
        sending = Deferred.fromCoroutine(self.stream.send_content(b"2"))
        self.stream.connectionLost(Failure(ConnectionLost()))
        self.failureResultOf(sending, DisconnectedError)
