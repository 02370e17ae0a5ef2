"""Factories that are recorded, on real sockets: they do what they did, and the file has what passed."""

import contextlib  # trial takes a module's `suppress` for something else
import socket
import ssl
import struct
import tempfile
from pathlib import Path
from threading import Thread
from typing import Any

import trustme
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IAddress
from twisted.internet.threads import deferToThread

from tests.filexfer.client.test_with_a_server import ServerTestCase
from tests.instruments.capture.packets import flags, read
from tests.net.wires import DEADLINE, WireTestCase, reactor, read_all, wait
from twisted_lab.echo import Echo, EchoFactory
from twisted_lab.header_service import HeaderClientFactory, HeaderServerFactory
from twisted_lab.instruments.capture.recorder import Recorder
from twisted_lab.instruments.capture.wrapping import capture
from twisted_lab.net.bounded import BoundedFactory
from twisted_lab.net.host_endpoint import HostEndpoint
from twisted_lab.wire.header import HeaderCodec, Message

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() resets


class RefusingFactory(EchoFactory):
    """Wants no connection."""

    def buildProtocol(self, addr: IAddress | None) -> None:
        """Make none."""


class Late(Echo):
    """Says something when its peer has shut its side."""

    def readConnectionLost(self) -> None:
        """Say it, and close."""
        self.transport.write(b"late")
        super().readConnectionLost()


class LateFactory(EchoFactory):
    """Serves `Late`."""

    protocol = Late


