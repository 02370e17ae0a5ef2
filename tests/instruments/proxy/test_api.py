"""`ApiSite`: what a client of the API is answered whatever happens."""

from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.instruments.proxy.api import ApiSite
from twisted_lab.instruments.proxy.collection import Collection


class ApiTests(SynchronousTestCase):
    """`ApiSite`."""

    def test_a_fault_of_its_own(self) -> None:
        """A request that runs into one is answered, and the log has the traceback."""
        clock = Clock()
        collection: Any = Collection(clock, seed=1)
        collection.proxies = {"broken": None}
        channel, transport = ApiSite(collection, clock).buildProtocol(None), StringTransport()
        assert channel is not None
        channel.makeConnection(transport)
        channel.dataReceived(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)
        head, _, body = transport.value().partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.0 500 "), head)
        self.assertIn(b'"status": 500', body)
