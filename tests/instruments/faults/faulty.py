"""A client and a server with faults between them, in memory; and what a test asks of them."""

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from twisted_lab.testing import FaultyConnection, join_through
from twisted_lab.wire.codec import Codec


@implementer(IHalfCloseableProtocol)
class End(Protocol):
    """One end: notes what it receives, when, and how it ends."""

    wire: Any

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.chunks: list[bytes] = []
        self.times: list[float] = []
        self.happened: list[str] = []

    @property
    def data(self) -> bytes:
        """All that was received."""
        return b"".join(self.chunks)

    def connectionMade(self) -> None:
        """Keep the transport as an Any."""
        self.wire = self.transport

    def dataReceived(self, data: bytes) -> None:
        """Note it, and when."""
        self.chunks.append(data)
        self.times.append(round(self._clock.seconds(), 6))

    def readConnectionLost(self) -> None:
        """Note it."""
        self.happened.append("end")

    def writeConnectionLost(self) -> None:
        """Do nothing."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note why."""
        assert reason.type is not None
        self.happened.append(reason.type.__name__)


class FaultTestCase(SynchronousTestCase):
    """A test with a client and a server that faults stand between."""

    clock: Clock
    client: End
    server: End
    connection: FaultyConnection

    def join(
        self,
        *faults: str,
        seed: int = 1,
        codec: Callable[[], Codec[Any, Any]] | None = None,
        cuts: Iterable[int] = (),
        room: int = 2**16,
    ) -> None:
        """Connect them anew."""
        self.clock = Clock()
        self.client, self.server = End(self.clock), End(self.clock)
        self.connection = join_through(
            self.clock, self.client, self.server, *faults, seed=seed, codec=codec, cuts=cuts, room=room
        )
        self.clock.advance(0)

    def send(self, *pieces: bytes) -> None:
        """Have the server send pieces, each by itself."""
        for piece in pieces:
            self.server.wire.write(piece)
            self.clock.advance(0)

    def pass_time(self, seconds: float, step: float = 0.001) -> None:
        """Let time go by in small steps."""
        self.clock.pump([step] * round(seconds / step))

    def struck(self) -> list[str]:
        """Give what the faults did."""
        return [text for _, _, _, text in self.connection.journal]
