"""
A file's content to a connection, and a connection's to a file, past Python: `send_file` and `receive_file`.

On a plain TCP or UNIX socket threads move the bytes between socket and file (see `flow`), and never wait for a slow
peer; that is the reactor's, which never waits for a disk (see `mover`). They do too where `twisted_lab.net.tls` stands
in between. Where anything else does, or where there is no socket, content goes by large reads and writes instead.
"""

from collections import deque
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_lab.net.detached import RunInThread, Worker
from twisted_lab.net.flow import Inflow, Outflow
from twisted_lab.net.layer import Pause
from twisted_lab.net.mover import Moved, Mover, Pace, can_move
from twisted_lab.net.room import Room
from twisted_lab.net.writer import Observer

#: Seconds in which the peer gives or takes nothing, after which a transfer is given up.
TIMEOUT = 60.0
#: Bytes read at one time where content can't go by itself; and bytes that may wait to be written to a file.
PIECE = 2**18
WAITING = 2**20


def send_file(  # noqa: PLR0913  # what is sent where; the rest by name
    reactor: Any,
    transport: Any,
    descriptor: int,
    offset: int,
    length: int,
    *,
    in_thread: RunInThread,
    moved: Moved | None = None,
    pace: Pace | None = None,
    observe: Observer | None = None,
    timeout: float | None = TIMEOUT,
) -> "Deferred[None]":
    """
    Send `length` bytes of a file, from `offset` on, after all that was written to the transport before.

    Until the Deferred fires, the transport has no other producer, and nothing is written to it. `descriptor` is open
    for reading, and is closed by the caller, afterwards. `in_thread(function, *arguments)` gives a Deferred of what a
    function gives in a thread. `moved(count)` is called as bytes go; `pace(count)`, which gives an awaitable, is waited
    for after each go; `observe(piece)` is called with all of them, in a thread.

    Fails with `EOFError` if the file is shorter, `OSError` if it can't be read, `ConnectionDone` or `ConnectionLost` if
    the connection ends, Twisted's `TimeoutError` if the peer takes nothing for `timeout` seconds. When it has failed or
    was cancelled, some of the content is sent, and the connection is only good to be aborted.
    """
    sending = _Sending(reactor, transport, Worker(in_thread), timeout)
    return Deferred.fromCoroutine(sending.run(Outflow(descriptor, offset, length, observe), moved or _ignore, pace))


@implementer(IPushProducer)
class _Sending:
    """One `send_file`; the transport takes it for its producer."""

    def __init__(self, reactor: Any, transport: Any, worker: Worker, timeout: float | None) -> None:
        self._transport = transport
        self._worker = worker
        self._mover = Mover(transport, worker, timeout) if can_move(transport) else None
        self._room = Room(reactor, timeout)
        self._lost = False

    async def run(self, flow: Outflow, moved: Moved, pace: Pace | None) -> None:
        """Send all of it."""
        self._transport.registerProducer(self, True)
        try:
            if self._mover is not None:
                await self._mover.sent()
                await self._mover.move(flow, moved, pace)
            else:
                await self._write(flow, moved, pace)
            if self._lost:
                raise ConnectionDone
        finally:
            flow.stop()
            if not self._lost:
                self._transport.unregisterProducer()

    def pauseProducing(self) -> None:
        """Write no more."""
        self._room.close()

    def resumeProducing(self) -> None:
        """Write on."""
        self._room.open()

    def stopProducing(self) -> None:
        """Give up: the connection is lost."""
        self._lost = True
        if self._mover is not None:
            self._mover.stop()
        self._room.open()

    async def _write(self, flow: Outflow, moved: Moved, pace: Pace | None) -> None:
        while flow.done < flow.length and not self._lost:
            piece = await self._worker.do(flow.read, PIECE)
            if self._lost:
                return
            self._transport.write(piece)
            await self._room.wait()
            moved(len(piece))
            if pace is not None:
                await pace(len(piece))


