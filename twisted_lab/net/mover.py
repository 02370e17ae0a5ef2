"""
Who waits while content goes between a file and a socket: threads move what can be moved, the reactor waits.

A thread works on a descriptor of its own, so that a connection that is closed meanwhile can't leave it one that means
something else by then.
"""

import os
from collections.abc import Awaitable, Callable
from socket import socket
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.error import TimeoutError as NothingMoved
from twisted.internet.interfaces import IReadWriteDescriptor
from twisted.internet.task import deferLater
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_lab.net.detached import Detached, Worker
from twisted_lab.net.flow import Flow, Outflow
from twisted_lab.net.layer import Layer, LentLayer, Pause, SocketError

#: Bytes moved in one go of a thread, the first one's and the most: each may be twice the one before, unless it is held
#: back.
LEAST = 2**18
MOST = 2**26
#: Seconds that a pace takes which holds back.
HELD = 0.001
#: Seconds between two looks whether what was written before is sent.
_LOOK = 0.01

Moved = Callable[[int], object]
Pace = Callable[[int], Awaitable[object]]


def is_plain(transport: Any) -> bool:
    """Tell whether the bytes of a transport are those of its socket: TCP or UNIX, and nothing in between."""
    return isinstance(transport, Connection) and not transport.TLS and isinstance(transport.getHandle(), socket)


def can_move(transport: Any) -> bool:
    """Tell whether a `Mover` can do with a transport: it is plain, or TLS of ours, and its handshake is over."""
    return _find_way(transport) is not None


def _find_way(transport: Any) -> tuple[Any, Layer] | None:
    """Give the transport whose bytes are its socket's, and what stands before it."""
    if is_plain(transport):
        return transport, Layer()
    below = getattr(transport, "transport", None)
    if is_plain(below) and isinstance(layer := transport.getHandle(), LentLayer) and layer.can_be_lent:
        return below, layer
    return None


class Mover:
    """
    Moves a `Flow` over a transport that `can_move`, and that reads nothing, or writes nothing, meanwhile.

    `worker` does what blocks; the file is closed by its `end`, or after it. `timeout` is how many seconds the peer may
    give or take nothing, None for ever. `waits` is whether it is the peer that is waited for.
    """

    def __init__(self, transport: Any, worker: Worker, timeout: float | None = None) -> None:
        self.waits = False
        self.stopped = False
        way = _find_way(transport)
        if way is None:
            raise ValueError("content can't move over this transport")
        self._socket, self._layer = way
        self._reactor = self._socket.reactor
        self._transport = transport
        self._worker = worker
        self._timeout = timeout
        self._flow: Flow | None = None
        self._ready: _Ready | None = None

    async def move(self, flow: Flow, moved: Moved, pace: Pace | None = None) -> Pause:
        """
        Move all of it; or less: after a `stop`, or if the peer shut its side, and then give `Pause.ENDED`.

        `moved` is told how many bytes each go has moved; then `pace` is waited for, with the same number. Raises
        `ConnectionLost` if the connection fails, of which its protocol is told too; Twisted's `TimeoutError`; and what
        the file raises.
        """
        if self.stopped:  # while the content was got ready: there is no socket any more
            flow.stop()
            return Pause.TURN
        self._flow = flow
        flow.layer = self._layer
        connection = os.dup(self._socket.fileno())
        if isinstance(self._layer, LentLayer):
            self._layer.lend(sends=isinstance(flow, Outflow))
        try:
            return await self._move(connection, flow, moved, pace)
        finally:
            flow.stop()
            await Detached(self._end(connection)).result()

    def stop(self) -> None:
        """Move nothing more: the connection is lost, or isn't wanted."""
        self.stopped = True
        if self._flow is not None:
            self._flow.stop()
        if self._ready is not None:
            self._ready.fire()

    async def sent(self) -> None:
        """Return once the transport has sent what was written to it, or after a `stop`."""
        # In its next turn a reactor sends what can be sent, even one that has no writer for that.
        await deferLater(self._reactor, 0)
        waited = 0.0
        if self._socket is not self._transport:
            await deferLater(self._reactor, 0)  # Twisted's TLS keeps what is written for so long
        while not self.stopped and self._socket in self._reactor.getWriters():
            if self._timeout is not None and waited > self._timeout:
                raise NothingMoved
            self.waits = True
            await deferLater(self._reactor, _LOOK)
            waited += _LOOK
        self.waits = False

    async def _end(self, connection: int) -> None:
        """Once the thread is done, let the transport have what is left to be sent, and see what came."""
        await self._worker.end(lambda: os.close(connection))
        if isinstance(self._layer, LentLayer):
            left = self._layer.take_back()
            if self._transport.connected:
                self._socket.write(left)
                self._transport.dataReceived(b"")

    async def _move(self, connection: int, flow: Flow, moved: Moved, pace: Pace | None) -> Pause:
        pause, most = Pause.TURN, LEAST if pace else MOST
        while flow.done < flow.length and not self.stopped:
            before = flow.done
            try:
                pause = await self._worker.do(flow.move, connection, most)
            except SocketError as error:
                raise self._lost(error) from error
            finally:
                if flow.done > before:
                    moved(flow.done - before)
            if pause is Pause.ENDED:
                break
            if pause is Pause.BLOCKED and flow.done < flow.length and not self.stopped:
                await self._wait(_Ready(self._reactor, connection, writes=isinstance(flow, Outflow)))
            if flow.done > before and pace is not None:
                most = await self._keep_pace(pace, flow.done - before, most)
        return pause

    async def _keep_pace(self, pace: Pace, count: int, most: int) -> int:
        """Wait for `pace`, and give how much may be moved before the next time."""
        begin = self._reactor.seconds()
        await pace(count)
        return LEAST if self._reactor.seconds() > begin + HELD else min(2 * most, MOST)

    async def _wait(self, ready: "_Ready") -> None:
        self._ready = ready
        deadline = None if self._timeout is None else self._reactor.callLater(self._timeout, ready.fire, NothingMoved())
        self.waits = True
        try:
            await ready.happens
        finally:
            self.waits = False
            self._ready = None
            ready.forget()
            if deadline is not None and deadline.active():
                deadline.cancel()

    def _lost(self, error: SocketError) -> ConnectionLost:
        """Tell the transport, which hasn't noticed; give what is raised."""
        lost = ConnectionLost(str(error))
        if not self.stopped:
            self._socket.connectionLost(Failure(lost))
        return lost


@implementer(IReadWriteDescriptor)
class _Ready:
    """Waits until a descriptor can be read from, or written to; `happens` fires then, or when it has failed."""

    def __init__(self, reactor: Any, descriptor: int, *, writes: bool) -> None:
        self.happens: Deferred[None] = Deferred()
        self._descriptor = descriptor
        self._forget = reactor.removeWriter if writes else reactor.removeReader
        (reactor.addWriter if writes else reactor.addReader)(self)

    def fileno(self) -> int:
        """Give the descriptor, which the reactor waits for."""
        return self._descriptor

    def logPrefix(self) -> str:
        """Give a name for the log."""
        return "content"

    def doRead(self) -> None:
        """Take notice."""
        self.fire()

    def doWrite(self) -> None:
        """Take notice."""
        self.fire()

    def connectionLost(self, reason: Failure) -> None:
        """Take notice: who tries will find out."""
        self.fire()

    def fire(self, error: Exception | None = None) -> None:
        """Let go who waits."""
        self.forget()
        if not self.happens.called:
            if error is None:
                self.happens.callback(None)
            else:
                self.happens.errback(error)

    def forget(self) -> None:
        """Wait no more; a second time does nothing."""
        self._forget(self)
