"""
Connections that can't hold a server: bounded in number, in idle time, and in the time that closing takes.

Where Twisted leaves a hole, and what fills it here:

- A peer that writes and never reads makes a naive server buffer without end. The cure is to stop reading
  from it: `_Backpressure` is registered as the transport's producer and passes its pauses on.
- With a producer registered and paused, `loseConnection` never closes. `_Backpressure` unregisters itself
  when it is resumed on a closing transport, and `close` unregisters it first and aborts after a deadline.
- A timer a connection, reset at each read, costs more than an echo does. One sweep a factory looks at the
  byte counts instead, and at what the peer has taken: a connection where all of it stood still for
  `idle_timeout` is closed, at most a quarter of that later.
"""

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHalfCloseableProtocol,
    IPushProducer,
    IReactorTime,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_lab.net.address import show_address
from twisted_lab.net.reason import show_reason
from twisted_lab.net.refusal import Refusal, shut
from twisted_lab.net.taken import bytes_taken, bytes_waiting
from twisted_lab.net.transport import IStreamTransport

#: Fits, with `MAX_REFUSALS`, the usual limit of 1024 descriptors a process.
MAX_CONNECTIONS = 900
#: Seconds without a byte before a connection is closed; 0 for never.
IDLE_TIMEOUT = 300.0
#: Seconds that a connection we close may take to send what it still has.
CLOSE_TIMEOUT = 5.0
#: Seconds without a byte after which a peer that has our last word is taken to have nothing more to say.
QUIET = 0.1
#: Seconds after which a stop no longer waits for connections it has aborted.
ABORT_TIMEOUT = 1.0
#: Surplus connections that are told so at one time; those beyond them are closed without a word.
MAX_REFUSALS = 32


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
    _reason: str | None = None
    _deadline: IDelayedCall | None = None
    _linger: IDelayedCall | None = None
    _backpressure: "_Backpressure | None" = None

    def connectionMade(self) -> None:
        """Enter the factory's books, and read no more than the peer does."""
        super().connectionMade()  # type: ignore[no-untyped-call]
        self.started = self.factory.clock.seconds()
        self.factory.opened(self)
        self.register_backpressure()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Leave the factory's books, with a line in the log."""
        self._backpressure = None
        for call in (self._deadline, self._linger):
            if call is not None and call.active():
                call.cancel()
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
        self._linger = self.factory.clock.callLater(QUIET, self._close_if_quiet, self.bytes_in)

    def _close_if_quiet(self, bytes_in: int) -> None:
        if bytes_in == self.bytes_in and not bytes_waiting(self.transport):
            self.transport.loseConnection()
        else:
            self.writeConnectionLost()

    def close(self, reason: str, *, last_word: bool = False) -> None:
        """
        Send what is left to send, then close; abort after the factory's `close_timeout`, in seconds.

        With `last_word` the peer gets what was sent last even if it is sending now. A close with bytes unread is
        a reset, which can overtake what was sent. So our side is shut first, and what comes is read, for the
        subclass to drop, until the peer closes, or has taken everything and is quiet.
        """
        self._reason = self._reason or reason
        self.closing = True
        self.unregister_backpressure()
        if last_word:
            self.transport.resumeProducing()  # else the peer's close wouldn't be seen
            shut(self.transport)
        else:
            self.transport.loseConnection()
        if self._deadline is None:
            self._deadline = self.factory.clock.callLater(self.factory.close_timeout, self.transport.abortConnection)

    def abort(self, reason: str) -> None:
        """Close at once, whatever is left to send."""
        self._reason = self._reason or reason
        self.transport.abortConnection()

    def drain(self) -> None:
        """
        Close as soon as what goes on is finished: the server is stopping.

        A protocol whose requests outlast a read overrides this, and calls `close` when the last one is done.
        """
        self.close("server stopping", last_word=True)

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