def receive_file(  # noqa: PLR0913  # what comes where; the rest by name
    reactor: Any,
    transport: Any,
    descriptor: int,
    offset: int,
    length: int,
    *,
    in_thread: RunInThread,
    moved: Moved | None = None,
    pace: Pace | None = None,
    observe: Observer | None = None,
    timeout: float | None = TIMEOUT,
) -> "FileReceiver":
    """
    Take the next `length` bytes of a connection into a file, from `offset` on; see `FileReceiver` for how.

    The arguments are those of `send_file`; `descriptor` is open for writing.
    """
    worker = Worker(in_thread)
    mover = Mover(transport, worker, timeout) if can_move(transport) else None
    flow = Inflow(descriptor, offset, length, observe)
    return FileReceiver(reactor, transport, mover, worker, flow, Room(reactor, timeout), moved or _ignore, pace)


class FileReceiver:
    """
    What a protocol gives its bytes to until a file is there.

    The protocol hands on each `dataReceived`, and takes what it gives back, which follows the file; and
    `connectionLost`. `done` fires when all bytes are in the file. It fails as `send_file` does; if the peer ends the
    stream before that, with the reason of `connectionLost`.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # made by `receive_file` only
        self,
        reactor: Any,
        transport: Any,
        mover: Mover | None,
        worker: Worker,
        flow: Inflow,
        room: Room,
        moved: Moved,
        pace: Pace | None,
    ) -> None:
        self._reactor = reactor
        self._transport = transport
        self._mover = mover
        self._worker = worker
        self._flow = flow
        self._comes = room
        self._moved = moved
        self._pace = pace
        self._pieces: deque[bytes] = deque()
        self._waiting = 0
        self._missing = flow.length
        self._paused = False
        self._reason: Failure | None = None
        self.done: Deferred[None] = Deferred.fromCoroutine(self._run())

    def dataReceived(self, data: bytes) -> bytes:
        """Take what belongs to the file; give what follows it."""
        piece, rest = data[: self._missing], data[self._missing :]
        if piece:
            self._missing -= len(piece)
            self._waiting += len(piece)
            self._pieces.append(piece)
            self._hold(self._waiting > WAITING or (self._mover is not None and self._missing > 0))
            self._comes.open()
        return rest

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Give up, unless all is there."""
        self._reason = reason
        if self._mover is not None:
            self._mover.stop()
        self._comes.open()

    async def _run(self) -> None:
        flow = self._flow
        try:
            # Who called may still have some of the content, from the same read.
            await deferLater(self._reactor, 0)
            while flow.done < flow.length:
                await self._take_pieces()
                if self._reason is not None and flow.done < flow.length:
                    self._reason.raiseException()
                if flow.done < flow.length:
                    await self._take_more()
        except BaseException:
            flow.stop()
            raise
        self._hold(paused=False)

    async def _take_pieces(self) -> None:
        while self._pieces:
            piece = self._pieces.popleft()
            await self._worker.do(self._flow.write, piece)
            self._waiting -= len(piece)
            self._moved(len(piece))
            if self._pace is not None:
                await self._pace(len(piece))

    async def _take_more(self) -> None:
        """Move the rest by itself, if the transport can and stands still; else wait for more."""
        if self._mover is not None and self._missing:
            self._hold(paused=True)
            self._missing = 0
            pause = await self._mover.move(self._flow, self._moved, self._pace)
            if pause is Pause.ENDED:  # the transport reads its end, and tells its protocol, who tells us
                self._comes.close()
                self._hold(paused=False)
                await self._comes.wait()
        else:
            self._comes.close()
            self._hold(paused=False)
            await self._comes.wait()

    def _hold(self, paused: bool) -> None:  # noqa: FBT001  # private
        if paused != self._paused and self._reason is None:
            self._paused = paused
            (self._transport.pauseProducing if paused else self._transport.resumeProducing)()


def _ignore(_: int) -> None:
    """Do nothing."""
