"""Addresses, toxiproxy's and Twisted's."""

from typing import Any

from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    TCP6ClientEndpoint,
    TCP6ServerEndpoint,
    UNIXClientEndpoint,
    UNIXServerEndpoint,
)
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.instruments.proxy.addresses import client_endpoint, server_endpoint


class AddressTests(SynchronousTestCase):
    """`client_endpoint` and `server_endpoint`."""

    def test_servers(self) -> None:
        """A host and a port, in brackets if it has colons, or what Twisted understands."""
        reactor: Any = MemoryReactorClock()
        for text, kind in {
            "127.0.0.1:80": TCP4ClientEndpoint,
            "[::1]:80": TCP6ClientEndpoint,
            "db.example:5432": HostnameEndpoint,
            "tcp:127.0.0.1:80": TCP4ClientEndpoint,
            "unix:/run/x": UNIXClientEndpoint,
        }.items():
            self.assertIsInstance(client_endpoint(reactor, text), kind, text)

    def test_where_to_listen(self) -> None:
        """Without a host it is this machine alone; every interface has to be asked for."""
        reactor: Any = MemoryReactorClock()
        for text, kind, interface in (
            ("", TCP4ServerEndpoint, "127.0.0.1"),
            (":8080", TCP4ServerEndpoint, "127.0.0.1"),
            ("localhost:8080", TCP4ServerEndpoint, "127.0.0.1"),
            ("0.0.0.0:8080", TCP4ServerEndpoint, "0.0.0.0"),  # noqa: S104  # as asked for
            ("[::1]:8080", TCP6ServerEndpoint, "::1"),
            ("tcp:8080:interface=127.0.0.2", TCP4ServerEndpoint, "127.0.0.2"),
        ):
            endpoint: Any = server_endpoint(reactor, text)
            self.assertIsInstance(endpoint, kind, text)
            self.assertEqual(endpoint._interface, interface)
        self.assertIsInstance(server_endpoint(reactor, "unix:/run/x"), UNIXServerEndpoint)

    def test_neither(self) -> None:
        """What is wrong is said."""
        reactor: Any = MemoryReactorClock()
        for text, sentence in {
            "here": "here is neither HOST:PORT nor an endpoint",
            ":80": ":80 doesn't say on which host",
            "a:70000": "a:70000: a port is at most 65535",
            "tcp:x": "tcp:x is neither HOST:PORT nor an endpoint",
        }.items():
            self.assertIn(sentence, str(self.assertRaises(ValueError, client_endpoint, reactor, text)))
        self.assertIn("neither HOST:PORT", str(self.assertRaises(ValueError, server_endpoint, reactor, "here")))
