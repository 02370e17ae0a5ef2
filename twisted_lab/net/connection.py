"""
A server's connection that can't hold the server: it reads no more than its peer, and closing it takes only so long.

Where Twisted leaves a hole, and what fills it here:

- A peer that writes and never reads makes a naive server buffer without end. The cure is to stop reading
  from it: `_Backpressure` is registered as the transport's producer and passes its pauses on.
- With a producer registered and paused, `loseConnection` never closes. `_Backpressure` unregisters itself
  when it is resumed on a closing transport, and `close` unregisters it first and aborts after a deadline.
- A close with bytes unread is a reset, which can overtake what was written. So our side is shut first.
"""

from typing import TYPE_CHECKING, Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall, IHalfCloseableProtocol, IPushProducer, ISSLTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure
from zope.interface import alsoProvides, implementer

from twisted_lab.net.linger import Linger
from twisted_lab.net.reason import show_reason
from twisted_lab.net.refusal import shut
from twisted_lab.net.transport import IStreamTransport
from twisted_lab.net.undelayed import send_at_once

if TYPE_CHECKING:
    from twisted_lab.net.bounded import BoundedFactory


@implementer(IHalfCloseableProtocol)
class BoundedConnection(Protocol):
    """
    A server's connection that its `BoundedFactory` keeps within bounds.

    A subclass adds what it reads and writes to `bytes_in` and `bytes_out`: progress is judged by them. Once
    `closing` is set it drops what it reads. It closes with `close`, which says why in the log. (A bare
    `transport.loseConnection()` closes TCP and UNIX connections as well; on TLS it waits for the producer, which
    is us, until the idle timeout.)
    """

    factory: "BoundedFactory"
    transport: IStreamTransport
    bytes_in = 0
    bytes_out = 0
    closing = False
    close_timeout = 0.0
    _lost = False
    _reason: str | None = None
    _deadline: IDelayedCall | None = None
    _linger: Linger | None = None
    _backpressure: "_Backpressure | None" = None

    def connectionMade(self) -> None:
        """Enter the factory's books, and read no more than the peer does."""
        super().connectionMade()  # type: ignore[no-untyped-call]
        send_at_once(self.transport)
        self.started = self.factory.clock.seconds()
        self.close_timeout = self.factory.close_timeout
        # On the instance, where each read finds them faster.
        self.bytes_in = self.bytes_out = 0
        self.closing = False
        self.factory.opened(self)
        self.register_backpressure()
        self._see_half_close(self.transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Leave the factory's books, with a line in the log."""
        self._lost = True
        self._backpressure = None
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        self.factory.closed(self, self._reason or _show_reason(reason))
        super().connectionLost(reason)

    def readConnectionLost(self) -> None:
        """
        Send what is left to send, then close: the peer shut its side only.

        It has as long as an idle connection has, for it may read late.
        """
        self._reason = self._reason or "closed by peer"
        self.unregister_backpressure()
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Wait, our side being shut, until the peer has taken all of it and is quiet; then close."""
        self._linger = Linger(self.factory.clock, self.transport, lambda: self.bytes_in)

    def close(self, reason: str, *, last_word: bool = False) -> None:
        """
        Send what is left to send, then close; abort after `close_timeout` seconds, as the factory has it.

        With `last_word` the peer gets what was sent last even if it is sending now. A close with bytes unread is
        a reset, which can overtake what was sent. So our side is shut first, and what comes is read, for the
        subclass to drop, until the peer closes, or has taken everything and is quiet.
        """
        self._reason = self._reason or reason
        self.closing = True
        if self._lost:  # who closes had something to finish meanwhile
            return
        self.unregister_backpressure()
        if last_word:
            self.transport.resumeProducing()  # else the peer's close wouldn't be seen
            shut(self.transport)
        else:
            self.transport.loseConnection()
        if self._deadline is None:
            self._deadline = self.factory.clock.callLater(self.close_timeout, self.transport.abortConnection)

    def abort(self, reason: str) -> None:
        """Close at once, whatever is left to send."""
        self._reason = self._reason or reason
        self.transport.abortConnection()

    def least_progress(self) -> int:
        """Give how many bytes an idle timeout must see more than, for the connection not to be idle."""
        return 0

    def drain(self) -> None:
        """
        Close as soon as what goes on is finished: the server is stopping.

        A protocol whose requests outlast a read overrides this, and calls `close` when the last one is done.
        """
        self.close("server stopping", last_word=True)

    def _see_half_close(self, wrapper: Any) -> None:
        """Have a wrapper that doesn't, as that of ``haproxy:``, pass on half-closes; TLS has none."""
        wraps = isinstance(wrapper, ProtocolWrapper) and not IHalfCloseableProtocol.providedBy(wrapper)
        if wraps and not ISSLTransport.providedBy(wrapper):
            wrapper.readConnectionLost = self.readConnectionLost
            wrapper.writeConnectionLost = self.writeConnectionLost
            alsoProvides(wrapper, IHalfCloseableProtocol)

    def pause_reading(self) -> None:
        """Read nothing from the peer, for it doesn't read what we write."""
        self.transport.pauseProducing()

    def resume_reading(self) -> None:
        """Read on."""
        self.transport.resumeProducing()

    def register_backpressure(self) -> None:
        """Stop reading from the peer while it doesn't read, from here on."""
        self._backpressure = _Backpressure(self)
        self.transport.registerProducer(self._backpressure, True)

    def unregister_backpressure(self) -> None:
        """Let the transport close: while a producer is registered it waits for that one to finish."""
        if self._backpressure is not None:
            self._backpressure = None
            self.transport.unregisterProducer()


@implementer(IPushProducer)
class _Backpressure:
    """What the transport takes for the producer of what is written: pausing it pauses reading."""

    def __init__(self, connection: BoundedConnection) -> None:
        self._connection = connection

    def pauseProducing(self) -> None:
        self._connection.pause_reading()

    def resumeProducing(self) -> None:
        # Someone called loseConnection while we were paused: the transport would now wait for ever.
        if self._connection.transport.disconnecting:
            self._connection.unregister_backpressure()
        else:
            self._connection.resume_reading()

    def stopProducing(self) -> None:
        """Do nothing: connectionLost follows."""


def _show_reason(reason: Failure) -> str:
    return "closed by peer" if reason.check(ConnectionDone) else show_reason(reason.value)
