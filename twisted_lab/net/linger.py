"""The last of a connection whose own side is shut: it is closed once its peer has our last word, and is quiet."""

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from twisted_lab.net.taken import bytes_waiting
from twisted_lab.net.transport import IStreamTransport

#: Seconds without a byte after which a peer that has our last word is taken to have nothing more to say.
QUIET = 0.1


class Linger:
    """Closes `transport` when the peer has taken all of what was sent, and `count()` of what it sends stands still."""

    def __init__(self, clock: IReactorTime, transport: IStreamTransport, count: Callable[[], int]) -> None:
        self._clock = clock
        self._transport = transport
        self._count = count
        self._look_later()

    def cancel(self) -> None:
        """Leave it as it is: the connection is lost."""
        if self._call.active():
            self._call.cancel()

    def _look_later(self) -> None:
        self._call = self._clock.callLater(QUIET, self._look, self._count())

    def _look(self, before: int) -> None:
        if before == self._count() and not bytes_waiting(self._transport):
            self._transport.loseConnection()
        else:
            self._look_later()
