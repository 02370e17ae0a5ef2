"""
Bytes moved between a file and a socket by a thread, for a while at a time.

A thread that waits for a peer is lost to everybody else, and a reactor that waits for a disk is too. So the work is
divided: a thread moves what can be moved now, and comes back when the peer has nothing more to give or to take; the
reactor waits for the peer (`zerocopy`). Of a fast peer a thread expects that it goes on at once, and waits for it for
`LINGER`, which costs less than to change over.

On its way out a file goes by sendfile(2), and its content never enters this process. If somebody observes it, say to
hash it, it has to; then it goes through one buffer that stays in the processor's cache, which is cheaper than to read
it once more beside sendfile. On its way in it goes through a ring of buffers, to be written by this thread while
another one observes the piece before.

What stands between the file's bytes and the socket's is a `Layer`: nothing, or TLS (see `tls_shared`), which has to
have all content in this process.
"""

import errno
import os
import select
import threading
from collections.abc import Callable
from enum import Enum
from queue import SimpleQueue
from time import monotonic

#: Bytes of a buffer, and how many there are for what comes in.
PIECE = 2**18
RING = 4
#: Bytes that sendfile is asked for at one time: between two of them it is looked whether they are still wanted.
SENT = 2**22
#: Seconds that a thread waits for a peer that was fast, and that it works at most before it comes back.
LINGER = 0.02
WHILE = 0.1
#: Bytes moved in one go from which on a peer is taken to be fast, and a second thread is worth its start.
FAST = 2**20

#: What only a connection fails with, where a call has to do with a file too.
_OF_CONNECTION = {
    errno.EPIPE,
    errno.ECONNRESET,
    errno.ECONNABORTED,
    errno.ENOTCONN,
    errno.ETIMEDOUT,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.ENETDOWN,
}

Observer = Callable[[memoryview], object]


class Pause(Enum):
    """Why a thread comes back: it worked for long enough, the peer isn't ready, or the connection has ended."""

    TURN = "turn"
    BLOCKED = "blocked"
    ENDED = "ended"


class SocketError(Exception):
    """The connection failed, and the file has nothing to do with it; the message is the kernel's."""


class Layer:
    """What a flow's bytes pass on their way from and to a non-blocking socket: nothing, here."""

    #: Whether a file can be sent without it.
    sends_files = True

    def fill(self, connection: int, piece: memoryview) -> tuple[Pause, int]:
        """Read until `piece` is full or nothing more is there; give why it ended, and how many bytes there are."""
        count = 0
        while count < len(piece):
            try:
                pause, got = self.read(connection, piece[count:])
            except SocketError:
                if count:  # what came before is worth keeping; the error stays, as an end
                    return Pause.ENDED, count
                raise
            if not got:
                return pause, count
            count += got
        return Pause.TURN, count

    def read(self, connection: int, piece: memoryview) -> tuple[Pause, int]:
        """Read some; give how many bytes, or why there are none."""
        try:
            got = os.readv(connection, [piece])
        except BlockingIOError:
            return Pause.BLOCKED, 0
        except OSError as error:
            raise SocketError(error.strerror) from error
        return Pause.TURN if got else Pause.ENDED, got

    def write(self, connection: int, piece: memoryview) -> int:
        """Take some of it; give how many bytes."""
        try:
            return os.write(connection, piece)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise SocketError(error.strerror) from error

    def flush(self, connection: int) -> bool:
        """Send what was taken before; tell whether all of it is gone."""
        return True


class LentLayer(Layer):
    """One that belongs to a transport, who lends it to a flow."""

    #: Whether it can be lent now.
    can_be_lent = False

    def lend(self, *, sends: bool) -> None:
        """Let a flow have what goes, or what comes."""
        raise NotImplementedError

    def take_back(self) -> bytes:
        """Let the transport have both again; give what it has to send before all else."""
        raise NotImplementedError


class Flow:
    """
    `length` bytes of a file from `offset` on, of which `done` are moved; for one thread at a time.

    `observe` is called with each piece, in order. `stop`, from any thread, lets `move` come back soon. `layer` is what
    the bytes pass; it is set before they move.
    """

    _EVENT = 0

    def __init__(self, descriptor: int, offset: int, length: int, observe: Observer | None = None) -> None:
        self.length = length
        self.done = 0
        self.layer = Layer()
        self._descriptor = descriptor
        self._offset = offset
        self._observe = observe
        self._stopped = False
        self._fast = False

    def stop(self) -> None:
        """Move nothing more."""
        self._stopped = True

    def move(self, connection: int, most: int) -> Pause:
        """
        Move at most `most` bytes, over a non-blocking socket, and say why it isn't more.

        Raises `SocketError` for what is wrong with the connection, and `OSError` for the file.
        """
        poll = select.poll()
        poll.register(connection, self._EVENT)
        begin = self.done
        until = monotonic() + WHILE
        end = min(self.length, begin + most)
        try:
            while self.done < end and not self._stopped and monotonic() < until:
                pause = self._step(connection, end)
                if pause is Pause.ENDED:
                    return pause
                if pause is Pause.BLOCKED and not (self._fast and poll.poll(LINGER * 1000)):
                    return pause
                self._fast = self._fast or self.done - begin >= FAST
            return Pause.TURN
        finally:
            self._finish()
            self._fast = self.done - begin >= FAST

    def _step(self, connection: int, end: int) -> Pause:
        """Move something."""
        raise NotImplementedError

    def _finish(self) -> None:
        """Finish what was begun."""


