"""Whether what goes over a connection can be overheard, and whose certificate it is."""

import socket
import ssl
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.address import HostnameAddress, IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IAddress
from twisted.internet.testing import StringTransport
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase

from tests.net.handshakes import AnsweringFactory, HandshakeTestCase
from tests.net.wires import DEADLINE, reactor
from twisted_lab.net.certificate import certificate_of, parse_fingerprint
from twisted_lab.net.privacy import is_loopback, is_private

NEAR: list[IAddress] = [
    IPv4Address("TCP", "127.0.0.1", 1),
    IPv4Address("TCP", "127.255.255.254", 1),
    IPv6Address("TCP", "::1", 1),
    IPv6Address("TCP", "::ffff:127.0.0.1", 1),
    UNIXAddress(b"/run/filexfer"),
    UNIXAddress(None),
]
FAR: list[IAddress] = [
    IPv4Address("TCP", "192.168.0.1", 1),
    IPv4Address("TCP", "128.0.0.1", 1),
    IPv4Address("TCP", "0.0.0.0", 1),  # noqa: S104  # only an address
    IPv6Address("TCP", "fe80::1%lo", 1),
    IPv6Address("TCP", "::ffff:192.168.0.1", 1),
    IPv6Address("TCP", "::", 1),
    HostnameAddress(b"localhost", 1),
]


class AddressTests(SynchronousTestCase):
    """`is_private`, without TLS."""

    def test_both_ends(self) -> None:
        """Only if both ends are this machine's own: loopback, as IPv6 may write it too, or a UNIX socket."""
        for host in NEAR + FAR:
            for peer in NEAR + FAR:
                transport = StringTransport(hostAddress=host, peerAddress=peer)
                self.assertEqual(is_private(transport), host in NEAR and peer in NEAR, (host, peer))
                self.assertIsNone(certificate_of(transport))

    def test_names(self) -> None:
        """A name isn't an address, not even localhost: what it leads to is another's to say."""
        for host in ("localhost", "", "127.1", "127.0.0.1.example.org"):
            self.assertFalse(is_loopback(host), host)


class ProxyTests(HandshakeTestCase):
    """`is_private` and `certificate_of` on real connections behind a proxy."""

    async def test_proxy(self) -> None:
        """Behind haproxy: nothing is private, not even what the proxy says is from this machine to this machine."""
        factory = await self.talk(b"PROXY TCP4 127.0.0.1 127.0.0.1 4711 5680\r\n")
        self.assertEqual(factory.seen, [(None, False)])

    async def test_proxy_with_tls(self) -> None:
        """Nor if the proxy speaks TLS: that, and a certificate, would be the proxy's, for whoever its clients are."""
        key = self.directory / "a.pem"
        endpoint = f"haproxy:ssl:0:interface=127.0.0.1:privateKey={key}:certKey={key}"
        context = ssl.create_default_context(cafile=str(self.ca))
        factory = await self.talk(b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 5680\r\n", endpoint, context)
        self.assertEqual(factory.seen, [(None, False)])

    async def test_unix(self) -> None:
        """A UNIX socket is private."""
        path = Path(self.enterContext(tempfile.TemporaryDirectory())) / "socket"
        factory = await self.talk(b"", f"unix:{path}")
        self.assertEqual(factory.seen, [(None, True)])

    async def talk(
        self,
        begin: bytes,
        endpoint: str = "haproxy:tcp:0:interface=127.0.0.1",
        context: ssl.SSLContext | None = None,
    ) -> AnsweringFactory:
        """Speak to an answering server on `endpoint`; give its factory."""
        factory = AnsweringFactory()
        port: Any = await serverFromString(reactor, endpoint).listen(factory)
        self.addCleanup(port.stopListening)

        def run() -> bytes:
            with connect(port.getHost()) as raw:
                client = raw if context is None else context.wrap_socket(raw, server_hostname="localhost")
                with client:
                    client.sendall(begin + b"hello")
                    return client.recv(100)

        self.assertEqual(await deferToThread(run), b"hello")
        return factory


class FingerprintTests(SynchronousTestCase):
    """`parse_fingerprint`."""

    def test_spellings(self) -> None:
        """Large and small digits, with colons and without, mean the same."""
        for text in ("sha256:" + "ab" * 32, "SHA256:" + ":".join(["AB"] * 32), "sha-256:" + "aB" * 32):
            self.assertEqual(parse_fingerprint(text), "sha256:" + "ab" * 32)


def connect(address: IAddress) -> socket.socket:
    """Connect to where a port listens."""
    if isinstance(address, UNIXAddress):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(DEADLINE)
        client.connect(address.name or b"")
        return client
    assert isinstance(address, IPv4Address)
    return socket.create_connection((address.host, address.port), timeout=DEADLINE)
