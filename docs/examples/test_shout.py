"""A protocol that shouts back each line, and tests in memory: any cuts, a peer that doesn't read, late, over TLS."""

from typing import Any

from twisted.internet.endpoints import connectProtocol, wrapClientTLS
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import CertificateOptions, KeyPair
from twisted.internet.task import Clock
from twisted.protocols.basic import LineReceiver
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.testing import MemoryEndpoint, join, join_through


class Shout(LineReceiver):
    """Sends back each line in capitals, and reads no more than its peer does."""

    delimiter = b"\n"
    transport: Any

    def connectionMade(self) -> None:
        """Have the transport pause us while it has enough."""
        self.transport.registerProducer(self.transport, True)

    def lineReceived(self, line: bytes) -> None:
        """Answer."""
        self.sendLine(line.upper())


class Client(Protocol):
    """Keeps what it receives."""

    received = b""
    transport: Any

    def dataReceived(self, data: bytes) -> None:
        """Keep it."""
        self.received += data


class ShoutTests(SynchronousTestCase):
    """Shout, in memory."""

    def setUp(self) -> None:
        """Begin at 0."""
        self.clock = Clock()
        self.client = Client()

    def test_every_cut(self) -> None:
        """One byte at a time, or two, then five: the answer is the same."""
        join(self.clock, self.client, Shout(), cuts=[1, 2, 5])
        self.client.transport.write(b"hello\nworld\n")
        self.clock.advance(0)
        self.assertEqual(self.client.received, b"HELLO\nWORLD\n")

    def test_a_client_that_never_reads(self) -> None:
        """The server stops reading, and the client can't send any more."""
        client, server = join(self.clock, self.client, Shout())
        client.pauseProducing()
        client.write(b"hello\n" * 100_000)
        self.clock.advance(0)
        self.assertLess(len(server.dataBuffer), 200_000)
        client.resumeProducing()
        self.clock.advance(0)
        self.assertEqual(self.client.received, b"HELLO\n" * 100_000)

    def test_late_and_broken_off(self) -> None:
        """The answer comes in a second, its first three bytes; then the connection is closed."""
        between = join_through(self.clock, self.client, Shout(), "limit_data:bytes=3", "latency:latency=1000")
        self.client.transport.write(b"hello\n")
        self.clock.advance(0)
        self.clock.advance(0.9)
        self.assertEqual(self.client.received, b"")
        self.clock.advance(0.1)
        self.assertEqual(self.client.received, b"HEL")
        self.assertIn((0, "downstream", "latency_downstream", "3 bytes late by 1000 ms"), between.journal)

    def test_over_tls(self) -> None:
        """TLS goes by the clock as well, when each side is given it."""
        certificate = KeyPair.generate().selfSignedCert(1, CN="localhost")
        server = TLSMemoryBIOFactory(certificate.options(), False, Factory.forProtocol(Shout), clock=self.clock)
        endpoint = wrapClientTLS(CertificateOptions(), MemoryEndpoint(self.clock, server), clock=self.clock)
        connectProtocol(endpoint, self.client)
        self.client.transport.write(b"hello\n")
        self.clock.advance(0)
        self.assertEqual(self.client.received, b"HELLO\n")
