"""Real sockets, for the tests of what doubles can't show: buffers, half-closes, resets."""

import socket
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from twisted_lab.net.bounded import BoundedFactory

DEADLINE = 60.0  # seconds
reactor: Any = _reactor
Result = TypeVar("Result")


class WireTestCase(TestCase):
    """Serve a factory on a free port of 127.0.0.1, and talk to it with blocking sockets in a thread."""

    timeout = DEADLINE

    async def serve(self, factory: BoundedFactory) -> int:
        """Give the port; the factory is shut down after the test."""
        port = await serverFromString(reactor, "tcp:0:interface=127.0.0.1").listen(factory)
        self.addCleanup(self.stop, factory, 0.0)
        self.addCleanup(port.stopListening)
        return int(port.getHost().port)

    def stop(self, factory: BoundedFactory, grace: float) -> "Deferred[None]":
        """Shut the factory down."""
        return Deferred.fromCoroutine(factory.shutdown(grace))

    async def as_client(self, port: int, talk: Callable[[socket.socket], Result]) -> Result:
        """Run `talk` with a connected socket, in a thread."""

        def run() -> Result:
            with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as client:
                return talk(client)

        result: Result = await deferToThread(run)
        return result


def read_all(client: socket.socket) -> bytes:
    """Read to the end of the stream."""
    pieces: list[bytes] = []
    while piece := client.recv(2**16):
        pieces.append(piece)
    return b"".join(pieces)


def send_until_stuck(client: socket.socket, chunk: bytes, most: int) -> int:
    """Send `chunk` again and again without reading, until no more goes out or `most` bytes have; give how many."""
    client.settimeout(0.5)
    sent = 0
    try:
        while sent < most:
            sent += client.send(chunk)
    except TimeoutError:
        pass
    client.settimeout(DEADLINE)
    return sent


def wait(happened: Callable[[], Any]) -> "Deferred[None]":
    """Fire once `happened()`; the test's timeout is the deadline."""
    done: Deferred[None] = Deferred()

    def look() -> None:
        if happened():
            done.callback(None)
        else:
            reactor.callLater(0.005, look)

    look()
    return done
