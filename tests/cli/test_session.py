"""How a verb connects."""

from twisted.internet.defer import ensureDeferred
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.cli.session import connect_or_raise


class ConnectTests(SynchronousTestCase):
    """`connect_or_raise`."""

    def test_within(self) -> None:
        """A connection has as long as is said, shorter than usual or longer."""
        for seconds in (1.0, 60.0):
            reactor = MemoryReactorClock()
            connecting = ensureDeferred(connect_or_raise(reactor, "127.0.0.1:1", 1, Factory(), seconds))
            ((*_, timeout, _),) = reactor.tcpClients
            self.assertEqual(timeout, seconds)
            connecting.addErrback(lambda _: None).cancel()
