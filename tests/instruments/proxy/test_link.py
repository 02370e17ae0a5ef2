"""A proxied connection, in memory: what happens to one side happens to the other."""

from typing import Any
from unittest import mock

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionDone
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase

from tests.instruments.faults.faulty import End, FaultTestCase
from tests.net.test_memory import make_contexts
from twisted_lab.instruments.proxy.proxy import Proxy, ToxicExistsError
from twisted_lab.net.memory import MemoryEndpoint, join
from twisted_lab.testing import make_toxic


class LinkTests(FaultTestCase):
    """`Link`, between a client and a server in memory."""

    def test_a_half_close_passes_each_way(self) -> None:
        """A side that is shut is shut on the other end, and the other direction goes on; then both are closed."""
        self.join()
        self.client.wire.write(b"question")
        self.client.wire.loseWriteConnection()
        self.clock.advance(0)
        self.assertEqual((self.server.data, self.server.happened), (b"question", ["end"]))
        self.send(bytes(10**6))
        self.server.wire.loseConnection()
        self.clock.advance(0)
        self.assertEqual((len(self.client.data), self.client.happened), (10**6, ["end"]))
        self.assertEqual(self.connection.reason, "closed by both sides")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_reset_passes_each_way(self) -> None:
        """A reset isn't a close."""
        for this, other, reason in (("client", "server", "reset by client"), ("server", "client", "reset by server")):
            self.join()
            getattr(self, this).wire.abortConnection()
            self.clock.advance(0)
            self.assertEqual(getattr(self, other).happened, ["ConnectionLost"])
            self.assertEqual(self.connection.reason, reason)

    def test_a_client_that_does_not_read(self) -> None:
        """Little is kept for it, and nothing is lost when it reads."""
        self.join(room=1000)
        self.client.wire.pauseProducing()
        self.send(bytes(10**6))
        self.assertLess(len(self.connection.passed_bytes["downstream"]), 2 * 10**5)
        self.client.wire.resumeProducing()
        self.server.wire.loseWriteConnection()
        self.clock.advance(0)
        self.assertEqual((len(self.client.data), self.client.happened), (10**6, ["end"]))

    def test_an_end_behind_much(self) -> None:
        """The end arrives even if it came while the client had much to read yet."""
        self.join("coalesce:size=300000", room=1000)
        self.client.wire.pauseProducing()
        self.send(bytes(300_000))
        self.server.wire.loseWriteConnection()
        self.pass_time(0.2, 0.1)
        self.client.wire.resumeProducing()
        self.clock.advance(0)
        self.assertEqual((len(self.client.data), self.client.happened), (300_000, ["end"]))

    def test_an_idle_connection(self) -> None:
        """With an idle timeout both sides are closed after it."""
        clock = Clock()
        server = End(clock)
        proxy = Proxy(clock, "p", endpoint(clock, server), seed=1, bounds={"idle_timeout": 4})
        client = End(clock)
        join(clock, client, side(proxy))
        clock.pump([1] * 10)
        self.assertEqual((client.happened, server.happened), (["end"], ["end"]))
        for wire in (client.wire, server.wire):
            wire.loseConnection()
        clock.advance(0)
        self.assertEqual((proxy.connections, clock.getDelayedCalls()), (0, []))

    def test_a_side_that_never_takes_its_last_bytes(self) -> None:
        """A close that can't be finished ends in a reset, after the time that a close may take."""
        self.join("limit_data:bytes=900000", room=1000)
        self.client.wire.pauseProducing()
        self.send(bytes(10**6))
        way = next(iter(self.connection._proxy._links)).ways["downstream"]
        self.client.wire.resumeProducing()
        self.client.wire.pauseProducing()
        way.close(last_word=True)
        self.pass_time(6, 0.5)
        self.assertEqual(self.connection._proxy.connections, 0)


