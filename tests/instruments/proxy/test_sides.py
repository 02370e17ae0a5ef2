"""The two ends of a proxied connection, in memory: how TLS ends, and what a close leaves to arrive."""

from typing import Any
from unittest import mock

from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase

from tests.instruments.faults.faulty import End, FaultTestCase
from tests.net.test_memory import make_contexts
from twisted_lab.instruments.proxy.proxy import Proxy
from twisted_lab.net.memory import MemoryEndpoint
from twisted_lab.testing import make_toxic


class TLSTests(SynchronousTestCase):
    """A client and a server that speak TLS with the proxy between them, which has latency each way."""

    def setUp(self) -> None:
        """Connect them."""
        clock = self.clock = Clock()
        self.ends = {"client": End(clock), "server": End(clock)}
        near, far = make_contexts()
        upstream: Any = mock.Mock(
            connect=lambda factory: MemoryEndpoint(
                clock, TLSMemoryBIOFactory(far, False, Factory.forProtocol(lambda: self.ends["server"]), clock)
            ).connect(TLSMemoryBIOFactory(near, True, factory, clock))
        )
        self.proxy = Proxy(clock, "p", upstream, seed=1, bounds={"idle_timeout": 0})
        for stream in ("upstream", "downstream"):
            self.proxy.add(make_toxic("latency", stream, latency=100))
        MemoryEndpoint(clock, TLSMemoryBIOFactory(far, False, self.proxy.factory, clock)).connect(
            TLSMemoryBIOFactory(near, True, Factory.forProtocol(lambda: self.ends["client"]), clock)
        )
        clock.advance(0)
        self.assertEqual(self.proxy.connections, 1)

    def over(self) -> None:
        """Check that nothing is left of the connection."""
        self.clock.pump([0.1] * 10)
        self.assertEqual((self.proxy.connections, self.clock.getDelayedCalls()), (0, []))

    def test_an_end_without_a_notice(self) -> None:
        """A side that closes TCP without a word in TLS, as many do, has ended: all arrives, then an end."""
        for this, other in (("client", "server"), ("server", "client")):
            self.setUp()
            self.ends[this].wire.write(bytes(300_000))
            self.clock.advance(0)
            self.ends[this].wire.transport.loseConnection()
            self.clock.advance(0)
            self.assertEqual((self.ends[other].data, self.ends[other].happened), (b"", []))
            self.over()
            self.assertEqual((len(self.ends[other].data), self.ends[other].happened), (300_000, ["ConnectionDone"]))

    def test_a_reset(self) -> None:
        """A reset is one, though TLS says the same of both: what is on its way is dropped, at once."""
        for this, other in (("client", "server"), ("server", "client")):
            self.setUp()
            self.ends[this].wire.write(b"lost")
            self.clock.advance(0)
            self.ends[this].wire.transport.abortConnection()
            self.clock.advance(0)
            self.assertEqual((self.ends[other].data, self.ends[other].happened), (b"", ["ConnectionLost"]))
            self.over()

    def test_much_that_nobody_wants_any_more(self) -> None:
        """A server that had been held back can send all it has, read all it gets, and sees the end of its client."""
        client, server = self.ends["client"].wire, self.ends["server"].wire
        client.pauseProducing()
        server.pauseProducing()
        server.write(bytes(2**23))
        client.write(bytes(10**6))
        self.clock.pump([0.05] * 10)
        client.resumeProducing()
        client.loseConnection()
        self.clock.pump([0.05] * 10)
        self.assertEqual((server.transport.dataBuffer, server.transport._tempDataBuffer), (b"", []))
        server.resumeProducing()
        self.over()
        self.assertEqual((len(self.ends["server"].data), self.ends["server"].happened), (10**6, ["ConnectionDone"]))

    def test_a_slow_reader(self) -> None:
        """The receive buffer is made small below TLS, so that the sender can send no more."""
        self.proxy.remove("latency_downstream")
        self.proxy.add(make_toxic("slow_reader", "downstream", buffer=2000))
        self.clock.advance(0)
        self.ends["server"].wire.write(bytes(300_000))
        self.clock.pump([0.1] * 10)
        self.assertLessEqual(len(self.ends["server"].wire.transport.socket._out.data), 2000)
        self.assertLess(self.proxy.count("downstream", "received"), 2**16)

    def test_a_slow_reader_of_one_that_is_gone(self) -> None:
        """Changed once its sender has closed TLS, and so is gone, it still gives all that was sent."""
        self.proxy.add(make_toxic("slow_reader", "upstream", rate=10))
        self.clock.advance(0)
        self.ends["client"].wire.write(bytes(5000))
        self.ends["client"].wire.loseConnection()
        self.clock.pump([0.05] * 4)
        self.proxy.change(self.proxy.find("slow_reader_upstream").changed({"attributes": {"buffer": 100}}))
        self.over()
        self.assertEqual((len(self.ends["server"].data), self.ends["server"].happened), (5000, ["ConnectionDone"]))


class ClosingTests(FaultTestCase):
    """A close while a peer sends what nobody reads any more."""

    def test_a_last_word(self) -> None:
        """It is an end, for a peer that sends, and no reset that may overtake what was sent before it."""
        self.join("limit_data:bytes=5")
        self.server.wire.pauseProducing()
        self.client.wire.write(bytes(10**6))
        self.send(b"1234567")
        self.assertEqual((self.client.data, self.client.happened), (b"12345", ["end"]))
        self.pass_time(0.5, 0.1)
        self.assertEqual((self.connection.reason, self.connection._proxy.connections), ("closed by a fault", 0))

    def test_a_peer_that_sends_for_ever(self) -> None:
        """It is cut off after the time that a close may take."""
        self.join("limit_data:bytes=5")
        self.send(b"1234567")
        for _ in range(60):
            self.client.wire.write(b"more")
            self.pass_time(0.1, 0.05)
        self.assertEqual(self.client.happened, ["end", "ConnectionLost"])
        self.assertEqual(self.connection._proxy.connections, 0)

    def test_a_timeout_has_none(self) -> None:
        """`timeout` closes at once: a peer that goes on sending is told so by a reset."""
        self.join("timeout:timeout=100")
        self.pass_time(0.2, 0.1)
        for _ in range(2):
            self.client.wire.write(b"more")
            self.clock.advance(0)
        self.assertEqual(self.client.happened, ["end", "ConnectionLost"])