class Outflow(Flow):
    """From a file to a socket; `EOFError` if the file ends before its time."""

    _EVENT = select.POLLOUT

    def __init__(self, descriptor: int, offset: int, length: int, observe: Observer | None = None) -> None:
        super().__init__(descriptor, offset, length, observe)
        #: Bytes that were observed. Those of them that the socket hadn't room for are sent from the file.
        self._seen = 0

    def read(self, most: int) -> bytes:
        """Give the next bytes, at most `most`, where they can't go by themselves."""
        data = os.pread(self._descriptor, min(most, self.length - self.done), self._offset + self.done)
        if not data:
            raise EOFError
        if self._observe is not None:
            self._observe(memoryview(data))
        self.done += len(data)
        return data

    def _step(self, connection: int, end: int) -> Pause:
        if not self.layer.flush(connection):
            return Pause.BLOCKED
        if self.layer.sends_files and self._observe is None:
            return self._send_file(connection, min(SENT, end - self.done))
        if self.done < self._seen:
            return self._send_file(connection, self._seen - self.done)
        piece = _buffers()[0][: end - self.done]
        count = os.preadv(self._descriptor, [piece], self._offset + self.done)
        if not count:
            raise EOFError
        piece = piece[:count]
        if self._observe is not None:
            self._observe(piece)
        self._seen += count
        self.done += self.layer.write(connection, piece)
        return Pause.TURN if self.done == self._seen else Pause.BLOCKED

    def _send_file(self, connection: int, count: int) -> Pause:
        try:
            sent = os.sendfile(connection, self._descriptor, self._offset + self.done, count)
        except BlockingIOError:
            return Pause.BLOCKED
        except OSError as error:
            if error.errno in _OF_CONNECTION:
                raise SocketError(error.strerror) from error
            raise
        if not sent:
            raise EOFError
        self.done += sent
        return Pause.TURN


class Inflow(Flow):
    """From a socket to a file; the connection has `Pause.ENDED` if the peer shut its side before the end."""

    _EVENT = select.POLLIN

    def __init__(self, descriptor: int, offset: int, length: int, observe: Observer | None = None) -> None:
        super().__init__(descriptor, offset, length, observe)
        self._beside: _Beside | None = None
        self._turn = 0

    def write(self, data: bytes) -> None:
        """Take the next bytes, where they didn't come by themselves; or before they do."""
        piece = memoryview(data)
        if self._observe is not None:
            self._observe(piece)
        _write(self._descriptor, piece, self._offset + self.done)
        self.done += len(piece)

    def _step(self, connection: int, end: int) -> Pause:
        piece = _buffers()[self._turn]
        pause, count = self.layer.fill(connection, piece[: end - self.done])
        if count:
            piece = piece[:count]
            self._give(piece)
            _write(self._descriptor, piece, self._offset + self.done)
            self.done += count
        return pause

    def _give(self, piece: memoryview) -> None:
        """Have `piece` observed: beside, if there is enough of it for a second thread."""
        if self._observe is None:
            return
        if self._beside is None and self._fast:
            self._beside = _Beside(self._observe)
        if self._beside is None:
            self._observe(piece)
        else:
            self._beside.give(piece)
            self._turn = (self._turn + 1) % RING

    def _finish(self) -> None:
        beside, self._beside = self._beside, None
        if beside is not None:
            beside.end()


class _Beside:
    """A thread that observes; `RING` pieces may be on their way, this one's included."""

    def __init__(self, observe: Observer) -> None:
        self._observe = observe
        self._pieces: SimpleQueue[memoryview | None] = SimpleQueue()
        self._free = threading.Semaphore(RING - 1)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def give(self, piece: memoryview) -> None:
        """Have it observed; return when the buffer after it may be written to."""
        self._pieces.put(piece)
        self._free.acquire()

    def end(self) -> None:
        """Return when all is observed; raises what `observe` raised."""
        self._pieces.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (piece := self._pieces.get()) is not None:
            try:
                if self._error is None:
                    self._observe(piece)
            except BaseException as error:  # noqa: BLE001  # raised where it is asked for
                self._error = error
            self._free.release()


_local = threading.local()


def _buffers() -> list[memoryview]:
    """Give this thread's buffers: as many as there are threads at work, however many connections there are."""
    if not hasattr(_local, "buffers"):
        _local.buffers = [memoryview(bytearray(PIECE)) for _ in range(RING)]
    found: list[memoryview] = _local.buffers
    return found


def _write(descriptor: int, piece: memoryview, offset: int) -> None:
    while piece:
        written = os.pwrite(descriptor, piece, offset)
        piece = piece[written:]
        offset += written