class BoundedFactory(Factory[Protocol]):
    """
    Make connections of `protocol`, a `BoundedConnection`, and keep their number and idle time within bounds.

    A surplus connection is told so, where the protocol has words for it (`refusal`), and closed at once. It
    isn't left waiting in the backlog: there the kernel completes the handshake, so that the client believes
    itself connected and hangs without a word.

    `idle_timeout` and `close_timeout` are in seconds; an `idle_timeout` of 0 lets connections idle for ever.
    """

    noisy = False
    log = Logger()
    name = "connection"

    def __init__(
        self,
        clock: IReactorTime,
        *,
        max_connections: int = MAX_CONNECTIONS,
        idle_timeout: float = IDLE_TIMEOUT,
        close_timeout: float = CLOSE_TIMEOUT,
    ) -> None:
        self.clock = clock
        self.max_connections = max_connections
        self.idle_timeout = idle_timeout
        self.close_timeout = close_timeout
        self.refusals: set[Refusal] = set()
        self._connections: dict[BoundedConnection, tuple[int, float]] = {}
        self._emptied: list[Deferred[None]] = []
        self._sweeper = LoopingCall(self._sweep)
        self._sweeper.clock = clock

    def refusal(self) -> bytes:
        """Give what a surplus connection is told before it is closed."""
        return b""

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """Make a connection; one that only says why it is refused, if there are too many; or none at all."""
        if len(self._connections) < self.max_connections:
            return super().buildProtocol(addr)
        self.log.warn(
            "{name}: {peer} refused: at most {limit} connections at one time",
            name=self.name,
            peer=show_address(addr),
            limit=self.max_connections,
        )
        return Refusal(self.clock, self.refusals, self.refusal()) if len(self.refusals) < MAX_REFUSALS else None

    def opened(self, connection: BoundedConnection) -> None:
        """Put a connection in the books."""
        self._connections[connection] = (0, self.clock.seconds())
        if self.idle_timeout and not self._sweeper.running:
            self._sweeper.start(self.idle_timeout / 4, now=False)

    def closed(self, connection: BoundedConnection, reason: str) -> None:
        """Take a connection out of the books, and log what it was."""
        self._connections.pop(connection, None)
        self.log.info(
            "{name}: {peer} {bytes_in} B in, {bytes_out} B out, {duration:.3f} s, {reason}",
            name=self.name,
            peer=show_address(connection.transport.getPeer()),
            bytes_in=connection.bytes_in,
            bytes_out=connection.bytes_out,
            duration=self.clock.seconds() - connection.started,
            reason=reason,
        )
        if not self._connections:
            if self._sweeper.running:
                self._sweeper.stop()
            self._empty()

    async def shutdown(self, grace: float) -> None:
        """Let each connection finish what goes on, for `grace` seconds; then abort. Returns once all are closed."""
        for refusal in [*self.refusals]:
            refusal.transport.abortConnection()
        if not self._connections:
            return
        emptied: Deferred[None] = Deferred()
        self._emptied.append(emptied)
        calls = [
            self.clock.callLater(grace, self._abort_all),
            # What is aborted is lost in the reactor's next turn; a connection that isn't told so mustn't hold the stop.
            self.clock.callLater(grace + ABORT_TIMEOUT, self._empty),
        ]
        usual, self.close_timeout = self.close_timeout, grace  # a close is part of what goes on
        try:
            for connection in [*self._connections]:
                try:
                    connection.drain()
                except Exception:  # noqa: BLE001  # a subclass's fault, which mustn't keep the others from stopping
                    self.log.failure("{name}: a connection couldn't be drained", name=self.name)
            await emptied
        finally:
            self.close_timeout = usual
            for call in calls:
                if call.active():
                    call.cancel()

    def _abort_all(self) -> None:
        for connection in [*self._connections]:
            connection.abort("server stopping, cut off")

    def _empty(self) -> None:
        emptied, self._emptied = self._emptied, []
        for waiter in emptied:
            waiter.callback(None)

    def _sweep(self) -> None:
        now = self.clock.seconds()
        for connection, (count, since) in [*self._connections.items()]:
            total = connection.bytes_in + connection.bytes_out + bytes_taken(connection.transport)
            if total != count:
                self._connections[connection] = (total, now)
            elif now - since >= self.idle_timeout:
                if connection.transport.disconnecting:
                    connection.transport.abortConnection()
                else:
                    connection.close(f"idle for {self.idle_timeout:g} s")


def _show_reason(reason: Failure) -> str:
    return "closed by peer" if reason.check(ConnectionDone) else show_reason(reason.value)
