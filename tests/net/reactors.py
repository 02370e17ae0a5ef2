"""A reactor of one's own, run step by step inside a test, with plain sockets at the other end."""

import random
import socket
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.net.eager import EagerReactor

DEADLINE = 60.0  # seconds
RESET = struct.pack("ii", 1, 0)  # what SO_LINGER must be for a close to be a reset


class Noting(Protocol):
    """A connection that notes what happens to it; a test says what it does with what it reads."""

    def __init__(self) -> None:
        self.happened: list[Any] = []
        self.received: Callable[[bytes], object] = lambda _: None
        self.wire: Any = None

    def connectionMade(self) -> None:
        """Keep the transport as an Any: each test knows what it is."""
        self.wire = self.transport

    def dataReceived(self, data: bytes) -> None:
        """Note how much, and do what the test says."""
        self.happened.append(len(data))
        self.received(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note why."""
        self.happened.append(reason.type.__name__ if reason.type else None)


class NotingFactory(Factory[Noting]):
    """Keeps what it makes."""

    noisy = False

    def __init__(self, make: Callable[[], Noting] = Noting) -> None:
        self.made: list[Noting] = []
        self.make = make

    def buildProtocol(self, addr: IAddress | None) -> Noting:
        """Make one."""
        self.made.append(self.make())
        return self.made[-1]


class ReactorTestCase(SynchronousTestCase):
    """Each test gets the eager reactor as `reactor`, and may `use` another one; and a directory of its own."""

    def setUp(self) -> None:
        """Begin with ours; the directory is removed last."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.reactor: Any = None
        self.use(EagerReactor)

    def use(self, kind: type[EPollReactor]) -> None:
        """Take a reactor of this kind; it, and all it holds, is put away after the test."""
        self.reactor = reactor = kind()
        self.addCleanup(self.put_away, reactor)

    def both(self, scenario: Callable[[], object]) -> list[object]:
        """Give what the scenario gives on Twisted's reactor and on ours."""
        results = []
        for kind in (EPollReactor, EagerReactor):
            self.use(kind)
            results.append(scenario())
        return results

    def put_away(self, reactor: Any) -> None:
        """Close what the reactor has open."""
        for selectable in reactor.removeAll():
            selectable.connectionLost(Failure(Exception("the test is over")))
        for reader in [*reactor._internalReaders]:
            reactor.removeReader(reader)
            reader.connectionLost(None)
        reactor._poller.close()

    def spin(self, until: Callable[[], Any]) -> None:
        """Run the reactor until `until()`; fail after the deadline."""
        deadline = time.monotonic() + DEADLINE
        while not until():
            self.assertLess(time.monotonic(), deadline, "waited in vain")
            self.reactor.iterate(0.001)

    def turn(self, times: int = 5) -> None:
        """Let the reactor do what it can."""
        for _ in range(times):
            self.reactor.iterate(0.001)

    def pair(self, make: Callable[[], Noting] = Noting, *, buffer: int = 0) -> tuple[Noting, socket.socket]:
        """
        Give a served connection's protocol, and a client's socket, its receive buffer `buffer` bytes if not 0.

        They have exchanged a byte: the first write of a connection goes another way than those after it.
        """
        factory = NotingFactory(make)
        port = self.reactor.listenTCP(0, factory, interface="127.0.0.1")
        client = socket.socket()
        self.addCleanup(client.close)
        if buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        client.connect(("127.0.0.1", port.getHost().port))
        client.setblocking(False)
        self.spin(lambda: factory.made and factory.made[0].connected)
        factory.made[0].wire.write(b".")
        self.assertEqual(self.read(client, 1), b".")
        return factory.made[0], client

    def read(self, client: socket.socket, count: int, piece: int = 2**16) -> bytes:
        """Read `count` bytes, or to the end of the stream, at most `piece` bytes at a time, while the reactor runs."""
        data = bytearray()

        def enough() -> bool:
            while len(data) < count:
                try:
                    chunk = client.recv(min(piece, count - len(data)))
                except BlockingIOError:
                    return False
                if not chunk:
                    break
                data.extend(chunk)
            return True

        self.spin(enough)
        return bytes(data)


def noise(seed: int, sizes: list[int]) -> list[bytes]:
    """Give as many random pieces as there are sizes."""
    return [random.Random(seed + number).randbytes(size) for number, size in enumerate(sizes)]  # noqa: S311
