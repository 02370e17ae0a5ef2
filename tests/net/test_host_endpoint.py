"""A host with several addresses: none keeps another waiting for long."""

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import ConnectionRefusedError as RefusedError
from twisted.internet.error import DNSLookupError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.net.wires import DEADLINE, reactor
from twisted_lab.net.host_endpoint import DELAY, HostEndpoint

SIX = IPv6Address("TCP", "::1", 80)
FOUR = IPv4Address("TCP", "127.0.0.1", 80)
OTHER = IPv4Address("TCP", "192.0.2.1", 80)


class Resolver:
    """Knows one host."""

    def __init__(self, addresses: list[Any]) -> None:
        self._addresses = addresses
        #: Called when it is asked, with the receiver.
        self.asked: list[Any] = []

    def resolveHostName(self, receiver: Any, hostName: str, portNumber: int) -> None:
        """Note who asks."""
        self.asked.append(receiver)

    def answer(self) -> None:
        """Tell the addresses."""
        for address in self._addresses:
            self.asked[0].addressResolved(address)
        self.asked[0].resolutionComplete()


def memory_reactor() -> Any:
    """Give a reactor without a network, to which a resolver may be given."""
    return MemoryReactorClock()


class HostEndpointTests(SynchronousTestCase):
    """`HostEndpoint`."""

    def begin(self, *addresses: Any, host: str = "host") -> None:
        """Begin to connect to a host of these addresses."""
        self.reactor, resolver = memory_reactor(), Resolver([*addresses])
        self.reactor.nameResolver = resolver
        self.connecting = HostEndpoint(self.reactor, host, 80, 5.0).connect(Factory.forProtocol(Protocol))
        if resolver.asked:
            resolver.answer()

    @property
    def tried(self) -> list[tuple[str, int, float]]:
        """What was tried so far: host, port, timeout."""
        return [(host, port, timeout) for host, port, _, timeout, _ in self.reactor.tcpClients]

    def refuse(self, number: int) -> RefusedError:
        """Let an attempt fail; give why."""
        why = RefusedError()
        factory, connector = self.reactor.tcpClients[number][2], self.reactor.connectors[number]
        factory.clientConnectionFailed(connector, Failure(why))
        return why

    def accept(self, number: int) -> Any:
        """Let an attempt succeed; give its protocol."""
        protocol = self.reactor.tcpClients[number][2].buildProtocol(FOUR)
        protocol.makeConnection(StringTransport())
        return protocol

    def end(self) -> None:
        """See that nothing goes on."""
        self.reactor.advance(DELAY)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_the_next_at_once(self) -> None:
        """When an address refuses, the next is tried without a pause; no other after the one that answers."""
        self.begin(SIX, FOUR, OTHER)
        self.assertEqual(self.tried, [("::1", 80, 5.0)])
        self.refuse(0)
        self.assertEqual(self.tried, [("::1", 80, 5.0), ("127.0.0.1", 80, 5.0)])
        self.assertNoResult(self.connecting)
        self.accept(1)
        self.successResultOf(self.connecting)
        self.end()
        self.assertEqual(len(self.tried), 2)

    def test_all_refuse(self) -> None:
        """When none is left, the last one's reason is told at once."""
        self.begin(SIX, FOUR)
        self.refuse(0)
        why = self.refuse(1)
        self.assertIs(self.failureResultOf(self.connecting, RefusedError).value, why)
        self.end()

    def test_silence(self) -> None:
        """While an address is silent the next is tried beside it; the first that answers is taken, others let go."""
        self.begin(SIX, FOUR)
        self.reactor.advance(DELAY)
        self.assertEqual(len(self.tried), 2)
        self.refuse(1)
        self.assertNoResult(self.connecting)
        self.accept(0)
        self.successResultOf(self.connecting)
        self.begin(SIX, FOUR)
        self.reactor.advance(DELAY)
        self.accept(1)
        self.successResultOf(self.connecting)
        self.assertTrue(self.reactor.connectors[0].stoppedConnecting)
        self.end()

    def test_cancelled(self) -> None:
        """Whoever waits may give up: while names are looked up, and while addresses are tried."""
        self.begin(SIX, FOUR)
        self.connecting.cancel()
        self.failureResultOf(self.connecting, CancelledError)
        self.assertTrue(self.reactor.connectors[0].stoppedConnecting)
        self.end()
        self.assertEqual(len(self.tried), 1)
        resolver = Resolver([FOUR])
        self.reactor.nameResolver = resolver
        looking = HostEndpoint(self.reactor, "host", 80).connect(Factory.forProtocol(Protocol))
        looking.cancel()
        self.failureResultOf(looking, CancelledError)
        resolver.answer()
        self.assertEqual(len(self.tried), 1)

    def test_addresses(self) -> None:
        """An address isn't looked up."""
        for host in ("127.0.0.1", "::1"):
            self.begin(host=host)
            self.assertEqual((self.reactor.nameResolver.asked, self.tried), ([], [(host, 80, 5.0)]))

    def test_no_such_host(self) -> None:
        """What has no address isn't there; what can't be a name isn't looked up."""
        self.begin()
        self.failureResultOf(self.connecting, DNSLookupError)
        self.begin(host="a" * 64)
        self.assertIn("name of a host", str(self.failureResultOf(self.connecting, ValueError).value))


class ResolvedTests(TestCase):
    """`HostEndpoint`, with the system's resolver and real sockets."""

    timeout = DEADLINE

    async def test_localhost(self) -> None:
        """This machine has a name."""
        server = Factory.forProtocol(Protocol)
        port: Any = await serverFromString(reactor, "tcp:0:interface=127.0.0.1").listen(server)
        self.addCleanup(port.stopListening)
        endpoint = HostEndpoint(reactor, "localhost", port.getHost().port)
        client: Any = await endpoint.connect(Factory.forProtocol(Protocol))
        self.assertEqual(client.transport.getPeer(), port.getHost())
        client.transport.abortConnection()
