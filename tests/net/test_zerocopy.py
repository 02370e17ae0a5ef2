"""A file's content between connections and files: over TCP, UNIX sockets, TLS, and a transport without a socket."""

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    UNIXClientEndpoint,
    UNIXServerEndpoint,
    connectProtocol,
    wrapClientTLS,
    wrapServerTLS,
)
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.error import TimeoutError as NothingMoved
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.descriptors import descriptors, opened_since
from tests.net.fakes import FakeTransport
from tests.net.handshakes import HandshakeTestCase
from tests.net.wires import reactor, wait
from twisted_lab.net.mover import is_plain
from twisted_lab.net.tls import client_tls, server_tls
from twisted_lab.net.zerocopy import FileReceiver, receive_file, send_file

MEBIBYTE = 2**20


class Peer(Protocol):
    """What one side hears, and what it hands its bytes to."""

    transport: Any

    def __init__(self) -> None:
        self.heard = bytearray()
        self.receiver: FileReceiver | None = None
        self.lost: Deferred[BaseException | None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        """Hand it on, or keep it."""
        if self.receiver is not None:
            data = self.receiver.dataReceived(data)
        self.heard += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Hand that on too."""
        if self.receiver is not None:
            self.receiver.connectionLost(reason)
        self.lost.callback(reason.value)


class ZeroCopyTests(HandshakeTestCase):
    """Both functions, on real connections."""

    def setUp(self) -> None:
        """Make a file to send, and one to receive into."""
        super().setUp()
        self.content = os.urandom(5 * MEBIBYTE + 321)
        self.source = self.open("source", self.content)
        self.target = self.open("target", b"")

    def open(self, name: str, content: bytes) -> int:
        """Make a file; give a descriptor to read and write."""
        path = self.files / name
        path.write_bytes(content)
        descriptor = os.open(path, os.O_RDWR)
        self.addCleanup(os.close, descriptor)
        return descriptor

    def arrived(self) -> bytes:
        """Give what was received."""
        return (self.files / "target").read_bytes()

    async def connect(self, kind: str) -> tuple[Peer, Peer]:
        """Give both ends of a connection."""
        server = Peer()
        made: Deferred[None] = Deferred()
        server.connectionMade = lambda: made.callback(None)  # type: ignore[method-assign]
        factory = Factory.forProtocol(lambda: server)
        if kind == "unix":
            path = str(self.files / "socket")
            port = await UNIXServerEndpoint(reactor, path).listen(factory)
            endpoint: Any = UNIXClientEndpoint(reactor, path)
        else:
            listening: Any = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
            if kind == "tls":
                listening = wrapServerTLS(server_tls(self.directory), listening)
            port = await listening.listen(factory)
            endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
            if kind == "tls":
                endpoint = wrapClientTLS(client_tls("localhost", ca=self.ca), endpoint)
        self.addCleanup(port.stopListening)
        client = await connectProtocol(endpoint, Peer())
        client.transport.write(b"!")  # so that a TLS handshake is over
        await made
        await wait(lambda: server.heard)
        server.heard.clear()
        for peer in client, server:
            self.addCleanup(self.disconnect, peer)
        return client, server

    async def disconnect(self, peer: Peer) -> None:
        """Abort the connection, if it is still there."""
        if not peer.lost.called:
            peer.transport.abortConnection()
            await peer.lost

    def send(self, peer: Peer, **options: Any) -> "Deferred[None]":
        """Send all of the source."""
        return send_file(reactor, peer.transport, self.source, 0, len(self.content), in_thread=deferToThread, **options)

    def receive(self, peer: Peer, **options: Any) -> "Deferred[None]":
        """Receive as much into the target."""
        peer.receiver = receive_file(
            reactor, peer.transport, self.target, 0, len(self.content), in_thread=deferToThread, **options
        )
        return peer.receiver.done

    async def test_there(self) -> None:
        """What was sent arrives, between what is written before and after, and every byte is told of on both sides."""
        for kind in ("tcp", "unix", "tls"):
            os.ftruncate(self.target, 0)
            client, server = await self.connect(kind)
            self.assertEqual(is_plain(client.transport), kind != "tls")
            seen: list[bytes] = []
            moved: dict[str, list[int]] = {"sent": [], "received": []}
            received = self.receive(server, moved=moved["received"].append, observe=partial(keep, seen))
            client.transport.write(self.content[:10])
            await send_file(
                reactor,
                client.transport,
                self.source,
                10,
                len(self.content) - 10,
                in_thread=deferToThread,
                moved=moved["sent"].append,
            )
            client.transport.write(b"after")
            await received
            await wait(partial(server.heard.endswith, b"after"))
            self.assertEqual(self.arrived(), self.content)
            self.assertEqual(b"".join(seen), self.content)
            self.assertEqual(sum(moved["sent"]), len(self.content) - 10)
            self.assertEqual(sum(moved["received"]), len(self.content))

    async def test_from_the_middle_of_a_read(self) -> None:
        """What arrived before the receiver was there, in one read with what made it, comes first."""
        client, server = await self.connect("tcp")
        client.transport.write(b"header" + self.content[:3000])
        await wait(lambda: len(server.heard) == 3006)
        done = self.receive(server)
        assert server.receiver is not None
        self.assertEqual(server.receiver.dataReceived(bytes(server.heard[6:])), b"")
        client.transport.write(self.content[3000:] + b"after")
        await done
        self.assertEqual(self.arrived(), self.content)
        await wait(lambda: server.heard[-5:] == b"after")

    async def test_the_other_direction_goes_on(self) -> None:
        """While a file is sent, what the peer says is heard; and while one is received, what is written goes out."""
        client, server = await self.connect("tcp")
        sending = self.send(client)
        server.transport.pauseProducing()
        server.transport.write(b"hello")
        await wait(lambda: client.heard == b"hello")
        received = self.receive(server)
        server.transport.write(b" again")
        await sending
        await received
        await wait(lambda: client.heard == b"hello again")
        self.assertEqual(self.arrived(), self.content)

    async def test_stalled(self) -> None:
        """A peer that takes nothing, or gives nothing, is given up after a while; no thread has waited for it."""
        for kind in ("tcp", "tls"):
            client, server = await self.connect(kind)
            server.transport.pauseProducing()
            await self.assertFailure(self.send(client, timeout=0.2), NothingMoved)
            client, server = await self.connect(kind)
            await self.assertFailure(self.receive(server, timeout=0.2), NothingMoved)

    async def test_pace(self) -> None:
        """`pace` holds both sides back, and a file that would go in one go is moved in small ones then."""
        for side in ("send", "receive"):
            client, server = await self.connect("tcp")
            counts: list[int] = []

            async def pace(count: int, counts: list[int] = counts) -> None:
                counts.append(count)
                await deferToThread(lambda: None)
                await reactor_turn(0.005)

            sending = self.send(client, **({"pace": pace} if side == "send" else {}))
            await self.receive(server, **({"pace": pace} if side == "receive" else {}))
            await sending
            self.assertEqual(sum(counts), len(self.content))
            self.assertLessEqual(max(counts), MEBIBYTE)
            self.assertEqual(self.arrived(), self.content)

    async def test_peer_closes(self) -> None:
        """A peer that closes too soon, or resets the connection, fails both, with what the protocol is told."""
        client, server = await self.connect("tcp")
        received = self.receive(server)
        client.transport.write(self.content[:100_000])
        client.transport.loseConnection()
        await self.assertFailure(received, ConnectionDone)
        self.assertIsInstance(await server.lost, ConnectionDone)
        self.assertEqual(self.arrived(), self.content[:100_000])
        for act in (self.send, self.receive):
            client, server = await self.connect("tcp")
            client.transport.pauseProducing()
            going = act(server)
            await reactor_turn(0.05)
            client.transport.abortConnection()
            await self.assertFailure(going, ConnectionLost, ConnectionDone)
            await server.lost

    async def test_our_side_closes(self) -> None:
        """A connection that this side aborts ends what goes on over it, and nothing is written to another one."""
        client, server = await self.connect("tcp")
        server.transport.pauseProducing()
        sending = self.send(client)
        await reactor_turn(0.05)
        client.transport.abortConnection()
        await self.assertFailure(sending, ConnectionDone)
        client, server = await self.connect("tcp")
        received = self.receive(server)
        await reactor_turn(0.05)
        server.transport.abortConnection()
        await self.assertFailure(received, ConnectionLost, ConnectionDone)

    async def test_lost_before_it_begins(self) -> None:
        """A connection that is lost while what was written before is sent is said to be lost, of every kind."""
        for kind in ("tcp", "unix", "tls"):
            client, _ = await self.connect(kind)
            sending = self.send(client)
            client.transport.abortConnection()
            await client.lost
            with self.assertRaises((ConnectionDone, ConnectionLost)):
                await sending

    async def test_cancelled(self) -> None:
        """Who waits can be cancelled, and the file's descriptor isn't used after that."""
        client, server = await self.connect("tcp")
        server.transport.pauseProducing()
        sending = self.send(client)
        await reactor_turn(0.05)
        sending.cancel()
        await self.assertFailure(sending, CancelledError)
        received = self.receive(client)
        await reactor_turn(0.05)
        received.cancel()
        await self.assertFailure(received, CancelledError)

    async def test_shorter(self) -> None:
        """A file that ends too soon fails the sending."""
        for kind in ("tcp", "tls"):
            client, _ = await self.connect(kind)
            length = len(self.content) + 1
            sending = send_file(reactor, client.transport, self.source, 0, length, in_thread=deferToThread)
            await self.assertFailure(sending, EOFError)

    async def test_disk(self) -> None:
        """A file that can't be written to fails the receiving."""
        for kind in ("tcp", "tls"):
            client, server = await self.connect(kind)
            descriptor = os.open(self.files / "source", os.O_RDONLY)
            self.addCleanup(os.close, descriptor)
            server.receiver = receive_file(reactor, server.transport, descriptor, 0, 100, in_thread=deferToThread)
            client.transport.write(bytes(100))
            await self.assertFailure(server.receiver.done, OSError)

    async def test_descriptors(self) -> None:
        """What a transfer has opened is closed, whatever became of it."""
        client, server = await self.connect("tcp")
        before = descriptors()
        received = self.receive(server)
        await self.send(client)
        await received
        self.assertEqual(opened_since(before), set())
        cancelled = self.receive(server)
        await reactor_turn(0.05)
        self.assertEqual(len(opened_since(before)), 1)
        cancelled.cancel()
        await self.assertFailure(cancelled, CancelledError)
        await wait(lambda: not opened_since(before))


class MemoryTests(SynchronousTestCase):
    """Without a socket."""

    def setUp(self) -> None:
        """Make a file, and a transport in memory."""
        path = Path(self.enterContext(tempfile.TemporaryDirectory())) / "file"
        path.write_bytes(b"0123456789")
        self.file = os.open(path, os.O_RDWR)
        self.addCleanup(os.close, self.file)
        self.clock, self.transport = Clock(), FakeTransport()

    def call(self, function: Any, *arguments: Any) -> "Deferred[Any]":
        """Call at once: there are no threads here."""
        return succeed(function(*arguments))

    def test_send(self) -> None:
        """It is written, and waits while the transport is full."""
        sending = send_file(self.clock, self.transport, self.file, 2, 5, in_thread=self.call)
        self.assertEqual((self.transport.value(), self.transport.producer), (b"23456", None))
        self.assertIsNone(self.successResultOf(sending))

    def test_full(self) -> None:
        """A transport that never has room again is given up."""
        transport: Any = self.transport
        write = transport.write

        def full(data: bytes) -> None:
            write(data)
            transport.producer.pauseProducing()

        transport.write = full
        sending = send_file(self.clock, self.transport, self.file, 0, 10, in_thread=self.call, timeout=7)
        self.assertNoResult(sending)
        self.clock.advance(7)
        self.failureResultOf(sending, NothingMoved)

    def test_receive(self) -> None:
        """It is written to the file as it comes, and what follows is given back."""
        receiver = receive_file(self.clock, self.transport, self.file, 1, 4, in_thread=self.call)
        self.clock.advance(0)
        self.assertEqual(receiver.dataReceived(b"ab"), b"")
        self.assertEqual(receiver.dataReceived(b"cdef"), b"ef")
        self.successResultOf(receiver.done)
        self.assertEqual(os.pread(self.file, 99, 0), b"0abcd56789")


def keep(pieces: list[bytes], piece: memoryview) -> None:
    """Keep a copy of it."""
    pieces.append(bytes(piece))


def reactor_turn(seconds: float) -> "Deferred[None]":
    """Fire a moment later."""
    done: Deferred[None] = Deferred()
    reactor.callLater(seconds, done.callback, None)
    return done
