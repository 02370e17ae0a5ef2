"""
Two sockets that are connected to each other in memory, and behave as TCP does on one machine under Linux.

Of each direction there is one buffer: what the other side has not read yet. It holds at most `room` bytes; `send` takes
no more. What ends a direction stands behind the bytes in it, and is read after them:

- `ended`: the sender has shut its side (FIN). Reading gives ``b""`` from then on, even if a reset follows.
- `reset`: the sender has closed the hard way, or with bytes unread, or its socket was gone when bytes came (RST).
  Reading raises ConnectionResetError, sending raises BrokenPipeError.
- `unread`: nobody will read it. What is sent vanishes, and is answered by a reset.

That bytes which were there before a reset can still be read is Linux's way; the tests compare it all with real TCP.
"""

import errno
import socket
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import Any

#: Bytes that a direction holds at most, unless told otherwise.
ROOM = 2**16
#: The option and value by which a close becomes a reset.
_LINGER = (socket.SOL_SOCKET, socket.SO_LINGER)

_numbers = count(1_000_000)


class _Direction:
    """What was sent one way and isn't read yet, and how it ends."""

    def __init__(self, room: int) -> None:
        self.data = bytearray()
        self.room = room
        self.ended = False
        self.reset = False
        self.unread = False


class MemorySocket:
    """
    One end: as much of `socket.socket`, non-blocking, as Twisted's TCP transports use.

    `cuts` says how many bytes each `recv` gives at most, in turn; without any, and after the last, it is all there is
    and room for. `changed` is called whenever an end may have become readable or writable.
    """

    def __init__(
        self, incoming: _Direction, outgoing: _Direction, cuts: Iterable[int], changed: Callable[[], object]
    ) -> None:
        self._in = incoming
        self._out = outgoing
        self._cuts: Iterator[int] = iter(cuts)
        self._changed = changed
        self._options: dict[tuple[int, int], Any] = {}
        self._number = next(_numbers)
        self.closed = False
        self.name = ("127.0.0.1", 0)

    @property
    def readable(self) -> bool:
        """Whether `recv` has something to say."""
        return bool(self._in.data or self._in.ended or self._in.reset)

    @property
    def writable(self) -> bool:
        """Whether `send` has something to say."""
        return len(self._out.data) < self._out.room or self._out.unread or self.failed

    @property
    def failed(self) -> bool:
        """Whether the peer has reset the connection."""
        return self._in.reset

    def recv(self, most: int) -> bytes:
        """Give what has come, ``b""`` at the end; BlockingIOError if nothing has."""
        if self._in.data:
            count = max(1, min(most, next(self._cuts, most)))
            data = bytes(self._in.data[:count])
            del self._in.data[:count]
            self._changed()
            return data
        if self._in.ended:
            return b""
        if self._in.reset:
            raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
        raise BlockingIOError(errno.EWOULDBLOCK, "nothing has come")

    def send(self, data: bytes | memoryview) -> int:
        """Take as much as there is room for, and say how much; BlockingIOError if there is none."""
        if self._in.reset or self._out.ended:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        if self._out.unread:
            self._in.reset = True
            self._changed()
            return len(data)
        count = min(len(data), self._out.room - len(self._out.data))
        if count <= 0:
            raise BlockingIOError(errno.EWOULDBLOCK, "the peer hasn't read yet")
        self._out.data += data[:count]
        self._changed()
        return count

    def shutdown(self, how: int) -> None:
        """Shut our side: SHUT_WR or SHUT_RDWR. (Of reading it makes no difference to the peer.)"""
        if how != socket.SHUT_RD:
            self._out.ended = True
            self._changed()

    def close(self) -> None:
        """Be gone. That is a reset if SO_LINGER says so, or if something is left unread."""
        self.closed = True
        if _LINGER in self._options or self._in.data:
            self._out.reset = True
        else:
            self._out.ended = True
        self._in.unread = True
        self._in.data.clear()
        self._changed()

    def setsockopt(self, level: int, option: int, value: object) -> None:
        """Remember it; SO_RCVBUF says how much the peer may send that isn't read yet."""
        self._options[level, option] = value
        if (level, option) == (socket.SOL_SOCKET, socket.SO_RCVBUF) and isinstance(value, int):
            self._in.room = max(1, value)

    def getsockopt(self, level: int, option: int) -> Any:
        """Give what was set, else 0."""
        return self._options.get((level, option), 0)

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001  # socket's signature
        """Do nothing: it never blocks."""

    def fileno(self) -> int:
        """Give a number that no descriptor has; -1 once closed."""
        return -1 if self.closed else self._number

    def getsockname(self) -> tuple[str, int]:
        """Give the address of this end."""
        return self.name


def memory_sockets(
    changed: Callable[[], object], *, cuts: Iterable[int] = (), room: int = ROOM
) -> tuple[MemorySocket, MemorySocket]:
    """Give the two ends; `cuts` goes for each of them, and an iterator is shared."""
    there, back = _Direction(room), _Direction(room)
    ends = MemorySocket(back, there, cuts, changed), MemorySocket(there, back, cuts, changed)
    for end in ends:
        end.name = ("127.0.0.1", 40_000 + end.fileno() % 20_000)
    return ends
