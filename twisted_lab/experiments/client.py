"""The clients of the experiments: blocking sockets, whose every step has a deadline."""

import random
import select
import socket
import struct
import time
from contextlib import suppress
from threading import Thread

DEADLINE = 20.0  # seconds that one step may take
PREFIX = b"echo "
MIB = 2**20
#: Bytes that are received at most, where nobody knows how many come.
MOST = 256 * MIB
_RESET = struct.pack("ii", 1, 0)  # what SO_LINGER must be for a close to be a reset
#: What a client's kernel keeps at most that the client hasn't read: little, so that a server feels it soon.
_SMALL = 16384


def connect(address: tuple[str, int], deadline: float = DEADLINE, *, small: bool = False) -> socket.socket:
    """Connect, and send each piece at once; with `small` the kernel keeps little of what isn't read."""
    connection = socket.socket()
    if small:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
    connection.settimeout(deadline)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def receive(connection: socket.socket, count: int) -> bytes:
    """Receive `count` bytes, or fewer if the stream ends, breaks, or nothing comes for too long."""
    data = bytearray()
    with suppress(OSError):
        while len(data) < count and (chunk := connection.recv(min(count - len(data), MIB))):
            data += chunk
    return bytes(data)


def receive_echo(connection: socket.socket, count: int) -> bytes:
    """Receive an echo of `count` capital letters, or as much of it as comes, and give it without its prefixes."""
    data = bytearray()
    with suppress(OSError):
        while len(data.replace(PREFIX, b"").rstrip(PREFIX)) < count and (chunk := connection.recv(MIB)):
            data += chunk
    return bytes(data.replace(PREFIX, b""))


def receive_all(connection: socket.socket) -> tuple[bytes, str]:
    """Receive until nothing more comes; give it, and how that ended: closed, reset, silent, or endless."""
    data, deadline = bytearray(), time.monotonic() + DEADLINE
    try:
        while chunk := connection.recv(MIB):
            data += chunk
            if len(data) > MOST or time.monotonic() > deadline:
                return bytes(data), "endless"
    except TimeoutError:
        return bytes(data), "silent"
    except OSError:
        return bytes(data), "reset"
    return bytes(data), "closed"


def ask(connection: socket.socket, text: bytes = b"hello") -> bytes:
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


def flood(connection: socket.socket, size: int, patience: float = 1.0) -> int:
    """Send up to `size` bytes and read nothing; give how many went until none did for `patience` seconds."""
    data, sent = letters(min(size, MIB)), 0
    connection.settimeout(patience)
    with suppress(OSError):
        while sent < size:
            sent += connection.send(data[: size - sent])
    connection.settimeout(DEADLINE)
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
