"""
The clients of the experiments: blocking sockets. All that is awaited has a deadline, and what is kept has a bound.

A server that is checked may send for ever, or a byte now and then: the deadline is that of a whole answer, not of a
read.
"""

import random
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread

import psutil

from twisted_lab.experiments.patience import DEADLINE, Deadline, process_of
from twisted_lab.experiments.server import Server

PREFIX = b"echo "
MIB = 2**20
#: Bytes that are received at most, where nobody knows how many come.
MOST = 256 * MIB
_RESET = struct.pack("ii", 1, 0)  # what SO_LINGER must be for a close to be a reset
#: What a client's kernel keeps at most that the client hasn't read: little, so that a server feels it soon.
_SMALL = 16384


class Connection(socket.socket):
    """A client's end of a connection; an answer is waited for for `patience` seconds that `process` had for it."""

    patience: float = DEADLINE
    process: psutil.Process | None = None


def connect(address: tuple[str, int], *, small: bool = False) -> Connection:
    """Connect, and send each piece at once; with `small` the kernel keeps little of what isn't read."""
    connection = Connection()
    if small:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
    connection.settimeout(DEADLINE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def visit(server: Server, patience: float, *, small: bool = False) -> Connection:
    """Connect to a server that may be wrong: an answer is waited for for so many seconds that it had for it."""
    connection = connect(server.address, small=small)
    connection.patience, connection.process = patience, process_of(server)
    return connection


def receive(connection: Connection, count: int, deadline: Deadline | None = None) -> bytes:
    """Receive `count` bytes, or fewer if the stream ends or breaks, or at `deadline`, or by its patience."""
    data = bytearray()
    with suppress(OSError):
        for chunk in _chunks(connection, deadline or deadline_of(connection), count):
            data += chunk
    return bytes(data)


def receive_echo(connection: Connection, count: int) -> bytes:
    """
    Receive an echo of `count` capital letters, or what comes of it, and give it without its prefixes.

    It takes `longest_echo` bytes at most, and the connection's patience for all of them.
    """
    data, missing = bytearray(), count
    with suppress(OSError):
        for chunk in _chunks(connection, deadline_of(connection), longest_echo(count)):
            data += chunk
            missing -= len(chunk.translate(None, PREFIX))
            if missing <= 0:
                break
    return bytes(data.replace(PREFIX, b""))


def receive_all(connection: Connection, most: int = MOST, within: float = DEADLINE) -> tuple[bytes, str]:
    """
    Receive until nothing more comes; give it, and how that ended: closed, reset, silent, or endless.

    It is silent if nothing comes for as long as the connection's patience, and endless if more than `most` bytes do, or
    some are still coming after `within` seconds, counted likewise.
    """
    data, last = bytearray(), Deadline(within, connection.process)
    try:
        while len(data) <= most and not last.is_over():
            chunk = _receive(connection, deadline_of(connection), MIB)
            data += chunk
            if not chunk:
                return bytes(data), "closed"
    except TimeoutError:
        return bytes(data), "silent"
    except OSError:
        return bytes(data), "reset"
    return bytes(data), "endless"


def longest_echo(count: int) -> int:
    """Give how long the echo of so many bytes is at most: each of them was read, and has its prefix, alone."""
    return count * (len(PREFIX) + 1)


def deadline_of(connection: Connection) -> Deadline:
    """Give when an answer that is awaited from now on must be there, by the connection's patience."""
    return Deadline(connection.patience, connection.process)


def _chunks(connection: Connection, deadline: Deadline, count: int) -> Iterator[bytes]:
    """Give what comes, `count` bytes in all, until the stream ends; `TimeoutError` at the deadline."""
    while count and (chunk := _receive(connection, deadline, min(count, MIB))):
        count -= len(chunk)
        yield chunk


def _receive(connection: Connection, deadline: Deadline, count: int) -> bytes:
    """Give what comes next; the connection's own timeout stays as it is, for a thread may be sending by it."""
    deadline.wait(connection)
    return connection.recv(count)


def ask(connection: Connection, text: bytes = b"hello") -> bytes:
    """Send a message to an echo server and give its answer, as much of it as comes."""
    with suppress(OSError):
        connection.sendall(text)
    return receive(connection, len(PREFIX) + len(text))


def is_answered(address: tuple[str, int], text: bytes = b"hello") -> bool:
    """Tell whether an echo server answers a new client."""
    try:
        with connect(address) as connection:
            return ask(connection, text) == PREFIX + text
    except OSError:
        return False


def reset(connection: socket.socket) -> None:
    """Close a connection as a client does that crashes: what it was sent is thrown away, and the server is told."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    connection.close()


def flood(connection: Connection, size: int) -> int:
    """Send up to `size` bytes and read nothing; give how many went until none did, for the connection's patience."""
    data, sent = letters(min(size, MIB)), 0
    with suppress(OSError):
        while sent < size:
            deadline_of(connection).wait(connection, to_send=True)
            sent += connection.send(data[: size - sent])
    return sent


def send_apart(connection: socket.socket, data: bytes, *, shut: bool = True) -> Thread:
    """Send in a thread, and then shut the writing side unless told not to; the caller reads meanwhile, and joins it."""

    def send() -> None:
        with suppress(OSError):  # the server is gone; the reader sees that
            connection.sendall(data)
            if shut:
                connection.shutdown(socket.SHUT_WR)

    thread = Thread(target=send, daemon=True)
    thread.start()
    return thread


def stop_sending(connection: socket.socket, thread: Thread) -> None:
    """Break off what a thread still sends: who doesn't read by now won't."""
    with suppress(OSError):  # it is closed already
        connection.shutdown(socket.SHUT_RDWR)
    thread.join()


def letters(count: int) -> bytes:
    """Give so many capital letters, the same each time; none of them occurs in `PREFIX`."""
    block = bytes(random.Random(0).choices(b"ABCDEFGH", k=65521))  # noqa: S311  # a prime: no piece looks like another
    return (block * (count // len(block) + 1))[:count]


def wait_for_bytes(connection: socket.socket, count: int) -> bool:
    """Wait until the kernel has `count` bytes for us that we haven't read; tell whether they came."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        if select.select([connection], [], [], 0.05)[0] and len(connection.recv(count, socket.MSG_PEEK)) >= count:
            return True
        time.sleep(0.005)
    return False
