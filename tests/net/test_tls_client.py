"""Which servers a TLS client talks to."""

import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from OpenSSL.SSL import Error

from tests.net.handshakes import HandshakeTestCase, self_signed
from twisted_lab.net.tls import CertificateError, TLSError, client_tls


class ClientTests(HandshakeTestCase):
    """`client_tls`, against real servers."""

    async def test_ca(self) -> None:
        """A server whose certificate one's own CA has signed, for the name that was asked for, is talked to."""
        factory, port = await self.serve_tls()
        await self.ask(port, ca=self.ca)
        self.assertEqual(factory.seen, [(None, True)])

    async def test_address(self) -> None:
        """So is one whose certificate is for the address."""
        self.issue(self.directory / "a.pem", "127.0.0.1")
        _, port = await self.serve_tls()
        await self.ask(port, "127.0.0.1", ca=self.ca)

    async def test_intermediate(self) -> None:
        """So is one that shows the way from its certificate to the CA."""
        self.issue(self.directory / "a.pem", "localhost", authority=self.authority.create_child_ca())
        _, port = await self.serve_tls()
        await self.ask(port, ca=self.ca)

    async def test_another_name(self) -> None:
        """One for another name isn't talked to: nothing of what the client says arrives."""
        for other in ("example.org", "127.0.0.1"):
            self.issue(self.directory / "a.pem", other)
            await self.assert_refused("it isn't for localhost", ca=self.ca)
        await self.assert_refused("it isn't for 127.0.0.2", "127.0.0.2", ca=self.ca)

    async def test_no_name(self) -> None:
        """One without a name of the kind that counts isn't, though its common name be right."""
        path = self_signed(self.directory / "a.pem", "localhost")
        await self.assert_refused("it isn't for localhost", ca=path)

    async def test_another_ca(self) -> None:
        """One that somebody else has signed isn't; nor is one that this machine's CAs haven't: that is the default."""
        trustme.CA().cert_pem.write_to_path(self.ca)
        await self.assert_refused("nobody whom we trust has signed it", ca=self.ca)
        await self.assert_refused("nobody whom we trust has signed it")

    async def test_expired(self) -> None:
        """One that has expired isn't."""
        self.issue(self.directory / "a.pem", "localhost", not_after=datetime.now(UTC) - timedelta(days=1))
        await self.assert_refused("it has expired", ca=self.ca)

    async def test_self_signed(self) -> None:
        """One that is signed by itself isn't, and the sentence says what would do."""
        self_signed(self.directory / "a.pem", "localhost")
        await self.assert_refused("it is signed by itself; its fingerprint", ca=self.ca)

    async def test_fingerprint(self) -> None:
        """With its fingerprint it is, expired and for another name as it may be; and with no other fingerprint."""
        self_signed(self.directory / "a.pem", "example.org", days=-1)
        _, port = await self.serve_tls()
        wrong = "sha256:" + "00" * 32
        sentence = await self.assert_refused("its fingerprint is sha256:", fingerprint=wrong)
        self.assertIn(f", not {wrong}", sentence)
        right = sentence.partition(" is ")[2].partition(",")[0]
        shown = await self.ask(port, fingerprint=right)
        self.assertEqual((shown.fingerprint, shown.common_name), (right, "example.org"))

    async def test_fingerprint_of_the_ca(self) -> None:
        """The fingerprint is the server's own: that of the CA above it doesn't let others in."""
        self.issue(self.directory / "a.pem", "localhost")
        _, port = await self.serve_tls()
        shown = await self.ask(port, ca=self.ca)
        self.issue(self.directory / "a.pem", "localhost")
        await self.assert_refused("its fingerprint is", fingerprint=shown.fingerprint, ca=self.ca)

    async def assert_refused(self, sentence: str, hostname: str = "localhost", **options: Any) -> str:
        """Assert that a new server isn't talked to, and gets nothing to read; give the client's sentence."""
        factory, port = await self.serve_tls()
        with self.assertRaises(CertificateError) as caught:
            await self.ask(port, hostname, **options)
        self.assertIn(sentence, str(caught.exception))
        self.assertEqual(factory.seen, [])
        return str(caught.exception)


class FilesTests(HandshakeTestCase):
    """What `client_tls` says of files that aren't what they should be."""

    def test_mistakes(self) -> None:
        """Each is one sentence that names the file."""
        other = self.files / "other.pem"
        self.issue(other, "alice")
        key = other.read_bytes().partition(b"-----BEGIN CERT")[0]
        encrypted = load_pem_private_key(key, None).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")
        )
        for content, option, sentence in (
            (None, "ca", "No such file"),
            (b"", "ca", "there is no certificate in it"),
            (key, "ca", "there is no certificate in it"),
            (self.ca.read_bytes().replace(b"MII", b"AAA", 1), "ca", "there is a broken certificate in it"),
            (self.ca.read_bytes(), "certificate", "there is no certificate with its private key in it"),
            (key, "certificate", "there is no certificate with its private key in it"),
            (self.ca.read_bytes() + key, "certificate", "there is no certificate with its private key in it"),
            (key.replace(b"MHc", b"AAA").replace(b"MII", b"AAA"), "certificate", "there is a broken"),
            (encrypted, "certificate", "its private key is encrypted"),
        ):
            path = self.files / "x.pem"
            path.unlink(missing_ok=True)
            if content is not None:
                path.write_bytes(content)
            with self.assertRaises(TLSError) as caught:
                client_tls("localhost", **{option: path})  # type: ignore[arg-type]
            self.assertTrue(str(caught.exception).startswith(f"{path}: "), caught.exception)
            self.assertIn(sentence, str(caught.exception))

    def test_bad_fingerprint(self) -> None:
        """A fingerprint that can't be one is refused before anything is sent."""
        for text in ("", "sha256:", "sha256:00", "00" * 32, "sha1:" + "00" * 20, "sha256:" + "0g" * 32):
            self.assertRaises(ValueError, client_tls, "localhost", fingerprint=text)

    def test_without_the_extra(self) -> None:
        """Without pyOpenSSL it is one sentence that says what to install."""
        with mock.patch.dict(sys.modules, {"twisted_lab.net.tls_client": None}):
            self.assertRaisesRegex(TLSError, r"pip install 'twisted-lab\[tls\]'", client_tls, "localhost")


class ClientCertificateTests(HandshakeTestCase):
    """The client's own certificate."""

    async def test_shown(self) -> None:
        """It is shown, with what leads from it to the CA."""
        alice = self.issue(
            self.files / "alice.pem", "alice.example", common_name="alice", authority=self.authority.create_child_ca()
        )
        factory, port = await self.serve_tls(client_ca=self.ca)
        await self.ask(port, ca=self.ca, certificate=alice)
        ((seen, private),) = factory.seen
        assert seen is not None
        self.assertEqual((seen.common_name, private), ("alice", True))

    async def test_not_trusted(self) -> None:
        """One that the server's CA hasn't signed ends the connection, and the server has read nothing."""
        alice = self.issue(self.files / "alice.pem", "alice.example", common_name="alice", authority=trustme.CA())
        factory, port = await self.serve_tls(client_ca=self.ca)
        with self.assertRaises(Error):
            await self.ask(port, ca=self.ca, certificate=alice)
        self.assertEqual(factory.seen, [])
