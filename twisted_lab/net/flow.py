"""
Bytes moved between a file and a socket by a thread, for a while at a time.

A thread that waits for a peer is lost to everybody else, and a reactor that waits for a disk is too. So the work is
divided: a thread moves what can be moved now, and comes back when the peer has nothing more to give or to take; the
reactor waits for the peer (`zerocopy`). Of a fast peer a thread expects that it goes on at once, and waits for it for
`LINGER`, which costs less than to change over.

On its way out a file goes by sendfile(2), and its content never enters this process. If somebody observes it, say to
hash it, it has to; then it goes through one buffer that stays in the processor's cache, which is cheaper than to read
it once more beside sendfile. On its way in it goes through a ring of buffers: this thread receives and observes a piece
while another one writes those before, which takes as long as both; but what has to be decrypted is observed there too.

What stands between the file's bytes and the socket's is a `Layer`: nothing, or TLS (see `tls_shared`), which has to
have all content in this process.
"""

import errno
import os
import select
import threading
from collections.abc import Callable
from enum import Enum
from queue import Empty, SimpleQueue
from time import monotonic

#: Bytes that go through a buffer at one time, as many as stay in the processor's cache between two uses.
PIECE = 2**18
#: Bytes of a buffer for what comes fast, how many there are in a ring, and how many rings in the process.
RECEIVED = 2**20
RING = 8
RINGS = 2
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
        piece = _buffer()[: end - self.done]
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
    """
    From a socket to a file; the connection has `Pause.ENDED` if the peer shut its side before the end.

    `done` counts what was taken from the socket, `written` what is in the file: less, if that couldn't be written to.
    """

    _EVENT = select.POLLIN

    def __init__(self, descriptor: int, offset: int, length: int, observe: Observer | None = None) -> None:
        super().__init__(descriptor, offset, length, observe)
        self.written = 0
        self._writer: _Writer | None = None

    def write(self, data: bytes) -> None:
        """Take the next bytes, where they didn't come by themselves; or before they do."""
        self._take(memoryview(data))

    def _step(self, connection: int, end: int) -> Pause:
        if self._writer is None and self._fast:
            # Whoever has less to do observes.
            self._writer = _Writer.start(self._descriptor, None if self.layer.sends_files else self._observe)
        buffer = _buffer() if self._writer is None else self._writer.buffer()
        pause, count = self.layer.fill(connection, buffer[: end - self.done])
        if count:
            self._take(buffer[:count])
        return pause

    def _take(self, piece: memoryview) -> None:
        """Observe it while the processor's cache has it, and write it: beside, if there is a thread for that."""
        offset = self._offset + self.done
        self.done += len(piece)
        if self._observe is not None and (self._writer is None or self._writer.observe is None):
            self._observe(piece)
        if self._writer is not None:
            self._writer.give(piece, offset)
        else:
            _write(self._descriptor, piece, offset)
            self.written += len(piece)

    def _finish(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            try:
                writer.end()
            finally:
                self.written += writer.written


class _Writer:
    """
    A thread that writes to a file, and may `observe`, what another one receives meanwhile into the buffers of a ring.

    There are only so many rings, and the processors that they are for: who gets none writes by itself.
    """

    _rings: SimpleQueue[list[memoryview]] = SimpleQueue()
    for _ in range(RINGS):
        _rings.put([])

    @classmethod
    def start(cls, descriptor: int, observe: Observer | None) -> "_Writer | None":
        """Start one, if there is a ring for it."""
        try:
            ring = cls._rings.get_nowait()
        except Empty:
            return None
        try:
            return cls(descriptor, observe, ring)
        except (MemoryError, RuntimeError):  # the second is what a thread too many is
            cls._rings.put(ring)
            return None

    def __init__(self, descriptor: int, observe: Observer | None, ring: list[memoryview]) -> None:
        self.written = 0
        self.observe = observe
        self._descriptor = descriptor
        self._ring = ring or [memoryview(bytearray(RECEIVED)) for _ in range(RING)]
        self._filled: SimpleQueue[tuple[memoryview, int] | None] = SimpleQueue()
        self._free: SimpleQueue[memoryview] = SimpleQueue()
        for buffer in self._ring:
            self._free.put(buffer)
        self._next: memoryview | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def buffer(self) -> memoryview:
        """Give one that may be filled, the same until something of it is given; wait for it."""
        if self._next is None:
            self._next = self._free.get()
        return self._next

    def give(self, piece: memoryview, offset: int) -> None:
        """Have it written: the beginning of `buffer()`, or all of it."""
        self._next = None
        self._filled.put((piece, offset))

    def end(self) -> None:
        """Return when all is written; raises what was raised meanwhile, after which nothing more was written."""
        self._filled.put(None)
        self._thread.join()
        self._rings.put(self._ring)
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (given := self._filled.get()) is not None:
            piece, offset = given
            try:
                if self._error is None:
                    if self.observe is not None:
                        self.observe(piece)
                    _write(self._descriptor, piece, offset)
                    self.written += len(piece)
            except BaseException as error:  # noqa: BLE001  # raised where it is asked for
                self._error = error
            self._free.put(memoryview(piece.obj))


_local = threading.local()


def _buffer() -> memoryview:
    """Give this thread's own buffer: there are as many as threads at work, however many connections there are."""
    if not hasattr(_local, "buffer"):
        _local.buffer = memoryview(bytearray(PIECE))
    found: memoryview = _local.buffer
    return found


def _write(descriptor: int, piece: memoryview, offset: int) -> None:
    while piece:
        written = os.pwrite(descriptor, piece, offset)
        piece = piece[written:]
        offset += written
