"""
An echo server with a process for each client.

`fork` makes a copy of the process, connection included; the kernel copies memory only where one of the two writes to
it. The child serves its client and ends. The parent closes its own copy of the connection, or the client would never
see its end, and asks the kernel which children have ended, or they would stay as zombies. Nothing is shared: a client
can crash its own process and no other.
"""

import os
import signal
import socket
from contextlib import suppress

from twisted_lab.models.command import BACKLOG, CHUNK, announce, run


def serve(host: str, port: int, prefix: bytes) -> None:
    """Accept clients, and fork for each."""
    children: set[int] = set()
    with socket.create_server((host, port), backlog=BACKLOG) as listener:
        announce(listener)
        try:
            while True:
                connection, _ = listener.accept()
                with connection:
                    reap(children)
                    try:
                        pid = os.fork()
                    except OSError:  # the system lets us have no more of them
                        continue
                    if pid == 0:
                        listener.close()
                        serve_child(connection, prefix)
                    children.add(pid)
        finally:
            for pid in children:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)


def serve_child(connection: socket.socket, prefix: bytes) -> None:
    """Serve one client and end this process, without what the parent would do at its end."""
    try:
        with suppress(OSError):  # a client that resets its connection ends only its own process
            while data := connection.recv(CHUNK):
                connection.sendall(prefix + data)
    finally:
        os._exit(0)


def reap(children: set[int]) -> None:
    """Take notice of the children that have ended."""
    for pid in [*children]:
        ended, _ = os.waitpid(pid, os.WNOHANG)
        if ended:
            children.remove(pid)


if __name__ == "__main__":
    run(serve)
