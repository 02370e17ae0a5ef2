"""
An echo server with a thread for each client.

Each thread waits for its own client as the blocking server does, and the kernel runs whichever has something to do.
That costs a stack and a place in the scheduler for each client. In Python only one thread at a time runs Python code,
but none holds the others up while it waits.
"""

import socket
import time
from contextlib import suppress
from threading import Thread

from twisted_lab.models.command import BACKLOG, CHUNK, announce, run

#: Seconds until it tries again to take a client for whom there is no room.
REST = 0.01


def serve(host: str, port: int, prefix: bytes) -> None:
    """Accept clients, and start a thread for each."""
    with socket.create_server((host, port), backlog=BACKLOG) as listener:
        announce(listener)
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # too many files are open: who comes waits in the kernel's queue
                time.sleep(REST)
                continue
            thread = Thread(target=echo, args=(connection, prefix), daemon=True)  # it ends with the program
            try:
                thread.start()
            except RuntimeError:  # the system lets us have no more of them
                connection.close()


def echo(connection: socket.socket, prefix: bytes) -> None:
    """Answer one client until it shuts its side."""
    with connection, suppress(OSError):  # a client that resets its connection ends only its own thread
        while data := connection.recv(CHUNK):
            connection.sendall(prefix + data)


if __name__ == "__main__":
    run(serve)
