"""Which certificates a TLS server shows, and which it takes."""

import shutil
import socket
import ssl
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import trustme
from twisted.internet.threads import deferToThread

from tests.net.handshakes import HandshakeTestCase, self_signed
from tests.net.wires import DEADLINE, wait
from twisted_lab.net.tls import TLSError, server_tls


class ServerTests(HandshakeTestCase):
    """`server_tls`, with Python's own TLS as its client."""

    async def test_server_name(self) -> None:
        """The client's server name chooses the certificate, a wildcard too; all others get the first, by file name."""
        self.issue(self.directory / "b.pem", "b.example")
        self.issue(self.directory / "sub.c.pem", "*.c.example")
        _, port = await self.serve_tls()
        for name, shown in {
            "localhost": "localhost",
            "b.example": "b.example",
            "B.Example": "b.example",
            "x.c.example": "*.c.example",
            "c.example": "localhost",
            "x.y.c.example": "localhost",
            "elsewhere.example": "localhost",
        }.items():
            certificate = await self.shake_hands(port, name, verify=False)
            self.assertIn(shown.encode(), certificate, name)

    async def test_split_files(self) -> None:
        """Certificate and key may be in files of their own, as certbot writes them, below the directory."""
        whole = (self.directory / "a.pem").read_bytes()
        shutil.rmtree(self.directory)
        live = self.directory / "live" / "localhost"
        live.mkdir(parents=True)
        key, mark, certificates = whole.partition(b"-----BEGIN CERT")
        (live / "privkey.pem").write_bytes(key)
        (live / "fullchain.pem").write_bytes(mark + certificates)
        _, port = await self.serve_tls()
        await self.shake_hands(port)

    async def test_no_dns_name(self) -> None:
        """A certificate for an address, or of one's own making, is shown; Twisted's own tls: has none then."""
        for make in (
            lambda path: self.issue(path, "127.0.0.1"),
            lambda path: self_signed(path, "mine"),
        ):
            make(self.directory / "a.pem")
            _, port = await self.serve_tls()
            self.assertTrue(await self.shake_hands(port, verify=False))

    async def test_client_certificate_with_any_server_name(self) -> None:
        """
        A certificate of another CA isn't taken, whatever server name comes with it.

        CVE-2025-23419: in nginx, a certificate that was good for one server name was good for another.
        """
        self.issue(self.directory / "b.pem", "b.example")
        factory, port = await self.serve_tls(client_ca=self.ca)
        good = self.issue(self.files / "good.pem", "alice.example", common_name="alice")
        bad = self.issue(self.files / "bad.pem", "alice.example", common_name="alice", authority=trustme.CA())
        own = self_signed(self.files / "own.pem", "alice")
        for name in ("localhost", "b.example"):
            await self.shake_hands(port, name, certificate=good)
            for certificate in (bad, own):
                with self.assertRaises(ssl.SSLError):
                    await self.shake_hands(port, name, certificate=certificate)
        await wait(lambda: len(factory.lost) == 6)
        self.assertEqual([seen and seen.common_name for seen, _ in factory.seen], ["alice", "alice"])

    async def test_no_client_certificate(self) -> None:
        """With client_ca a client may come without a certificate: whether that will do, isn't TLS's matter."""
        factory, port = await self.serve_tls(client_ca=self.ca)
        await self.shake_hands(port)
        self.assertEqual(factory.seen, [(None, True)])

    async def test_not_asked(self) -> None:
        """Without client_ca none is asked for: what a client would show, nobody would have verified."""
        alice = self.issue(self.files / "alice.pem", "alice.example", common_name="alice")
        factory, port = await self.serve_tls()
        await self.shake_hands(port, certificate=alice)
        self.assertEqual(factory.seen, [(None, True)])

    async def test_no_resumption(self) -> None:
        """No session is resumed: each connection verifies again."""
        alice = self.issue(self.files / "alice.pem", "alice.example", common_name="alice")
        factory, port = await self.serve_tls(client_ca=self.ca)
        context = self.context(certificate=alice)

        def twice() -> list[bool]:
            sessions: list[Any] = [None]
            reused = []
            for _ in range(2):
                with (
                    socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as raw,
                    context.wrap_socket(raw, server_hostname="localhost", session=sessions[-1]) as client,
                ):
                    client.sendall(b"hello")
                    client.recv(100)
                    sessions.append(client.session)
                    reused.append(bool(client.session_reused))
            return reused

        self.assertEqual(await deferToThread(twice), [False, False])
        self.assertEqual(len(factory.seen), 2)

    def test_mistakes(self) -> None:
        """A directory without a certificate and its key, or with a broken one, is one sentence."""
        empty = self.files / "empty"
        empty.mkdir()
        self.assert_mistake("there is no certificate with its private key, in a .pem file", empty)
        (empty / "ca.pem").write_bytes(self.ca.read_bytes())
        self.assert_mistake("there is no certificate with its private key, in a .pem file", empty)
        (empty / "ca.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
        self.assert_mistake("there is a broken certificate", empty)
        self.assert_mistake("No such file", self.directory, client_ca=empty / "none.pem")
        with mock.patch.dict(sys.modules, {"twisted_lab.net.tls_server": None}):
            self.assert_mistake("pip install 'twisted-lab[tls]'", self.directory)

    def assert_mistake(self, sentence: str, directory: Path, **options: Any) -> None:
        """Assert that no server can be made, and why."""
        with self.assertRaises(TLSError) as caught:
            server_tls(directory, **options)
        self.assertIn(sentence, str(caught.exception))

    def context(self, *, verify: bool = True, certificate: Path | None = None) -> ssl.SSLContext:
        """Give a client's context."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if certificate is not None:
            context.load_cert_chain(certificate)
        return context

    async def shake_hands(
        self, port: int, name: str = "localhost", *, verify: bool = True, certificate: Path | None = None
    ) -> bytes:
        """Shake hands, speak and be answered; give the server's certificate."""
        context = self.context(verify=verify, certificate=certificate)

        def talk() -> bytes:
            with (
                socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as raw,
                context.wrap_socket(raw, server_hostname=name) as client,
            ):
                client.sendall(b"hello")
                answer = client.recv(100)
                if answer != b"hello":
                    raise ssl.SSLError("closed without an answer")
                return client.getpeercert(binary_form=True) or b""

        result: bytes = await deferToThread(talk)
        return result
