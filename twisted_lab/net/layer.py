"""
What bytes pass between a file and a non-blocking socket, in a thread: nothing, or TLS (see `tls_shared`).

A layer never waits. It says why nothing more can be had now, and raises `SocketError` for what is wrong with the
connection, so that nobody takes it for the file's fault.
"""

import os
import threading
from enum import Enum


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


class OwnBuffer(threading.local):
    """A buffer for each thread, `view`: there are as many as threads at work, however many connections there are."""

    def __init__(self, size: int) -> None:
        self.view = memoryview(bytearray(size))
