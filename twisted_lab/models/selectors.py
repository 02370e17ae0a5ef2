"""
An echo server in one thread that waits for all clients at once.

The kernel is asked which of all sockets can be read from or written to (epoll on Linux, kqueue on BSD and macOS), and
the program does what can be done without waiting. What a socket doesn't take is kept, and only then is the kernel
asked to tell when it takes more: a socket that is asked about in vain can always be written to, and would keep the
program busy. A client that doesn't read isn't read from either, so what is kept has a bound.
"""

import socket
import time
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector

from twisted_lab.models.command import BACKLOG, CHUNK, announce, run

#: Bytes kept for a client that doesn't read, from which on it isn't read from.
ENOUGH = 4 * CHUNK
#: Seconds until it tries again to take a client for whom there is no room.
REST = 0.01


class Client:
    """A client: its socket, what it hasn't taken yet, and whether it has shut its side."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.waiting = bytearray()
        self.ended = False

    def act(self, events: int, prefix: bytes) -> int:
        """Do what can be done now; give the events to wait for next, none when all is over."""
        try:
            if events & EVENT_READ:
                data = self.connection.recv(CHUNK)
                self.waiting += prefix + data if data else b""
                self.ended = not data
            if self.waiting:
                del self.waiting[: self.connection.send(self.waiting)]
        except BlockingIOError:
            """The socket takes nothing now."""
        except OSError:  # a client that resets its connection ends it, not the server
            return 0
        reads = not self.ended and len(self.waiting) < ENOUGH
        return (EVENT_READ if reads else 0) | (EVENT_WRITE if self.waiting else 0)


def serve(host: str, port: int, prefix: bytes) -> None:
    """Listen, and serve."""
    with socket.create_server((host, port), backlog=BACKLOG) as listener:
        announce(listener)
        serve_on(listener, prefix)


def serve_on(listener: socket.socket, prefix: bytes) -> None:
    """Serve all clients that come to `listener`."""
    listener.setblocking(False)
    with DefaultSelector() as selector:
        selector.register(listener, EVENT_READ)
        while True:
            for key, events in selector.select():
                if key.data is None:
                    accept(listener, selector)
                    continue
                wanted = key.data.act(events, prefix)
                if not wanted:
                    selector.unregister(key.fileobj)
                    key.data.connection.close()
                elif wanted != key.events:
                    selector.modify(key.fileobj, wanted, key.data)


def accept(listener: socket.socket, selector: DefaultSelector) -> None:
    """Take a client, if it is still there."""
    try:
        connection, _ = listener.accept()
    except BlockingIOError:
        return
    except OSError:  # too many files are open: who comes waits in the kernel's queue, and all others a moment
        time.sleep(REST)
        return
    connection.setblocking(False)
    selector.register(connection, EVENT_READ, Client(connection))


if __name__ == "__main__":
    run(serve)
