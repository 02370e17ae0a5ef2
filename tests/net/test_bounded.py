"""Connections are bounded in number, in idle time and in the time that closing takes."""

from twisted.internet.address import IPv4Address
from twisted.internet.defer import ensureDeferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.net.fakes import FakeTransport
from twisted_lab.net.bounded import MAX_REFUSALS, BoundedFactory
from twisted_lab.net.connection import BoundedConnection

DONE = Failure(ConnectionDone())


class Told(BoundedFactory):
    """A factory that tells surplus connections so."""

    protocol = BoundedConnection
    name = "told"

    def refusal(self) -> bytes:
        """Say it."""
        return b"busy"


class BoundedFactoryTests(SynchronousTestCase):
    """`BoundedFactory` and `BoundedConnection`."""

    def setUp(self) -> None:
        """Make a factory for two connections, 8 s idle."""
        self.clock = Clock()
        self.factory = Told(self.clock, max_connections=2, idle_timeout=8.0, close_timeout=3.0)

    def connect(self) -> tuple[Protocol, FakeTransport]:
        """Give a connection's protocol, whatever it is, and its transport."""
        protocol, transport = self.factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1)), FakeTransport()
        assert protocol is not None
        protocol.makeConnection(transport)
        return protocol, transport

    def served(self) -> tuple[BoundedConnection, FakeTransport]:
        """Give a connection that isn't refused."""
        protocol, transport = self.connect()
        assert isinstance(protocol, BoundedConnection)
        return protocol, transport

    def test_surplus_is_told_and_closed(self) -> None:
        """A connection over the limit hears why and is closed; when one of the others ends, the next is served."""
        first, _ = self.served()
        self.served()
        with capturedLogs() as events:
            refused, transport = self.connect()
        self.assertNotIsInstance(refused, BoundedConnection)
        self.assertEqual((transport.value(), transport.write_closed), (b"busy", True))
        self.assertEqual([event["limit"] for event in events], [2])
        refused.dataReceived(b"what the client said at once is dropped")
        refused.readConnectionLost()  # type: ignore[attr-defined]
        self.assertTrue(transport.disconnecting)
        refused.connectionLost(DONE)
        first.connectionLost(DONE)
        self.served()

    def test_a_refused_client_that_stays_is_cut_off(self) -> None:
        """A surplus connection whose client doesn't close is aborted soon."""
        self.served(), self.served()
        _, transport = self.connect()
        self.assertFalse(transport.aborted)
        self.clock.advance(1)
        self.assertTrue(transport.aborted)

    def test_refusals_are_bounded_too(self) -> None:
        """A flood of surplus connections holds only so many descriptors: the rest is closed without a word."""
        self.served(), self.served()
        refused = [self.connect()[0] for _ in range(MAX_REFUSALS)]
        self.assertIs(self.factory.buildProtocol(None), None)
        refused[0].connectionLost(DONE)
        self.connect()

    def test_idle(self) -> None:
        """A connection without a byte for `idle_timeout` is closed, at most a quarter later; a busy one isn't."""
        for way in ("bytes_in", "bytes_out"):
            idle, idle_transport = self.served()
            busy, busy_transport = self.served()
            for _ in range(7):
                setattr(busy, way, getattr(busy, way) + 1)
                self.clock.advance(1)
            self.assertFalse(idle_transport.disconnecting)
            for _ in range(3):
                setattr(busy, way, getattr(busy, way) + 1)
                self.clock.advance(1)
            self.assertEqual((idle_transport.disconnecting, busy_transport.disconnecting), (True, False))
            self.assertEqual(self.reason_of(idle), "idle for 8 s")
            busy.connectionLost(DONE)

    def test_idle_while_closing(self) -> None:
        """A half-closed peer that doesn't read has as long as an idle one, then is aborted."""
        connection, transport = self.served()
        connection.readConnectionLost()
        self.assertTrue(transport.disconnecting)
        self.clock.pump([1.0] * 7)
        self.assertFalse(transport.aborted)
        self.clock.pump([1.0] * 3)
        self.assertTrue(transport.aborted)
        self.assertEqual(self.reason_of(connection), "closed by peer")

    def test_never_idle(self) -> None:
        """With an `idle_timeout` of 0 connections stay, and no timer runs."""
        self.factory.idle_timeout = 0
        _, transport = self.served()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertFalse(transport.disconnecting)

    def test_no_timer_is_left(self) -> None:
        """With the last connection goes the last timer."""
        connection, _ = self.served()
        connection.close("test")
        self.assertTrue(self.clock.getDelayedCalls())
        connection.connectionLost(DONE)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_close_after_the_connection_is_lost(self) -> None:
        """Who had something to finish meanwhile, in a thread say, may close then: nothing is left to be closed."""
        protocol, _ = self.served()
        protocol.connectionLost(Failure(ConnectionDone()))
        protocol.transport = None  # type: ignore[assignment]
        protocol.close("server stopping", last_word=True)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_close_has_a_deadline(self) -> None:
        """A closed connection whose peer doesn't read is aborted after `close_timeout`."""
        connection, transport = self.served()
        connection.close("test")
        connection.close("again")
        self.assertEqual((transport.disconnecting, transport.producer), (True, None))
        self.clock.advance(2.9)
        self.assertFalse(transport.aborted)
        self.clock.advance(0.1)
        self.assertTrue(transport.aborted)
        self.assertEqual(self.reason_of(connection), "test")

    def test_last_word(self) -> None:
        """A last word is sent before the peer's bytes can turn the close into a reset: our side is shut first."""
        connection, transport = self.served()
        transport.pauseProducing()  # our own writes have
        connection.close("test", last_word=True)
        self.assertEqual((transport.write_closed, transport.disconnecting), (True, False))
        self.assertEqual(transport.producerState, "producing")
        connection.readConnectionLost()
        self.assertTrue(transport.disconnecting)

    def test_last_word_to_a_quiet_peer(self) -> None:
        """A peer that is quiet needn't close for us to: once it has our last word the connection is closed."""
        connection, transport = self.served()
        connection.close("test", last_word=True)
        connection.writeConnectionLost()
        for _ in range(3):
            connection.bytes_in += 1
            self.clock.advance(0.1)
        self.assertFalse(transport.disconnecting)
        self.clock.advance(0.1)
        self.assertTrue(transport.disconnecting)
        connection.connectionLost(DONE)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_backpressure(self) -> None:
        """While the peer doesn't read, it isn't read from."""
        _, transport = self.served()
        assert transport.producer is not None
        transport.producer.pauseProducing()
        self.assertEqual(transport.producerState, "paused")
        transport.producer.resumeProducing()
        self.assertEqual(transport.producerState, "producing")
        transport.producer.stopProducing()

    def test_closable_while_paused(self) -> None:
        """A bare loseConnection closes even if the peer wasn't reading: nothing stays registered."""
        _, transport = self.served()
        producer = transport.producer
        assert producer is not None
        producer.pauseProducing()
        transport.loseConnection()
        producer.resumeProducing()
        self.assertIs(transport.producer, None)

    def test_log_line(self) -> None:
        """A connection that ends is one line, with its fields."""
        connection, _ = self.served()
        connection.bytes_in, connection.bytes_out = 5, 10
        self.clock.advance(1.5)
        with capturedLogs() as events:
            connection.connectionLost(Failure(ConnectionLost()))
        (event,) = events
        fields = {key: event[key] for key in ("name", "peer", "bytes_in", "bytes_out", "duration", "reason")}
        self.assertEqual(
            fields,
            {
                "name": "told",
                "peer": "192.168.1.1:54321",
                "bytes_in": 5,
                "bytes_out": 10,
                "duration": 1.5,
                "reason": "Connection to the other side was lost in a non-clean fashion",
            },
        )

    def test_shutdown(self) -> None:
        """Stopping lets connections finish, aborts them after the grace period, and waits until they are gone."""
        connection, transport = self.served()
        stopping = ensureDeferred(self.factory.shutdown(2.0))
        self.assertTrue(transport.write_closed)
        self.clock.advance(1.9)
        self.assertFalse(transport.aborted)
        self.clock.advance(0.1)
        self.assertTrue(transport.aborted)
        self.assertNoResult(stopping)
        self.assertEqual(self.reason_of(connection), "server stopping")
        self.successResultOf(stopping)

    def test_shutdown_in_time(self) -> None:
        """A stop that needs no abort leaves no timer; one without connections is over at once."""
        connection, _ = self.served()
        stopping = ensureDeferred(self.factory.shutdown(2.0))
        connection.connectionLost(DONE)
        self.successResultOf(stopping)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.successResultOf(ensureDeferred(self.factory.shutdown(2.0)))

    def test_shutdown_of_what_does_not_end(self) -> None:
        """A connection that isn't told of its end, or whose drain fails, holds up neither the stop nor the others."""
        broken, _ = self.served()
        _, transport = self.served()
        broken.drain = lambda: 1 / 0  # type: ignore[assignment, method-assign]
        stopping = ensureDeferred(self.factory.shutdown(2.0))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertTrue(transport.write_closed)
        self.clock.pump([1.0] * 3)
        self.successResultOf(stopping)

    def test_shutdown_lets_be_what_comes_after(self) -> None:
        """A factory that serves again while it stops keeps its new connections, and their time to close."""
        self.served()
        stopping = ensureDeferred(self.factory.shutdown(2.0))
        self.clock.advance(1.0)
        later, transport = self.served()
        self.clock.advance(1.0)
        self.assertFalse(transport.aborted)
        self.clock.advance(1.0)
        self.successResultOf(stopping)
        later.close("enough")
        self.clock.advance(2.5)
        self.assertFalse(transport.aborted)
        self.clock.advance(0.5)
        self.assertTrue(transport.aborted)

    def test_cooperative(self) -> None:
        """A class beside it in the bases is told of the connection's beginning and end."""
        told = []

        class Session(Protocol):
            def connectionMade(self) -> None:
                told.append("made")

            def connectionLost(self, reason: Failure = DONE) -> None:
                told.append("lost")

        class Both(BoundedConnection, Session):
            pass

        self.factory.protocol = Both
        connection, _ = self.served()
        connection.connectionLost(DONE)
        self.assertEqual(told, ["made", "lost"])

    def test_shutdown_ends_refusals(self) -> None:
        """Stopping doesn't wait for those who were refused."""
        self.factory.max_connections = 0
        refused, transport = self.connect()
        self.successResultOf(ensureDeferred(self.factory.shutdown(2.0)))
        self.assertTrue(transport.aborted)
        refused.connectionLost(DONE)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def reason_of(self, connection: BoundedConnection) -> str:
        """End the connection, and give the reason that is logged."""
        with capturedLogs() as events:
            connection.connectionLost(DONE)
        return str(events[0]["reason"])
