"""
An echo server in one thread that asks every client in turn whether there is something to do.

A non-blocking socket never lets the program wait: the kernel says at once that nothing is there (EAGAIN). So one
thread can go round all clients, at the price of a system call for each of them, each time, mostly in vain. If it
never rested it would use a processor up while nothing happens; this one sleeps for a millisecond after a round in
which nothing did, and an answer may take that much longer.
"""

import socket
import time

from twisted_lab.models.command import BACKLOG, CHUNK, announce, run

#: Seconds that it sleeps if there was nothing to do.
REST = 0.001
#: Bytes kept for a client that doesn't read, from which on it isn't read from.
ENOUGH = 4 * CHUNK


class Client:
    """A client: its socket, what it hasn't taken yet, and whether it has shut its side."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.waiting = bytearray()
        self.ended = False

    def act(self, prefix: bytes) -> bool:
        """Do what can be done now; tell whether that was anything. `OSError` if the client is gone."""
        return self.receive(prefix) | self.send()

    def receive(self, prefix: bytes) -> bool:
        """Take what has come, unless enough waits already."""
        if self.ended or len(self.waiting) >= ENOUGH:
            return False
        try:
            data = self.connection.recv(CHUNK)
        except BlockingIOError:
            return False
        self.waiting += prefix + data if data else b""
        self.ended = not data
        return True

    def send(self) -> bool:
        """Send as much as the socket takes."""
        if not self.waiting:
            return False
        try:
            del self.waiting[: self.connection.send(self.waiting)]
        except BlockingIOError:
            return False
        return True


def serve(host: str, port: int, prefix: bytes) -> None:
    """Go round, for ever."""
    clients: list[Client] = []
    with socket.create_server((host, port), backlog=BACKLOG) as listener:
        listener.setblocking(False)
        announce(listener)
        while True:
            busy = accept(listener, clients)
            for client in [*clients]:
                try:
                    busy |= client.act(prefix)
                    over = client.ended and not client.waiting
                except OSError:  # a client that resets its connection ends it, not the server
                    over = True
                if over:
                    client.connection.close()
                    clients.remove(client)
            if not busy:
                time.sleep(REST)


def accept(listener: socket.socket, clients: list[Client]) -> bool:
    """Take a client, if one is there; tell whether."""
    try:
        connection, _ = listener.accept()
    except OSError:  # nobody is there; or too many files are open, and who comes waits in the kernel's queue
        return False
    connection.setblocking(False)
    clients.append(Client(connection))
    return True


if __name__ == "__main__":
    run(serve)
