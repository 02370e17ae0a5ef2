"""Connections in memory: one contract, kept by them and by real TCP; and what only they have."""

import socket
from collections.abc import Callable
from itertools import cycle, repeat
from typing import Any

import trustme
from twisted import internet
from twisted.internet.address import IPv4Address
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.interfaces import IHalfCloseableProtocol, IPullProducer, IPushProducer, ISSLTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import CertificateOptions, PrivateCertificate
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.net.reactors import ReactorTestCase
from twisted_lab.net.memory import MemoryEndpoint, join
from twisted_lab.net.mover import is_plain

MUCH = 2**20
#: More than any kernel keeps of a connection, in bytes.
ENDLESS = 2**26


class Noting(Protocol):
    """Notes what happens."""

    def __init__(self, received: Callable[[bytes], object] = lambda _: None) -> None:
        self.data = bytearray()
        self.happened: list[str] = []
        self.received = received
        self.wire: Any = None

    def connectionMade(self) -> None:
        """Keep the transport as an Any: each test knows what it is."""
        self.wire = self.transport

    def dataReceived(self, data: bytes) -> None:
        """Keep it, and do what the test says."""
        self.data += data
        self.received(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note why."""
        assert reason.type is not None
        self.happened.append(reason.type.__name__)


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Noting):
    """Notes that a side is shut, too, and goes on."""

    def readConnectionLost(self) -> None:
        """Note it."""
        self.happened.append("read")

    def writeConnectionLost(self) -> None:
        """Note it."""
        self.happened.append("write")


@implementer(IPushProducer, IPullProducer)
class Source:
    """Writes a piece whenever it may, as a streaming producer or one that is pulled, until it has written `most`."""

    def __init__(self, wire: Any, most: int) -> None:
        self.wire = wire
        self.most = most
        self.written = 0
        self.happened: list[str] = []

    def write(self) -> None:
        """Write a piece, or say that there is no more."""
        if self.written < self.most:
            self.written += 2**15
            self.wire.write(bytes(2**15))
        else:
            self.wire.unregisterProducer()
            self.happened.append("finished")

    def write_until_paused(self) -> None:
        """Write pieces until we are told not to."""
        self.happened.append("resumed")
        while self.happened[-1] == "resumed":
            self.write()

    def resumeProducing(self) -> None:
        """Write."""
        self.write()

    def pauseProducing(self) -> None:
        """Note it."""
        self.happened.append("paused")

    def stopProducing(self) -> None:
        """Note it."""
        self.happened.append("stopped")


class Contract:
    """What is true of a connection, whatever it is made of; a harness says how one is made and how time goes by."""

    client: Any
    server: Any

    def connect(self, client: Protocol, server: Protocol) -> None:
        """Connect two protocols."""
        raise NotImplementedError

    def wait(self, until: Callable[[], Any]) -> None:
        """Let things happen until `until()`."""
        raise NotImplementedError

    def rest(self) -> None:
        """Let happen what can."""
        raise NotImplementedError

    def given(self, client: Noting, server: Noting) -> tuple[Any, Any]:
        """Connect them, and wait until both know."""
        self.connect(client, server)
        self.wait(lambda: client.wire and server.wire)
        return client, server

    # What follows uses trial's assertions: the harnesses are TestCases.
    assertEqual: Any
    assertTrue: Any
    assertFalse: Any
    assertLess: Any
    assertIn: Any
    flushLoggedErrors: Any

    def test_bytes_arrive_whole_and_in_order(self) -> None:
        """What is written on either side arrives on the other."""
        client, server = self.given(Noting(), Noting())
        there, back = bytes(range(256)) * (MUCH // 256), b"abc" * (MUCH // 3)
        client.wire.write(there)
        server.wire.writeSequence([back[:5], back[5:]])
        self.wait(lambda: len(server.data) == len(there) and len(client.data) == len(back))
        self.assertTrue(server.data == there)
        self.assertTrue(client.data == back)

    def test_addresses(self) -> None:
        """The peer of one side is the host of the other."""
        client, server = self.given(Noting(), Noting())
        self.assertEqual(client.wire.getPeer(), server.wire.getHost())
        self.assertEqual(client.wire.getHost(), server.wire.getPeer())
        for address in client.wire.getPeer(), client.wire.getHost():
            self.assertEqual((type(address), address.type, address.host), (IPv4Address, "TCP", "127.0.0.1"))

    def test_options(self) -> None:
        """Small messages at once, and signs of life, can be switched on and off."""
        client, _ = self.given(Noting(), Noting())
        self.assertFalse(client.wire.getTcpNoDelay())
        for on in (True, False):
            client.wire.setTcpNoDelay(on)
            client.wire.setTcpKeepAlive(on)
            self.assertEqual((bool(client.wire.getTcpNoDelay()), bool(client.wire.getTcpKeepAlive())), (on, on))

    def test_a_reader_that_pauses_gets_nothing(self) -> None:
        """What comes while it is paused is there when it goes on; then it gets the end, too."""
        client, server = self.given(Noting(), Noting())
        server.wire.pauseProducing()
        client.wire.write(b"late")
        client.wire.loseConnection()
        self.wait(lambda: client.happened == ["ConnectionDone"])
        self.rest()
        self.assertEqual((len(server.data), server.happened), (0, []))
        server.wire.resumeProducing()
        self.wait(lambda: server.happened == ["ConnectionDone"])
        self.assertEqual(server.data, b"late")

    def test_a_streaming_producer_is_paused_while_nobody_reads(self) -> None:
        """It is told to pause, and then to go on."""
        client, server = self.given(Noting(), Noting())
        server.wire.pauseProducing()
        source = Source(client.wire, ENDLESS)
        client.wire.registerProducer(source, True)
        source.happened.append("resumed")
        while source.happened == ["resumed"]:  # as much as there is room for
            source.write()
            self.rest()
        self.assertEqual(source.happened, ["resumed", "paused"])
        self.assertLess(source.written, ENDLESS)
        source.most = source.written
        server.wire.resumeProducing()
        self.wait(lambda: len(server.data) == source.written)
        self.rest()
        self.assertEqual(source.happened, ["resumed", "paused", "finished"])

    def test_a_pull_producer_is_asked_while_there_is_room(self) -> None:
        """It is asked for each piece, and not while nobody reads."""
        client, server = self.given(Noting(), Noting())
        server.wire.pauseProducing()
        source = Source(client.wire, ENDLESS)
        client.wire.registerProducer(source, False)
        before = -1
        while source.written > before:
            before = source.written
            self.rest()
        self.assertLess(source.written, ENDLESS)
        source.most = source.written + MUCH
        server.wire.resumeProducing()
        self.wait(lambda: source.happened == ["finished"])
        self.wait(lambda: len(server.data) == source.written)

    def test_half_close(self) -> None:
        """One side is shut, after what was written; the other goes on."""
        client, server = self.given(HalfCloseable(), HalfCloseable())
        client.wire.write(bytes(MUCH))
        client.wire.loseWriteConnection()
        self.wait(lambda: server.happened == ["read"])
        self.assertEqual((len(server.data), client.happened), (MUCH, ["write"]))
        client.wire.write(b"dropped")
        server.wire.write(bytes(MUCH))
        self.wait(lambda: len(client.data) == MUCH)
        server.wire.loseConnection()
        self.wait(lambda: "read" in client.happened)
        self.assertEqual((client.happened, server.happened), (["write", "read"], ["read", "ConnectionDone"]))
        client.wire.loseConnection()
        self.wait(lambda: client.happened == ["write", "read", "ConnectionDone"])
        self.assertEqual(len(server.data), MUCH)

    def test_half_close_ends_one_that_knows_no_such_thing(self) -> None:
        """A protocol that isn't half-closeable has lost its connection."""
        client, server = self.given(HalfCloseable(), Noting())
        client.wire.loseWriteConnection()
        self.wait(lambda: server.happened == ["ConnectionDone"])
        self.wait(lambda: client.happened == ["write", "read"])

    def test_losing_a_connection_sends_what_was_written(self) -> None:
        """All of it arrives, and then the end, on both sides."""
        client, server = self.given(Noting(), Noting())
        client.wire.write(bytes(2 * MUCH))
        client.wire.loseConnection()
        self.assertTrue(client.wire.disconnecting)
        self.wait(lambda: client.happened and server.happened)
        self.assertEqual((client.happened, server.happened), (["ConnectionDone"], ["ConnectionDone"]))
        self.assertEqual(len(server.data), 2 * MUCH)
        self.assertTrue(client.wire.disconnected)
        self.assertFalse(client.wire.connected)

    def test_losing_a_connection_waits_for_a_producer(self) -> None:
        """While one is registered it isn't closed."""
        client, server = self.given(Noting(), Noting())
        client.wire.registerProducer(Source(client.wire, MUCH), True)
        client.wire.pauseProducing()
        client.wire.write(bytes(ENDLESS))
        server.wire.pauseProducing()
        client.wire.loseConnection()
        self.rest()
        self.assertEqual(client.happened, [])
        client.wire.unregisterProducer()
        server.wire.resumeProducing()
        self.wait(lambda: client.happened and server.happened)
        self.assertEqual((client.happened, server.happened), (["ConnectionDone"], ["ConnectionDone"]))

    def test_closing_with_bytes_unread(self) -> None:
        """The peer still gets what was sent, and the end of it; but what it sends after that is reset."""
        client, server = self.given(HalfCloseable(), Noting())
        server.wire.pauseProducing()
        client.wire.write(b"never read")
        self.rest()
        server.wire.write(b"goodbye")
        server.wire.loseConnection()
        self.wait(lambda: client.happened)
        self.assertEqual((client.data, client.happened), (b"goodbye", ["read"]))
        client.wire.write(b"too late")
        self.wait(lambda: client.happened == ["read", "ConnectionLost"])
        self.assertEqual(server.data, b"")

    def test_writing_to_one_who_has_gone(self) -> None:
        """A reset answers it."""
        client, server = self.given(HalfCloseable(), Noting())
        server.wire.loseConnection()
        self.wait(lambda: client.happened == ["read"])
        client.wire.write(b"anybody there?")
        self.rest()
        client.wire.write(b"hello?")
        self.wait(lambda: client.happened == ["read", "ConnectionLost"])

    def test_abort(self) -> None:
        """What waits is dropped; the peer loses its connection, too, and not cleanly."""
        client, server = self.given(HalfCloseable(), HalfCloseable())
        server.wire.pauseProducing()
        client.wire.write(bytes(ENDLESS))
        self.rest()
        client.wire.abortConnection()
        self.wait(lambda: client.happened == ["ConnectionAborted"])
        server.wire.resumeProducing()
        self.wait(lambda: server.happened == ["ConnectionLost"])
        self.assertLess(len(server.data), ENDLESS)
        self.assertTrue(client.wire.disconnected)

    def test_what_came_before_an_abort_can_be_read(self) -> None:
        """A reset doesn't overtake what the peer's kernel has."""
        client, server = self.given(Noting(), Noting())
        server.wire.pauseProducing()
        client.wire.write(b"last words")
        self.rest()
        client.wire.abortConnection()
        self.wait(lambda: client.happened == ["ConnectionAborted"])
        server.wire.resumeProducing()
        self.wait(lambda: server.happened == ["ConnectionLost"])
        self.assertEqual(server.data, b"last words")

    def test_an_abort_while_writing(self) -> None:
        """One that only writes learns of it as well."""
        client, server = self.given(Noting(), Noting())
        server.wire.pauseProducing()
        client.wire.pauseProducing()
        client.wire.write(bytes(ENDLESS))
        self.rest()
        server.wire.abortConnection()
        self.wait(lambda: client.happened == ["ConnectionLost"])

    def test_a_protocol_that_fails(self) -> None:
        """An exception ends the connection, with that for a reason, and is logged."""

        def fail(_: bytes) -> None:
            raise ZeroDivisionError

        client, server = self.given(Noting(), Noting(fail))
        client.wire.write(b"x")
        self.wait(lambda: client.happened and server.happened)
        self.assertEqual((client.happened, server.happened), (["ConnectionDone"], ["ZeroDivisionError"]))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def check_failure_in_the_end(self, end: str, *, of_the_server: bool) -> None:
        """See that what `connectionLost` raises is logged, and that both hear of the end."""

        class Failing(Noting):
            def connectionLost(self, reason: Failure = connectionDone) -> None:
                super().connectionLost(reason)
                raise ZeroDivisionError

        client, server = self.given(Noting(), Failing())
        getattr((server if of_the_server else client).wire, end)()
        self.wait(lambda: client.happened and server.happened)
        self.rest()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_protocol_that_fails_when_it_has_closed(self) -> None:
        """What its `connectionLost` raises is logged."""
        self.check_failure_in_the_end("loseConnection", of_the_server=True)

    def test_a_protocol_that_fails_when_it_is_closed(self) -> None:
        """What its `connectionLost` raises is logged."""
        self.check_failure_in_the_end("loseConnection", of_the_server=False)

    def test_a_protocol_that_fails_when_it_has_aborted(self) -> None:
        """What its `connectionLost` raises is logged."""
        self.check_failure_in_the_end("abortConnection", of_the_server=True)

    def test_a_protocol_that_fails_when_it_is_reset(self) -> None:
        """What its `connectionLost` raises is logged."""
        self.check_failure_in_the_end("abortConnection", of_the_server=False)

    def test_a_server_that_fails_in_the_beginning(self) -> None:
        """What its `connectionMade` raises is logged, and the connection goes on."""

        class Failing(Noting):
            def connectionMade(self) -> None:
                super().connectionMade()
                raise ZeroDivisionError

        client, server = self.given(Noting(), Failing())
        client.wire.write(b"x")
        self.wait(lambda: server.data == b"x")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_start_tls(self) -> None:
        """After startTLS on both sides what is written arrives, and closing is clean."""
        client, server = self.given(Noting(), Noting())
        contexts = make_contexts()
        client.wire.startTLS(contexts[0])
        server.wire.startTLS(contexts[1])
        self.assertTrue(ISSLTransport.providedBy(client.wire))
        client.wire.write(bytes(MUCH))
        server.wire.write(b"hello")
        self.wait(lambda: len(server.data) == MUCH and client.data == b"hello")
        client.wire.loseConnection()
        self.wait(lambda: client.happened and server.happened)
        self.assertEqual((client.happened, server.happened), (["ConnectionDone"], ["ConnectionDone"]))


def make_contexts() -> tuple[Any, Any]:
    """Give a client's and a server's TLS contexts."""
    issued = trustme.CA().issue_cert("localhost")
    pem = issued.private_key_pem.bytes() + issued.cert_chain_pems[0].bytes()
    return CertificateOptions(), PrivateCertificate.loadPEM(pem).options()


class MemoryContractTests(Contract, SynchronousTestCase):
    """In memory, with a clock."""

    def setUp(self) -> None:
        """Begin at 0."""
        self.clock = Clock()

    def connect(self, client: Protocol, server: Protocol) -> None:
        """Join them."""
        join(self.clock, client, server)

    def wait(self, until: Callable[[], Any]) -> None:
        """Take all turns that there are."""
        self.clock.advance(0)
        self.assertTrue(until())

    def rest(self) -> None:
        """Take all turns that there are."""
        self.clock.advance(0)


class MemoryInSmallCutsContractTests(MemoryContractTests):
    """In memory, with little room and reads that are cut anywhere."""

    def connect(self, client: Protocol, server: Protocol) -> None:
        """Join them."""
        join(self.clock, client, server, cuts=cycle([1, 7919, 3, 2048]), room=9000)


class TCPContractTests(Contract, ReactorTestCase):
    """Twisted's transports over real TCP."""

    def connect(self, client: Protocol, server: Protocol) -> None:
        """Connect them over 127.0.0.1."""
        self.use(EPollReactor)
        self.patch(internet, "reactor", self.reactor)  # TLS of Twisted's asks it for the time
        port = self.reactor.listenTCP(0, Factory.forProtocol(lambda: server), interface="127.0.0.1")
        endpoint = TCP4ClientEndpoint(self.reactor, "127.0.0.1", port.getHost().port)
        endpoint.connect(Factory.forProtocol(lambda: client))
        self.addCleanup(self.hang_up, client, server)

    def hang_up(self, *protocols: Any) -> None:
        """Close what the test has left open: of one that is paused the reactor knows nothing."""
        for protocol in protocols:
            protocol.wire.abortConnection()
        self.turn()

    def wait(self, until: Callable[[], Any]) -> None:
        """Run the reactor."""
        self.spin(until)

    def rest(self) -> None:
        """Run the reactor for some turns."""
        self.turn(20)


class MemoryTests(SynchronousTestCase):
    """What only connections in memory have."""

    def setUp(self) -> None:
        """Begin at 0."""
        self.clock = Clock()

    def test_cuts(self) -> None:
        """Reads are cut as the test says, of each side by itself; then they give what is there."""
        sizes: list[list[int]] = [[], []]
        client, server = (Noting(lambda data, to=to: to.append(len(data))) for to in sizes)  # type: ignore[misc]
        join(self.clock, client, server, cuts=[1, 2, 5])
        client.wire.write(bytes(20))
        server.wire.write(bytes(9))
        self.clock.advance(0)
        self.assertEqual(sizes, [[1, 2, 5, 1], [1, 2, 5, 12]])

    def test_nothing_happens_before_its_time(self) -> None:
        """Without a turn of the clock nothing arrives."""
        client, server = Noting(), Noting()
        join(self.clock, client, server)
        client.wire.write(b"x")
        self.assertEqual(server.data, b"")
        self.clock.advance(0)
        self.assertEqual((server.data, self.clock.getDelayedCalls()), (b"x", []))

    def test_room(self) -> None:
        """As many bytes are on the way as there is room for."""
        client, server = Noting(), Noting()
        join(self.clock, client, server, room=1000)
        server.wire.pauseProducing()
        client.wire.write(bytes(5000))
        self.clock.advance(0)
        self.assertEqual(len(server.wire.socket._in.data), 1000)

    def test_a_small_receive_buffer(self) -> None:
        """SO_RCVBUF bounds what a peer can send that isn't read."""
        client, server = Noting(), Noting()
        join(self.clock, client, server)
        server.wire.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 100)
        server.wire.pauseProducing()
        client.wire.write(bytes(5000))
        self.clock.advance(0)
        self.assertEqual(len(server.wire.socket._in.data), 100)

    def test_tls_on_top(self) -> None:
        """A pair carries Twisted's TLS factories, as an endpoint does."""
        client, server = Noting(), Noting()
        contexts = make_contexts()
        near = TLSMemoryBIOFactory(contexts[0], True, Factory.forProtocol(lambda: client), self.clock)
        far = TLSMemoryBIOFactory(contexts[1], False, Factory.forProtocol(lambda: server), self.clock)
        MemoryEndpoint(self.clock, far, cuts=repeat(7)).connect(near)
        client.wire.write(bytes(3000))
        self.clock.advance(0)
        self.assertEqual(len(server.data), 3000)
        server.wire.loseConnection()
        self.clock.advance(0)
        self.assertEqual((client.happened, server.happened), (["ConnectionDone"], ["ConnectionDone"]))

    def test_endpoint(self) -> None:
        """An endpoint leads to a factory, whose protocol and the client's are connected at once."""
        server = Noting()
        endpoint = MemoryEndpoint(self.clock, Factory.forProtocol(lambda: server))
        client: Any = self.successResultOf(endpoint.connect(Factory.forProtocol(Noting)))
        client.wire.write(b"hello")
        self.clock.advance(0)
        self.assertEqual(server.data, b"hello")

    def test_refused(self) -> None:
        """Where nobody listens, or the factory wants no more, a connection is refused."""
        full: Any = Factory()
        full.buildProtocol = lambda _: None
        for server in (None, full):
            done = MemoryEndpoint(self.clock, server).connect(Factory.forProtocol(Noting))
            self.failureResultOf(done, Refused)

    def test_it_is_no_socket(self) -> None:
        """Content isn't moved over it by the kernel, for it has no descriptor."""
        client, server = Noting(), Noting()
        join(self.clock, client, server)
        self.assertFalse(is_plain(client.wire))