class WrappingTests(WireTestCase):
    """`capture`."""

    def setUp(self) -> None:
        """Make a recorder."""
        self.path = Path(self.enterContext(tempfile.TemporaryDirectory())) / "it.pcapng"
        self.recorder = Recorder(reactor, self.path)
        self.addCleanup(self.recorder.close)

    async def serve_recorded(self, factory: BoundedFactory, text: str = "tcp:0:interface=127.0.0.1") -> int:
        """Give the port of what is recorded."""
        port = await serverFromString(reactor, text).listen(capture(factory, self.recorder))
        self.addCleanup(self.stop, factory, 0.0)
        self.addCleanup(port.stopListening)
        return int(port.getHost().port)

    def ended(self) -> bool:
        """Tell whether a connection has been closed, in both directions or by a reset."""
        seen = [flags(segment) for _, segment in read(self.path)]
        return seen.count("F.") == 2 or "R." in seen

    async def test_echo(self) -> None:
        """What was said is in the file, read by read, between its two addresses, and half-closes too."""
        port = await self.serve_recorded(EchoFactory(reactor))

        def talk(client: socket.socket) -> tuple[int, bytes]:
            client.sendall(b"hello")
            first = client.recv(100)
            client.shutdown(socket.SHUT_WR)
            return client.getsockname()[1], first + read_all(client)

        own, received = await self.as_client(port, talk)
        self.assertEqual(received, b"echo hello")
        await wait(self.ended)
        seen = [(segment.source.port, flags(segment), segment.payload) for _, segment in read(self.path)]
        self.assertEqual(
            seen,
            [
                (own, "S", b""),
                (port, "S.", b""),
                (own, ".", b""),
                (own, "P.", b"hello"),
                (port, "P.", b"echo hello"),
                (own, "F.", b""),
                (port, "F.", b""),
                (own, ".", b""),
            ],
        )

    async def test_half_close(self) -> None:
        """A client that shuts its side and reads late gets every byte, as it does without a recorder."""
        port = await self.serve_recorded(EchoFactory(reactor, b""))
        content = b"0123456789abcdef" * 2**16

        def send(client: socket.socket) -> None:
            client.sendall(content)
            client.shutdown(socket.SHUT_WR)

        def talk(client: socket.socket) -> bytes:
            sender = Thread(target=send, args=(client,))
            sender.start()
            sender.join(0.5)
            received = read_all(client)
            sender.join()
            return received

        self.assertEqual(await self.as_client(port, talk), content)
        await wait(self.ended)
        back = b"".join(segment.payload for _, segment in read(self.path) if segment.source.port == port)
        self.assertEqual(back, content)

    async def test_shut_by_the_client(self) -> None:
        """What a server sends after its client has shut its side is recorded after that."""
        port = await self.serve_recorded(LateFactory(reactor))

        def talk(client: socket.socket) -> bytes:
            client.shutdown(socket.SHUT_WR)
            return read_all(client)

        self.assertEqual(await self.as_client(port, talk), b"late")
        await wait(self.ended)
        seen = [(segment.source.port == port, flags(segment)) for _, segment in read(self.path)]
        self.assertEqual(seen[3:], [(False, "F."), (True, "P."), (True, "F."), (False, ".")])

    async def test_reset(self) -> None:
        """A peer's reset is one."""
        port = await self.serve_recorded(EchoFactory(reactor))

        def talk(client: socket.socket) -> int:
            client.sendall(b"hello")
            client.recv(100)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            return int(client.getsockname()[1])

        own = await self.as_client(port, talk)
        await wait(self.ended)
        _, last = read(self.path)[-1]
        self.assertEqual((flags(last), last.source.port), ("R.", own))

    async def test_abort(self) -> None:
        """Our own reset is ours: that of a service which stops and waits no longer."""
        factory = EchoFactory(reactor)
        port = await self.serve_recorded(factory)

        def talk(client: socket.socket) -> None:
            client.sendall(b"hello")
            client.recv(100)
            reactor.callFromThread(lambda: Deferred.fromCoroutine(factory.shutdown(0)))
            with contextlib.suppress(ConnectionResetError):
                client.recv(100)

        await self.as_client(port, talk)
        await wait(self.ended)
        _, last = read(self.path)[-1]
        self.assertEqual((flags(last), last.source.port), ("R.", port))

    async def test_client(self) -> None:
        """A client's side is recorded with the client as the one that connects."""
        port = await self.serve(HeaderServerFactory(reactor))
        endpoint = HostEndpoint(reactor, "127.0.0.1", port, timeout=DEADLINE)
        client: Any = await endpoint.connect(capture(HeaderClientFactory(), self.recorder, client=True))
        header, content = await client.wrappedProtocol.request({"type": "greeting"}, b"x" * 100_000)
        self.assertEqual((header["type"], content), ("greeting", b"x" * 100_000))
        client.loseConnection()
        await wait(self.ended)
        packets = read(self.path)
        self.assertEqual((flags(packets[0][1]), packets[0][1].destination.port), ("S", port))
        upstream = b"".join(segment.payload for _, segment in packets if segment.destination.port == port)
        self.assertEqual(upstream, HeaderCodec().encode(Message({"type": "greeting"}, b"x" * 100_000)))

    async def test_tls(self) -> None:
        """Under TLS the file has the plain text."""
        authority = trustme.CA()
        key = self.path.with_suffix(".pem")
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(key)
        context = ssl.create_default_context()
        authority.configure_trust(context)
        text = f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={key}"
        port = await self.serve_recorded(EchoFactory(reactor), text)

        def talk() -> bytes:
            with (
                socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as raw,
                context.wrap_socket(raw, server_hostname="127.0.0.1") as client,
            ):
                client.sendall(b"hello")
                return client.recv(100)

        self.assertEqual(await deferToThread(talk), b"echo hello")
        payloads = [segment.payload for _, segment in read(self.path) if segment.payload]
        self.assertEqual(payloads, [b"hello", b"echo hello"])

    async def test_refused(self) -> None:
        """A factory that makes no protocol makes none."""
        port = await self.serve_recorded(RefusingFactory(reactor))
        self.assertEqual(await self.as_client(port, read_all), b"")
        self.assertEqual(read(self.path), [])


class FilexferTests(ServerTestCase):
    """A server of filexfer, which else has content go past Twisted."""

    async def test_all_content_is_recorded(self) -> None:
        """What is put and got through a recorded server is in the file, every byte of it."""
        path = self.local / "capture"
        recorder = Recorder(reactor, path)
        self.addCleanup(recorder.close)
        port = await self.listen(wrap=lambda factory: capture(factory, recorder))
        files = await self.connected(port)
        content = b"0123456789abcdef" * 2**17
        self.source.write_bytes(content)
        await files.put(self.source, "x")
        await files.get("x", self.local / "back")
        self.assertEqual((self.local / "back").read_bytes(), content)
        for way in (True, False):
            passed = b"".join(segment.payload for _, segment in read(path) if (segment.source.port == port) == way)
            self.assertIn(content, passed)
