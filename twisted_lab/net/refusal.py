"""How a connection that isn't wanted learns why, and still goes away."""

from twisted.internet.interfaces import IHalfCloseableProtocol, IReactorTime, ISSLTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_lab.net.transport import IStreamTransport

#: Seconds that a surplus connection gets to read what it is told.
REFUSAL_TIMEOUT = 1.0


def shut(transport: IStreamTransport) -> None:
    """
    Send what is left to send, and say that it was the last.

    Closing a socket with unread bytes makes the kernel send a reset, which can overtake what was written. So
    only our side is shut, and the reader goes on. (Twisted can't half-close TLS; there it is a close.)
    """
    if ISSLTransport.providedBy(transport):
        transport.loseConnection()
    else:
        transport.loseWriteConnection()


@implementer(IHalfCloseableProtocol)
class Refusal(Protocol):
    """A surplus connection: told `why`, then closed, when the peer closes or a moment later."""

    transport: IStreamTransport

    def __init__(self, clock: IReactorTime, open_refusals: "set[Refusal]", why: bytes) -> None:
        self._clock = clock
        self._open = open_refusals
        self._why = why

    def connectionMade(self) -> None:
        """Say why."""
        self._open.add(self)
        self._deadline = self._clock.callLater(REFUSAL_TIMEOUT, self.transport.abortConnection)
        self.transport.write(self._why)
        shut(self.transport)

    def readConnectionLost(self) -> None:
        """Close: the peer has."""
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Do nothing: what the peer sends is read and dropped until it closes."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Free the place for the next one."""
        self._open.discard(self)
        if self._deadline.active():
            self._deadline.cancel()
