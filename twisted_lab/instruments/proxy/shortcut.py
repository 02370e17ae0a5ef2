"""
Bytes from one TCP socket to another, past the transports' buffers, while nobody looks at them.

It takes the place of a transport's `doRead`, so that any reactor runs it. Few bytes are received and sent on in the
same call. Once a read has filled its buffer the kernel moves them by splice(2) through a pipe, and they never enter
this process. What the destination doesn't take waits, at most `MOST` bytes, and the source isn't read meanwhile.
"""

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.interfaces import ISSLTransport
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.python.failure import Failure

from twisted_lab.net.mover import is_plain

#: Bytes that are received at one time; a read that has as many is followed by a splice.
SIZE = 2**16
#: Bytes that are spliced at one time, if the system lets a pipe hold so many.
MOST = 2**20
#: Below so many in a splice, receiving them is cheaper.
FEW = 2**14
#: Pipes that are kept for the next who needs one.
SPARE = 8
_FLAGS = getattr(os, "SPLICE_F_MOVE", 0) | getattr(os, "SPLICE_F_NONBLOCK", 0)

_spare: list[tuple[int, int]] = []


def can_shorten(source: Any, destination: Any) -> bool:
    """Tell whether both are plain TCP, and nothing that was written to the destination waits in its transport."""
    return (
        is_plain(source)
        and is_plain(destination)
        and not ISSLTransport.providedBy(source)
        and "doRead" not in vars(source)
        and not (destination.dataBuffer or destination._tempDataBuffer or getattr(destination, "held", None))  # noqa: SLF001
        and not destination.disconnecting
    )


class Shortcut:
    """Moves what `source` reads to `destination`; `moved` is told how many bytes each time."""

    def __init__(self, source: Any, destination: Any, moved: Callable[[int], object]) -> None:
        self._source = source  # a tcp.Connection, each
        self._destination = destination
        self._moved = moved
        self._left = b""
        self._pipe: tuple[int, int] | None = None
        self._in_pipe = 0
        self._receive = source.socket.recv
        self._send = destination.socket.send
        self._source.doRead = self.read

    def read(self) -> BaseException | None:
        """Move what has come; in the place of the source's `doRead`."""
        try:
            data = self._receive(SIZE)
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        if not data:
            return CONNECTION_DONE
        self.send(data)
        if len(data) == SIZE and not self._left and hasattr(os, "splice"):
            self._source.doRead = self._splice
        return None

    def send(self, data: bytes) -> None:
        """Send bytes on, when nothing waits."""
        try:
            sent = self._send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._destination.connectionLost(Failure(CONNECTION_LOST))
            return
        self._moved(len(data))
        if sent < len(data):
            self._left = data[sent:]
            self._wait()

    def undo(self) -> None:
        """Let the transports do it again; what waits here is written to the destination."""
        waits = self._waits
        if waits:
            self._forget_waiting()
            data = self._left
            while self._pipe is not None and self._in_pipe:
                data += (more := os.read(self._pipe[0], self._in_pipe))
                self._in_pipe -= len(more)
            self._left = b""
            self._source.resumeProducing()
            self._destination.write(data)
        self.drop()

    def drop(self) -> None:
        """Have nothing more to do with the transports: one of them is gone, or the source has ended."""
        for transport, name in ((self._source, "doRead"), (self._destination, "doWrite")):
            if getattr(vars(transport).get(name), "__self__", None) is self:
                delattr(transport, name)
        self._give_pipe_back()

    @property
    def _waits(self) -> bool:
        return bool(self._left or self._in_pipe)

    def _splice(self) -> BaseException | None:
        pipe = self._pipe = self._pipe or _take_pipe()
        if pipe is None:
            self._source.doRead = self.read
            return self.read()
        try:
            count = os.splice(self._source.fileno(), pipe[1], MOST, flags=_FLAGS)
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        if not count:
            return CONNECTION_DONE
        self._in_pipe = count
        self._moved(count)
        why = self._empty_pipe()
        if why is not None:
            self._destination.connectionLost(Failure(why))
        elif self._in_pipe:
            self._wait()
        elif count < FEW:
            self._give_pipe_back()
            self._source.doRead = self.read
        return None

    def _empty_pipe(self) -> BaseException | None:
        """Move what is in the pipe to the destination, as far as it takes it."""
        while self._in_pipe and self._pipe is not None:
            try:
                self._in_pipe -= os.splice(self._pipe[0], self._destination.fileno(), self._in_pipe, flags=_FLAGS)
            except BlockingIOError:
                return None
            except OSError:
                return CONNECTION_LOST
        return None

    def _wait(self) -> None:
        """Read nothing until the destination has taken what waits."""
        self._source.pauseProducing()
        self._destination.doWrite = self._flush
        self._destination.startWriting()

    def _flush(self) -> BaseException | None:
        """Send what waits; in the place of the destination's `doWrite`."""
        if self._left:
            try:
                self._left = self._left[self._send(self._left) :]
            except BlockingIOError:
                return None
            except OSError:
                return CONNECTION_LOST
        if not self._left and (why := self._empty_pipe()) is not None:
            return why
        if not self._waits:
            self._forget_waiting()
            self._source.resumeProducing()
        return None

    def _forget_waiting(self) -> None:
        del self._destination.doWrite
        self._destination.stopWriting()

    def _give_pipe_back(self) -> None:
        pipe, self._pipe = self._pipe, None
        if pipe is None:
            return
        if not self._in_pipe and len(_spare) < SPARE:
            _spare.append(pipe)
        else:
            for end in pipe:
                os.close(end)
        self._in_pipe = 0


def _take_pipe() -> tuple[int, int] | None:
    """Give a pipe; None if there are no descriptors left."""
    if _spare:
        return _spare.pop()
    try:
        pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with suppress(OSError):  # beyond what this user's pipes may hold
        fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, MOST)
    return pipe
