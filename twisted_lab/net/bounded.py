"""
A factory whose connections can't hold the server: bounded in number, and in idle time.

A timer a connection, reset at each read, costs more than an echo does. So one sweep a factory looks at the byte
counts, and at what the peer has taken: a connection where all of it stood still for `idle_timeout` is closed, at
most a quarter of that later. So is one that moves less than its protocol asks for.
"""

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from twisted_lab.net.address import show_address
from twisted_lab.net.connection import BoundedConnection
from twisted_lab.net.refusal import Refusal
from twisted_lab.net.taken import bytes_taken
from twisted_lab.net.tally import Tally

#: Fits, with `MAX_REFUSALS`, the usual limit of 1024 descriptors a process.
MAX_CONNECTIONS = 900
#: Seconds without a byte before a connection is closed; 0 for never.
IDLE_TIMEOUT = 300.0
#: Seconds that a connection we close may take to send what it still has.
CLOSE_TIMEOUT = 5.0
#: Seconds after which a stop no longer waits for connections it has aborted.
ABORT_TIMEOUT = 1.0
#: Surplus connections that are told so at one time; those beyond them are closed without a word.
MAX_REFUSALS = 32


class BoundedFactory(Factory[Protocol]):
    """
    Make connections of `protocol`, a `BoundedConnection`, and keep their number and idle time within bounds.

    A surplus connection is told so, where the protocol has words for it (`refusal`), and closed at once. It
    isn't left waiting in the backlog: there the kernel completes the handshake, so that the client believes
    itself connected and hangs without a word.

    `idle_timeout` and `close_timeout` are in seconds; an `idle_timeout` of 0 lets connections idle for ever. With a
    `tally`, `max_connections` bounds the connections of all processes that share it.
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
        tally: Tally | None = None,
    ) -> None:
        self.clock = clock
        self.max_connections = max_connections
        self.idle_timeout = idle_timeout
        self.close_timeout = close_timeout
        self.refusals: set[Refusal] = set()
        self._tally = tally
        self._connections: dict[BoundedConnection, tuple[int, float]] = {}
        self._stops: list[tuple[set[BoundedConnection], Deferred[None]]] = []
        self._sweeper = LoopingCall(self._sweep)
        self._sweeper.clock = clock

    def refusal(self) -> bytes:
        """Give what a surplus connection is told before it is closed."""
        return b""

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """Make a connection; one that only says why it is refused, if there are too many; or none at all."""
        elsewhere = 0 if self._tally is None else self._tally.elsewhere()
        if len(self._connections) + elsewhere < self.max_connections:
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
        self._count()
        if self.idle_timeout and not self._sweeper.running:
            self._sweeper.start(self.idle_timeout / 4, now=False)

    def closed(self, connection: BoundedConnection, reason: str) -> None:
        """Take a connection out of the books, and log what it was."""
        self._connections.pop(connection, None)
        self._count()
        self.log.info(
            "{name}: {peer} {bytes_in} B in, {bytes_out} B out, {duration:.3f} s, {reason}",
            name=self.name,
            peer=show_address(connection.transport.getPeer()),
            bytes_in=connection.bytes_in,
            bytes_out=connection.bytes_out,
            duration=self.clock.seconds() - connection.started,
            reason=reason,
        )
        if not self._connections and self._sweeper.running:
            self._sweeper.stop()
        for leaving, gone in [*self._stops]:
            leaving.discard(connection)
            if not leaving and not gone.called:
                gone.callback(None)

    def _count(self) -> None:
        if self._tally is not None:
            self._tally.set(len(self._connections))

    async def shutdown(self, grace: float) -> None:
        """
        Let each connection that there is finish what goes on, for `grace` seconds; then abort it.

        Returns once all of them are closed. Those made meanwhile, by a factory that serves again, are let be.
        """
        for refusal in [*self.refusals]:
            refusal.transport.abortConnection()
        if not self._connections:
            return
        leaving, gone = {*self._connections}, Deferred[None]()
        self._stops.append((leaving, gone))
        calls = [
            self.clock.callLater(grace, self._cut_off, leaving),
            # What is aborted is lost in the reactor's next turn; a connection that isn't told so mustn't hold the stop.
            self.clock.callLater(grace + ABORT_TIMEOUT, gone.callback, None),
        ]
        try:
            for connection in [*leaving]:
                connection.close_timeout = grace  # a close is part of what goes on
                try:
                    connection.drain()
                except Exception:  # noqa: BLE001  # a subclass's fault, which mustn't keep the others from stopping
                    self.log.failure("{name}: a connection couldn't be drained", name=self.name)
            await gone
        finally:
            self._stops.remove((leaving, gone))
            for call in calls:
                if call.active():
                    call.cancel()

    def _cut_off(self, leaving: set[BoundedConnection]) -> None:
        for connection in [*leaving]:
            connection.abort("server stopping, cut off")

    def _sweep(self) -> None:
        now = self.clock.seconds()
        for connection, (count, since) in [*self._connections.items()]:
            total = connection.bytes_in + connection.bytes_out + bytes_taken(connection.transport)
            if total - count > connection.least_progress():
                self._connections[connection] = (total, now)
            elif now - since >= self.idle_timeout:
                if connection.transport.disconnecting:
                    connection.transport.abortConnection()
                else:
                    connection.close(f"idle for {self.idle_timeout:g} s")
