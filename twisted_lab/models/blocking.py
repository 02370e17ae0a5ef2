"""
An echo server that serves one client at a time.

`accept` waits until a client is there, `recv` until it has sent something, `sendall` until the kernel has taken all
of the answer. While the kernel lets the program wait for this client, nobody looks after the others: the kernel
completes their connections and keeps them, and what they send, in the backlog until their turn comes.
"""

import socket
from contextlib import suppress

from twisted_lab.models.command import BACKLOG, CHUNK, announce, run


def serve(host: str, port: int, prefix: bytes) -> None:
    """Serve clients, one after the other."""
    with socket.create_server((host, port), backlog=BACKLOG) as listener:
        announce(listener)
        while True:
            connection, _ = listener.accept()
            with connection, suppress(OSError):  # a client that resets its connection ends it, not the server
                echo(connection, prefix)


def echo(connection: socket.socket, prefix: bytes) -> None:
    """Answer one client until it shuts its side."""
    while data := connection.recv(CHUNK):
        connection.sendall(prefix + data)


if __name__ == "__main__":
    run(serve)
