"""A listening socket that several processes accept from: a real one, with a reactor that notes what it is asked."""

import errno
import os
import shutil
import socket
import tempfile
from unittest import mock

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.main import CONNECTION_LOST
from twisted.internet.protocol import ServerFactory
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactor
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.net.inherited import PAUSE, YIELD, InheritedPort, InheritedSockets


class NotingReactor(MemoryReactor, Clock):
    """Notes which connections it is to adopt; fails with `error` if there is one."""

    def __init__(self) -> None:
        MemoryReactor.__init__(self)
        Clock.__init__(self)
        self.adopted: list[int] = []
        self.error: Exception | None = None

    def adoptStreamConnection(self, fileDescriptor: int, addressFamily: int, factory: object) -> None:
        """Note it."""
        if self.error is not None:
            raise self.error
        self.adopted.append(addressFamily)


class InheritedPortTests(SynchronousTestCase):
    """`InheritedPort`."""

    def setUp(self) -> None:
        """Listen, and hand on a duplicate."""
        self.reactor = NotingReactor()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.addCleanup(self.listener.close)
        port = InheritedSockets(self.reactor, [os.dup(self.listener.fileno())]).listenTCP(0, ServerFactory())
        assert isinstance(port, InheritedPort)
        self.port = port
        self.addCleanup(self.port.stopListening)

    def connect(self) -> None:
        """Have a client."""
        client = socket.create_connection(self.listener.getsockname())
        self.addCleanup(client.close)

    def test_one_at_a_time(self) -> None:
        """Each time it is woken it takes one connection, and leaves the others to other processes."""
        for _ in range(2):
            self.connect()
        self.port.doRead()
        self.assertEqual(self.reactor.adopted, [socket.AF_INET])
        connection, _ = self.listener.accept()
        connection.close()
        self.assertIs(self.port.doRead(), None)  # nobody is there any more
        self.assertEqual(self.reactor.adopted, [socket.AF_INET])

    def test_where(self) -> None:
        """It knows where it listens."""
        host, port = self.listener.getsockname()
        self.assertEqual(self.port.getHost(), IPv4Address("TCP", host, port))
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        for family, address, expected in (
            (socket.AF_UNIX, f"{directory}/socket", UNIXAddress),
            (socket.AF_INET6, ("::1", 0), IPv6Address),
        ):
            with socket.socket(family) as listener:
                try:
                    listener.bind(address)
                except OSError:  # no IPv6 here
                    continue
                inherited = InheritedPort(self.reactor, os.dup(listener.fileno()), ServerFactory())
                self.assertIsInstance(inherited.getHost(), expected)
                inherited.startListening()
                inherited.stopListening()

    def test_no_more_descriptors(self) -> None:
        """Out of descriptors it pauses, where it would be woken again and again, and goes on."""
        self.connect()
        with mock.patch.object(socket.socket, "accept", side_effect=OSError(errno.EMFILE, "Too many open files")):
            self.assertIs(self.port.doRead(), None)
        self.assertNotIn(self.port, self.reactor.readers)
        self.reactor.advance(PAUSE)
        self.assertIn(self.port, self.reactor.readers)
        self.port.doRead()
        self.assertEqual(len(self.reactor.adopted), 1)

    def test_lets_others_go_first(self) -> None:
        """While it has more connections than its share it accepts the next only after a moment."""
        self.port._is_ahead = lambda: True
        self.connect()
        self.port.doRead()
        self.assertEqual(len(self.reactor.adopted), 1)
        self.assertNotIn(self.port, self.reactor.readers)
        self.reactor.advance(YIELD)
        self.assertIn(self.port, self.reactor.readers)

    def test_stopped_while_it_pauses(self) -> None:
        """Stopped while it pauses, it doesn't go on."""
        with mock.patch.object(socket.socket, "accept", side_effect=OSError(errno.EMFILE, "Too many open files")):
            self.port.doRead()
        self.port.stopListening()
        self.reactor.advance(PAUSE)
        self.assertNotIn(self.port, self.reactor.readers)

    def test_a_factory_that_fails(self) -> None:
        """A factory's fault costs one connection, and not the port."""
        self.connect()
        self.connect()
        self.reactor.error = ValueError("out of order")
        self.assertIs(self.port.doRead(), None)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.reactor.error = None
        self.port.doRead()
        self.assertEqual(len(self.reactor.adopted), 1)

    def test_shut_elsewhere(self) -> None:
        """Once the socket was shut by who opened it, the reactor is told, and the port is closed."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.assertIsInstance(self.port.doRead(), Failure)
        self.port.connectionLost(Failure(CONNECTION_LOST))
        self.assertNotIn(self.port, self.reactor.readers)
        self.port.stopListening()  # once more does no harm