class ConnectingTests(SynchronousTestCase):
    """`Link` while there is no server yet."""

    def setUp(self) -> None:
        """Have a server that takes its time."""
        self.clock = Clock()
        self.attempt: Deferred[Any] = Deferred()
        upstream: Any = mock.Mock(connect=lambda _: self.attempt)
        self.proxy = Proxy(self.clock, "p", upstream, seed=1, bounds={"idle_timeout": 0})
        self.client = End(self.clock)
        join(self.clock, self.client, side(self.proxy))
        self.clock.advance(0)

    def test_a_server_that_is_not_there(self) -> None:
        """The client is closed."""
        self.client.wire.write(b"hello")
        self.attempt.errback(ConnectError())
        self.clock.advance(0)
        self.assertEqual(self.client.happened, ["end"])

    def test_a_stop_meanwhile(self) -> None:
        """Nobody waits for the server any longer."""
        for link in [*self.proxy._links]:
            link.close("stop")
        self.clock.advance(0)
        self.assertEqual(self.client.happened, ["end"])
        self.assertTrue(self.attempt.called)


class TLSTests(SynchronousTestCase):
    """A proxy whose client speaks TLS to it."""

    def test_a_clean_close(self) -> None:
        """TLS has no half-close: a close is the end of both directions, after what was sent before it."""
        clock = Clock()
        server = End(clock)
        proxy = Proxy(clock, "p", endpoint(clock, server), seed=1, bounds={"idle_timeout": 0})
        proxy.add(make_toxic("latency", "upstream", latency=100))
        contexts = make_contexts()
        client = End(clock)
        near = TLSMemoryBIOFactory(contexts[0], True, Factory.forProtocol(lambda: client), clock)
        MemoryEndpoint(clock, TLSMemoryBIOFactory(contexts[1], False, proxy.factory, clock)).connect(near)
        clock.advance(0)
        client.wire.write(b"last words")
        client.wire.loseConnection()
        clock.advance(0)
        self.assertEqual(client.happened, [ConnectionDone.__name__])
        clock.advance(0.2)
        self.assertEqual((server.data, server.happened), (b"last words", ["end"]))
        server.wire.loseConnection()
        clock.advance(0)
        self.assertEqual((proxy.connections, clock.getDelayedCalls()), (0, []))


class ProxyTests(SynchronousTestCase):
    """`Proxy`."""

    def test_names_of_faults(self) -> None:
        """Each name is there once, and the number of faults is bounded."""
        proxy = Proxy(Clock(), "p", endpoint(Clock(), None), seed=1)
        proxy.add(make_toxic("latency"))
        self.assertRaises(ToxicExistsError, proxy.add, make_toxic("latency", latency=5))
        for number in range(63):
            proxy.add(make_toxic("latency", name=str(number)))
        self.assertRaises(ToxicExistsError, proxy.add, make_toxic("latency", name="one too many"))

    def test_connections_differ(self) -> None:
        """Each connection has its own chance, by its number; another proxy's first one has another."""
        draws = []
        for name in ("p", "p", "q"):
            clock = Clock()
            servers: list[End] = []
            factory: Any = Factory()
            factory.buildProtocol = lambda _, clock=clock, servers=servers: servers.append(End(clock)) or servers[-1]
            proxy = Proxy(clock, name, MemoryEndpoint(clock, factory), seed=1, bounds={"idle_timeout": 0})
            proxy.add(make_toxic("corrupt", "upstream", every=10))
            for _ in range(3):
                client = End(clock)
                join(clock, client, side(proxy))
                clock.advance(0)
                client.wire.write(bytes(200))
                clock.advance(0)
            draws.append([server.data for server in servers])
        self.assertEqual(draws[0], draws[1])
        self.assertEqual(len({*draws[0], *draws[2]}), 6)


def endpoint(clock: Clock, server: End | None) -> MemoryEndpoint:
    """Give an endpoint that leads to a protocol."""
    factory: Any = Factory()
    factory.buildProtocol = lambda _: server
    return MemoryEndpoint(clock, factory)


def side(proxy: Proxy) -> Any:
    """Give the proxy's end of a client's connection."""
    return proxy.factory.buildProtocol(None)
