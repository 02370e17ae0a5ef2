"""Echo: every byte comes back, whatever the peer does, and no peer can hold the server."""

import contextlib
import socket
import time
from itertools import cycle
from threading import Thread
from typing import Any

from twisted.internet.defer import ensureDeferred
from twisted.internet.error import ConnectionDone, MessageLengthError
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.threads import blockingCallFromThread
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import directlyProvides

from tests.net.fakes import FakeTransport
from tests.net.wires import DEADLINE, WireTestCase, reactor, read_all, send_until_stuck, wait
from twisted_lab.echo import ECHO_PORT, Echo, EchoClient, EchoClientFactory, EchoDatagrams, EchoFactory
from twisted_lab.testing import MemoryEndpoint, join_through

DONE = Failure(ConnectionDone())


def connected(factory: EchoFactory) -> tuple[Protocol, FakeTransport]:
    """Give a connection and its transport."""
    protocol, transport = factory.buildProtocol(None), FakeTransport()
    assert protocol is not None
    protocol.makeConnection(transport)
    return protocol, transport


class EchoTests(SynchronousTestCase):
    """`Echo`, without a network."""

    def test_prefix(self) -> None:
        """The tutorial's answer: the prefix, before each chunk as it came."""
        protocol, transport = connected(EchoFactory(Clock()))
        for chunk in ("你好".encode()[:4], "你好".encode()[4:], b"\xff\0"):
            protocol.dataReceived(chunk)
        self.assertEqual(transport.value(), b"echo \xe4\xbd\xa0\xe5echo \xa5\xbdecho \xff\0")

    def test_rfc_862(self) -> None:
        """With an empty prefix it is RFC 862: every byte, nothing more."""
        protocol, transport = connected(EchoFactory(Clock(), b""))
        for chunk in (b"a", "你好".encode()[:4], b"\0"):
            protocol.dataReceived(chunk)
        self.assertEqual(transport.value(), b"a\xe4\xbd\xa0\xe5\0")

    def test_closing(self) -> None:
        """What arrives once the connection is closing is dropped."""
        protocol, transport = connected(EchoFactory(Clock()))
        protocol.close("test", last_word=True)  # type: ignore[attr-defined]
        protocol.dataReceived(b"late")
        self.assertEqual(transport.value(), b"")

    def test_log(self) -> None:
        """The log tells how many bytes went each way."""
        protocol, _ = connected(EchoFactory(Clock()))
        protocol.dataReceived(b"1234")
        with capturedLogs() as events:
            protocol.connectionLost(DONE)
        self.assertEqual([(event["bytes_in"], event["bytes_out"]) for event in events], [(4, 9)])

    def test_refusal(self) -> None:
        """A surplus connection is told so in words; RFC 862 has none, there every byte is an echo."""
        for prefix, words in ((b"echo ", b"busy: at most 0 connections at one time\n"), (b"", b"")):
            factory = EchoFactory(Clock(), prefix, max_connections=0)
            protocol, transport = connected(factory)
            self.assertNotIsInstance(protocol, Echo)
            self.assertEqual((transport.value(), transport.write_closed), (words, True))


class EchoMemoryTests(SynchronousTestCase):
    """`Echo` over TCP in memory, by a clock."""

    def setUp(self) -> None:
        """Have an echo as RFC 862 says."""
        self.clock = Clock()
        self.client = Gathering()
        self.factory = EchoFactory(self.clock, b"", idle_timeout=40)

    def test_cut_anywhere(self) -> None:
        """However its reads are cut, every byte comes back, and then the end."""
        data = bytes(range(256)) * 100
        MemoryEndpoint(self.clock, self.factory, cuts=cycle([1, 100, 7])).connect(
            Factory.forProtocol(lambda: self.client)
        )
        self.client.wire.write(data)
        self.client.wire.loseWriteConnection()
        self.clock.advance(0)
        self.assertEqual((self.client.data, self.client.lost), (data, [ConnectionDone]))

    def test_a_peer_that_reads_late(self) -> None:
        """It is held back while it doesn't read, and gets all of it when it does; an idle one is closed."""
        MemoryEndpoint(self.clock, self.factory).connect(Factory.forProtocol(lambda: self.client))
        wire = self.client.wire
        wire.pauseProducing()
        wire.write(bytes(10**6))
        self.clock.advance(0)
        (server,) = self.factory._connections
        self.assertLess(server.bytes_in, 4 * 10**5)
        wire.resumeProducing()
        self.clock.advance(0)
        self.assertEqual(len(self.client.data), 10**6)
        self.clock.pump([10] * 6)
        self.assertEqual(self.client.lost, [ConnectionDone])

    def test_through_faults(self) -> None:
        """Late and in slices, it is the same echo."""
        server = self.factory.buildProtocol(None)
        assert server is not None
        faults = ("slicer:average_size=100,size_variation=90:upstream", "latency:latency=50,jitter=50")
        join_through(self.clock, self.client, server, *faults)
        self.client.wire.write(bytes(range(256)) * 10)
        self.client.wire.loseWriteConnection()
        self.clock.pump([0.01] * 20)
        self.assertEqual((self.client.data, self.client.lost), (bytes(range(256)) * 10, [ConnectionDone]))


