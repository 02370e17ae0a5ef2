"""
Pieces of a stream that are read apart.

On a byte stream what is sent next may be read together with what was sent before. To have it read by itself one must
wait until the other side has read, and only its kernel knows that.
"""

import fcntl
import socket
import sys
import termios
import time
from contextlib import suppress
from pathlib import Path

from twisted_lab.experiments.client import Connection
from twisted_lab.experiments.patience import Deadline

#: Seconds that are waited in place of that where the kernel doesn't tell.
PAUSE = 0.05
_SOCKETS = Path("/proc/net/tcp")


def send_piece(connection: Connection, data: bytes, deadline: Deadline) -> None:
    """Send a piece that is read before the next one is sent, unless that isn't so at the deadline."""
    with suppress(OSError):  # the server is gone; who reads sees that
        connection.sendall(data)
    wait_until_read(connection, deadline)


def wait_until_read(connection: Connection, deadline: Deadline) -> None:
    """Wait until the other side has read all that was sent, and the end of it, if that was sent."""
    if not _SOCKETS.exists():
        time.sleep(PAUSE)
    while not deadline.is_over() and is_unread(connection):
        time.sleep(0.001)


def is_unread(connection: Connection) -> bool:
    """Tell whether something that was sent waits in either kernel; False where nobody knows."""
    if not _SOCKETS.exists():
        return False
    with suppress(OSError):  # the connection is gone
        waiting = fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4))
        if any(waiting):
            return True
        ours, theirs = _show(connection.getsockname()), _show(connection.getpeername())
        for line in _SOCKETS.read_text().splitlines():
            words = line.split()
            if words[1:3] == [theirs, ours]:
                return int(words[4].partition(":")[2], 16) > 0
    return False


def _show(address: tuple[str, int]) -> str:
    """Give an address as that file has it."""
    host, port = address
    return f"{int.from_bytes(socket.inet_aton(host), sys.byteorder):08X}:{port:04X}"
