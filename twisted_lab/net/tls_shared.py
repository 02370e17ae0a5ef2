"""
A TLS connection that Twisted and a thread share, so that content goes through it between a file and a socket.

Twisted's TLS keeps an OpenSSL connection between two buffers in memory, and the reactor moves the bytes: 16 KiB at a
time, each copied several times, and encrypted while everybody else waits. Here a thread does it for a while, by larger
reads and writes, on the very same OpenSSL connection: so keys, alerts, and what else the two sides have to tell each
other, stay OpenSSL's business.

OpenSSL's connections aren't for two threads at once, so a lock is held through each call, and never while anybody
waits for the peer. And what would get out of order is the thread's: while it receives, Twisted finds nothing to
deliver; while it sends, Twisted finds nothing to send. What it would have found is there when the thread is done.
"""

import threading
from typing import Any

from OpenSSL.SSL import Connection, Error, WantReadError

from twisted_lab.net.flow import PIECE
from twisted_lab.net.layer import LentLayer, OwnBuffer, Pause, SocketError

#: Bytes of a record's content, which OpenSSL gives at one time: RFC 8446, section 5.1.
RECORD = 2**14
#: Bytes that are read from the socket, and taken from OpenSSL, at one time: those of a piece, and of what its records
#: have beside, which is 22 bytes each in TLS 1.3.
_ENCRYPTED = PIECE + PIECE // RECORD * 256
#: This thread's own, for what is still encrypted.
_buffer = OwnBuffer(_ENCRYPTED)


class SharedConnection(LentLayer):
    """Stands for an OpenSSL connection: for Twisted, with all that `Connection` has, and for a `Flow`."""

    sends_files = False

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.RLock()  # a verdict on a certificate, in the middle of a handshake, may close
        self._receives = self._sends = False
        self._left = memoryview(b"")

    def __getattr__(self, name: str) -> Any:
        """Give what doesn't touch the bytes on their way."""
        return getattr(self._connection, name)

    def do_handshake(self) -> None:
        """As `Connection.do_handshake`."""
        with self._lock:
            self._connection.do_handshake()
        self.can_be_lent = True

    def send(self, data: bytes) -> int:
        """As `Connection.send`."""
        with self._lock:
            return self._connection.send(data)

    def recv(self, most: int) -> bytes:
        """As `Connection.recv`; nothing is there while a thread receives."""
        with self._lock:
            if self._receives:
                raise WantReadError
            return self._connection.recv(most)

    def bio_read(self, most: int) -> bytes:
        """As `Connection.bio_read`; nothing is there while a thread sends."""
        with self._lock:
            if self._sends:
                raise WantReadError
            return self._connection.bio_read(most)

    def bio_write(self, data: bytes) -> int:
        """As `Connection.bio_write`, but for no bytes, too."""
        with self._lock:
            return self._connection.bio_write(data) if data else 0

    def bio_shutdown(self) -> None:
        """As `Connection.bio_shutdown`."""
        with self._lock:
            self._connection.bio_shutdown()

    def shutdown(self) -> bool:
        """As `Connection.shutdown`."""
        with self._lock:
            return self._connection.shutdown()

    def lend(self, *, sends: bool) -> None:
        """Let a flow have what goes, or what comes."""
        self._sends, self._receives = sends, not sends

    def take_back(self) -> bytes:
        """Let the transport have both again; give what it has to send before all else."""
        self._sends = self._receives = False
        left, self._left = bytes(self._left), memoryview(b"")
        return left

    def read(self, connection: int, piece: memoryview) -> tuple[Pause, int]:
        """Decrypt some. That it has `Pause.ENDED` may be for a reason of TLS, which Twisted will meet as well."""
        buffer = _buffer.view
        while True:
            try:
                with self._lock:
                    return Pause.TURN, self._connection.recv_into(piece, RECORD)
            except WantReadError:
                pause, got = super().read(connection, buffer)
            except Error:
                return Pause.ENDED, 0
            if not got:
                return pause, 0
            self.bio_write(buffer[:got])  # type: ignore[arg-type]  # whatever has bytes

    def write(self, connection: int, piece: memoryview) -> int:
        """Encrypt all of it, and send what the socket has room for."""
        try:
            with self._lock:
                self._connection.sendall(piece)
                self._left = memoryview(self._connection.bio_read(_ENCRYPTED))
        except Error as error:
            raise SocketError("TLS has ended, or failed") from error
        self.flush(connection)
        return len(piece)

    def flush(self, connection: int) -> bool:
        """Send what is encrypted; tell whether all of it is gone."""
        while self._left:
            sent = super().write(connection, self._left)
            if not sent:
                return False
            self._left = self._left[sent:]
        return True