class Gathering(Protocol):
    """A client that keeps what comes back, and why it was lost."""

    wire: Any

    def __init__(self) -> None:
        self.data = b""
        self.lost: list[type[BaseException] | None] = []

    def connectionMade(self) -> None:
        """Keep the transport as an Any."""
        self.wire = self.transport

    def dataReceived(self, data: bytes) -> None:
        """Keep it."""
        self.data += data

    def connectionLost(self, reason: Failure = DONE) -> None:
        """Note why."""
        self.lost.append(reason.type)


class EchoWireTests(WireTestCase):
    """`Echo`, on real sockets."""

    async def test_half_close(self) -> None:
        """8 MiB sent, the write side shut, read late: every byte comes back, then the connection closes."""
        message = bytes(range(256)) * 2**15

        def talk(client: socket.socket) -> bool:
            def send() -> None:
                client.sendall(message)
                client.shutdown(socket.SHUT_WR)

            sender = Thread(target=send)
            sender.start()
            time.sleep(0.3)
            back = read_all(client)
            sender.join()
            return back == message

        port = await self.serve(EchoFactory(reactor, b""))
        self.assertTrue(await self.as_client(port, talk))

    async def test_nothing_is_held_back(self) -> None:
        """The server's kernel doesn't keep a small message until the client has acknowledged the one before."""
        factory = EchoFactory(reactor, b"")
        port = await self.serve(factory)

        def talk(client: socket.socket) -> list[bool]:
            client.sendall(b"a")
            client.recv(1)
            return [connection.transport.getTcpNoDelay() for connection in factory._connections]

        self.assertEqual(await self.as_client(port, talk), [True])

    async def test_peer_that_never_reads(self) -> None:
        """A peer that writes and never reads is stopped, within what the kernel buffers, and still closable."""
        factory = EchoFactory(reactor, b"")
        port = await self.serve(factory)
        most = 2**28

        async def stop() -> None:
            await factory.shutdown(0.1)

        def talk(client: socket.socket) -> int:
            sent = send_until_stuck(client, b"x" * 2**16, most)
            reactor.callFromThread(lambda: ensureDeferred(stop()))
            with contextlib.suppress(ConnectionResetError):
                read_all(client)
            return sent

        self.assertLess(await self.as_client(port, talk), most)

    async def test_bare_loseConnection_closes(self) -> None:
        """transport.loseConnection() closes even while the peer's own reading is stuck, once it reads again."""
        factory = EchoFactory(reactor, b"")
        port = await self.serve(factory)

        def talk(client: socket.socket) -> bool:
            sent = send_until_stuck(client, b"x" * 2**16, 2**28)
            (connection,) = factory._connections
            reactor.callFromThread(connection.transport.loseConnection)
            time.sleep(0.1)
            got = 0
            try:
                while piece := client.recv(2**20):
                    got += len(piece)
            except ConnectionResetError:  # the server closed with bytes unread
                pass
            return 0 < got <= sent

        self.assertTrue(await self.as_client(port, talk))
        await wait(lambda: not factory._connections)

    async def test_stop_loses_nothing(self) -> None:
        """A stop while a client writes without pause: every byte that the server has sent arrives, then the end."""
        factory = EchoFactory(reactor, b"")
        port = await self.serve(factory)

        def talk(client: socket.socket) -> int:
            def write() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        client.sendall(b"x" * 2**16)

            writer = Thread(target=write)
            writer.start()
            got = len(client.recv(2**16))
            reactor.callFromThread(lambda: ensureDeferred(factory.shutdown(DEADLINE)))
            while piece := client.recv(2**16):
                got += len(piece)
                time.sleep(0.001)
            client.shutdown(socket.SHUT_RDWR)
            writer.join()
            return got

        with capturedLogs() as events:
            got = await self.as_client(port, talk)
            await wait(lambda: not factory._connections)
        sent = [event["bytes_out"] for event in events if "bytes_out" in event]
        self.assertEqual([got], sent)

    async def test_slow_reader_is_not_idle(self) -> None:
        """A peer that reads slowly but steadily isn't idle, though nothing else moves."""
        clock = Clock()  # only what is read lets time pass
        factory = EchoFactory(clock, b"", idle_timeout=2.0)
        port = await self.serve(factory)

        def talk(client: socket.socket) -> int:
            sent = send_until_stuck(client, b"x" * 2**16, 2**28)
            client.shutdown(socket.SHUT_WR)
            got = 0
            while piece := client.recv(sent // 16):
                got += len(piece)
                blockingCallFromThread(reactor, clock.advance, 0.25)  # twice the timeout in all
            return sent - got

        self.assertEqual(await self.as_client(port, talk), 0)

    async def test_reset(self) -> None:
        """A peer that resets the connection is a line in the log, not an error."""
        factory = EchoFactory(reactor)
        port = await self.serve(factory)
        with capturedLogs() as events:

            def talk(client: socket.socket) -> None:
                client.sendall(b"hello")
                client.recv(100)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

            await self.as_client(port, talk)
            await wait(lambda: not factory._connections)
        self.assertEqual(
            [event["reason"] for event in events if "reason" in event],
            ["Connection to the other side was lost in a non-clean fashion"],
        )


class FakeUDP:
    """A datagram transport; `too_large` makes it refuse."""

    def __init__(self, *, too_large: bool = False) -> None:
        self.written: list[tuple[bytes, tuple[str, int]]] = []
        self._too_large = too_large
        self.port = 5678

    def getHost(self) -> "FakeUDP":
        """Give an address with a port."""
        return self

    def write(self, datagram: bytes, addr: tuple[str, int]) -> None:
        """Note it, or refuse."""
        if self._too_large:
            raise MessageLengthError
        self.written.append((datagram, addr))


class EchoDatagramsTests(SynchronousTestCase):
    """`EchoDatagrams`."""

    def echo(self, transport: FakeUDP, datagram: bytes, port: int) -> list[tuple[bytes, tuple[str, int]]]:
        """Give what is sent for `datagram`."""
        protocol = EchoDatagrams()
        protocol.transport = transport  # type: ignore[assignment]
        protocol.datagramReceived(datagram, ("127.0.0.1", port))
        return transport.written

    def test_echo(self) -> None:
        """One datagram in, one out, an empty one too."""
        self.assertEqual(self.echo(FakeUDP(), b"x", 40000), [(b"echo x", ("127.0.0.1", 40000))])
        self.assertEqual(self.echo(FakeUDP(), b"", 40000), [(b"echo ", ("127.0.0.1", 40000))])

    def test_no_loop(self) -> None:
        """A datagram from an echo port isn't answered: two servers would go on for ever."""
        for port in (0, ECHO_PORT, 5678):
            self.assertEqual(self.echo(FakeUDP(), b"x", port), [])

    def test_too_large(self) -> None:
        """A datagram that no longer fits, with its prefix, is logged and dropped."""
        with capturedLogs() as events:
            self.echo(FakeUDP(too_large=True), b"x" * 65507, 40000)
        self.assertEqual([event["size"] for event in events], [65507])


class EchoClientTests(SynchronousTestCase):
    """`EchoClient`."""

    def setUp(self) -> None:
        """Connect."""
        self.clock = Clock()
        self.received: list[bytes] = []
        client = EchoClientFactory(self.clock, self.received.append).buildProtocol(None)
        self.client: EchoClient = client
        self.transport = FakeTransport()

    def test_talk(self) -> None:
        """What comes back is handed on; the end is a half-close; `closed` tells why the connection is over."""
        self.client.makeConnection(self.transport)
        self.client.send(b"hello")
        self.client.dataReceived(b"echo ")
        self.client.finish()
        self.client.dataReceived(b"hello")
        self.assertEqual((self.transport.value(), self.transport.write_closed), (b"hello", True))
        self.assertEqual(self.received, [b"echo ", b"hello"])
        self.client.connectionLost(DONE)
        self.assertIsInstance(self.successResultOf(self.client.closed), ConnectionDone)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_tls(self) -> None:
        """TLS can't be half closed: the client closes when all is back and nothing follows for a while."""
        directlyProvides(self.transport, ISSLTransport)
        self.client.makeConnection(self.transport)
        self.client.send(b"hello")
        self.client.finish()
        self.clock.pump([0.3] * 5)
        self.assertFalse(self.transport.disconnecting)
        self.client.dataReceived(b"echo hel")
        self.clock.advance(0.4)
        self.client.dataReceived(b"lo")
        self.clock.advance(0.4)
        self.assertFalse(self.transport.disconnecting)
        self.clock.advance(0.2)
        self.assertTrue(self.transport.disconnecting)
        self.assertFalse(self.transport.write_closed)

    def test_tls_lost(self) -> None:
        """A TLS connection lost meanwhile leaves no timer."""
        directlyProvides(self.transport, ISSLTransport)
        self.client.makeConnection(self.transport)
        self.client.finish()
        self.client.connectionLost(DONE)
        self.assertEqual(self.clock.getDelayedCalls(), [])
