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
from time import monotonic

from twisted_lab.net.layer import Layer, OwnBuffer, Pause, SocketError
from twisted_lab.net.writer import Observer, Writer, write_all

#: Bytes that go through a buffer at one time, as many as stay in the processor's cache between two uses.
PIECE = 2**18
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

#: This thread's own, for what goes out, and for what comes slowly.
_buffer = OwnBuffer(PIECE)


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
        piece = _buffer.view[: end - self.done]
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
        self._writer: Writer | None = None

    def write(self, data: bytes) -> None:
        """Take the next bytes, where they didn't come by themselves; or before they do."""
        self._take(memoryview(data))

    def _step(self, connection: int, end: int) -> Pause:
        if self._writer is None and self._fast:
            # Whoever has less to do observes.
            self._writer = Writer.start(self._descriptor, None if self.layer.sends_files else self._observe)
        buffer = _buffer.view if self._writer is None else self._writer.buffer()
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
            write_all(self._descriptor, piece, offset)
            self.written += len(piece)

    def _finish(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            try:
                writer.end()
            finally:
                self.written += writer.written
