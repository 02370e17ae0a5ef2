"""The bounds hold over TLS, where Twisted can't half-close and waits for producers."""

import contextlib
import socket
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import trustme
from twisted.internet.endpoints import serverFromString
from twisted.internet.threads import deferToThread
from twisted.logger import capturedLogs

from tests.net.wires import DEADLINE, WireTestCase, reactor, send_until_stuck, wait
from twisted_lab.echo import EchoFactory
from twisted_lab.net.bounded import BoundedFactory

Result = TypeVar("Result")


class TLSTests(WireTestCase):
    """An echo server on a TLS endpoint, and Python's own TLS as its client."""

    def setUp(self) -> None:
        """Make a certificate."""
        directory = Path(self.enterContext(tempfile.TemporaryDirectory()))
        authority = trustme.CA()
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(directory / "127.0.0.1.pem")
        self.certificates = directory
        self.context = ssl.create_default_context()
        authority.configure_trust(self.context)

    async def serve_tls(self, factory: BoundedFactory) -> int:
        """Give the port."""
        key = self.certificates / "127.0.0.1.pem"
        text = f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={key}"
        port = await serverFromString(reactor, text).listen(factory)
        self.addCleanup(port.stopListening)
        return int(port.getHost().port)

    async def as_tls_client(self, port: int, talk: Callable[[ssl.SSLSocket], Result]) -> Result:
        """Run `talk` with a TLS socket whose peer's certificate was verified, in a thread."""

        def run() -> Result:
            with (
                socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as raw,
                self.context.wrap_socket(raw, server_hostname="127.0.0.1") as client,
            ):
                return talk(client)

        result: Result = await deferToThread(run)
        return result

    async def test_stop(self) -> None:
        """Stopping closes an idle connection properly: with TLS's own goodbye."""
        factory = EchoFactory(reactor)
        port = await self.serve_tls(factory)

        def talk(client: ssl.SSLSocket) -> list[bytes]:
            client.sendall(b"hello")
            received = [client.recv(100)]
            reactor.callFromThread(stop)
            return [*received, client.recv(100)]  # b"", where an abort would raise

        stopped = []

        def stop() -> None:
            stopped.append(self.stop(factory, 5.0))

        self.assertEqual(await self.as_tls_client(port, talk), [b"echo hello", b""])
        await stopped[0]

    async def test_peer_that_never_reads(self) -> None:
        """A peer that writes and never reads is stopped, and aborted when the grace period is over."""
        factory = EchoFactory(reactor, b"")
        port = await self.serve_tls(factory)
        most = 2**27

        def talk(client: ssl.SSLSocket) -> int:
            with contextlib.suppress(ssl.SSLError):
                return send_until_stuck(client, b"x" * 2**14, most)
            return 0

        sent = self.as_tls_client(port, talk)
        self.assertLess(await sent, most)
        await self.stop(factory, 0.1)

    async def test_stalled_handshake(self) -> None:
        """A peer that never begins the handshake is closed like any idle one."""
        factory = EchoFactory(reactor, idle_timeout=0.2)
        port = await self.serve_tls(factory)
        with capturedLogs() as events:
            self.assertEqual(await self.as_client(port, recv_or_reset), b"")
            await wait(lambda: not factory._connections)
        self.assertEqual([event["reason"] for event in events if "reason" in event], ["idle for 0.2 s"])

    async def test_refusal(self) -> None:
        """A surplus connection reads why, then the end."""
        factory = EchoFactory(reactor, max_connections=0)
        port = await self.serve_tls(factory)
        answer = await self.as_tls_client(port, lambda client: [client.recv(100), client.recv(100)])
        self.assertEqual(answer, [b"busy: at most 0 connections at one time\n", b""])
        await wait(lambda: not factory.refusals)


def recv_or_reset(client: socket.socket) -> bytes:
    """Wait for the end of the connection, whichever way it comes."""
    with contextlib.suppress(ConnectionResetError):
        return client.recv(100)
    return b""
