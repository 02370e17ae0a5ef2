"""Real TLS handshakes on loopback, with certificates made for the purpose."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, wrapClientTLS, wrapServerTLS
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from tests.net.wires import WireTestCase, reactor
from twisted_lab.net.certificate import PeerCertificate, certificate_of
from twisted_lab.net.privacy import is_private
from twisted_lab.net.tls import client_tls, server_tls


class Answering(Protocol):
    """A server's connection: notes who the client is when it speaks, answers, and closes."""

    factory: "AnsweringFactory"

    def dataReceived(self, data: bytes) -> None:
        """Answer."""
        self.factory.seen.append((certificate_of(self.transport), is_private(self.transport)))
        assert self.transport is not None
        self.transport.write(data)
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note why."""
        self.factory.lost.append(reason.value)


class AnsweringFactory(Factory[Answering]):
    """What its connections have noted."""

    protocol = Answering
    noisy = False

    def __init__(self) -> None:
        self.seen: list[tuple[PeerCertificate | None, bool]] = []
        self.lost: list[BaseException | None] = []


class Asking(Protocol):
    """A client's connection: speaks, and gives what it gets, or why it got nothing."""

    def __init__(self) -> None:
        self.answer: Deferred[bytes] = Deferred()
        self.shown: PeerCertificate | None = None

    def connectionMade(self) -> None:
        """Speak."""
        assert self.transport is not None
        self.transport.write(b"hello")

    def dataReceived(self, data: bytes) -> None:
        """Give it."""
        self.shown = certificate_of(self.transport)
        self.answer.callback(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Give why."""
        if not self.answer.called:
            self.answer.errback(reason)


class HandshakeTestCase(WireTestCase):
    """A CA, a directory for a server's certificates and one for a client's files."""

    def setUp(self) -> None:
        """Make them; the server has a certificate for "localhost"."""
        self.files = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.directory = self.files / "server"
        self.directory.mkdir()
        self.authority = trustme.CA()
        self.ca = self.files / "ca.pem"
        self.authority.cert_pem.write_to_path(self.ca)
        self.issue(self.directory / "a.pem", "localhost")

    def issue(self, path: Path, *names: str, authority: trustme.CA | None = None, **facts: Any) -> Path:
        """Make a certificate with its key and chain, in one file."""
        certificate = (authority or self.authority).issue_cert(*names, **facts)
        certificate.private_key_and_cert_chain_pem.write_to_path(path)
        return path

    async def serve_tls(self, *, client_ca: Path | None = None) -> tuple[AnsweringFactory, int]:
        """Give the server's factory and port."""
        factory = AnsweringFactory()
        creator = server_tls(self.directory, client_ca=client_ca)
        endpoint = wrapServerTLS(creator, TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"))
        port = await endpoint.listen(factory)
        self.addCleanup(port.stopListening)
        return factory, int(port.getHost().port)  # type: ignore[attr-defined]

    async def ask(self, port: int, hostname: str = "localhost", **options: Any) -> PeerCertificate:
        """Shake hands and be answered; give what the server has shown."""
        endpoint = wrapClientTLS(client_tls(hostname, **options), TCP4ClientEndpoint(reactor, "127.0.0.1", port))
        client = await endpoint.connect(Factory.forProtocol(Asking))
        assert isinstance(client, Asking)
        self.assertEqual(await client.answer, b"hello")
        assert client.shown is not None
        return client.shown


def self_signed(path: Path, common_name: str, *, days: int = 1) -> Path:
    """Make a certificate with its key as `openssl req -x509` does: a common name, and no other names."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    path.write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
    return path
