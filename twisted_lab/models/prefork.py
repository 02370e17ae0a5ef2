"""
An echo server of several processes, started before any client comes; each is the server of ``selectors.py``.

Each process has a listening socket of its own on the same port (SO_REUSEPORT), and the kernel deals the connections
out by a hash of their addresses. So all processors are used, no process is started for a client, and none waits for
another. A connection that was dealt to a process which then dies is lost. A process that dies is replaced.
"""

import os
import signal
import socket
from contextlib import suppress

from twisted_lab.models.command import BACKLOG, announce, run
from twisted_lab.models.selectors import serve_on


def serve(host: str, port: int, prefix: bytes) -> None:
    """Start as many processes as there are processors, and replace those that end."""
    children: set[int] = set()
    with socket.socket() as alone:  # an error if another server is there: with SO_REUSEPORT it would share the clients
        alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        alone.bind((host, port))
    with socket.socket() as reserved:  # it never listens: connections that were dealt to it would wait for ever
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind((host, port))
        address = reserved.getsockname()
        try:
            children.update(start(address, prefix) for _ in range(os.cpu_count() or 1))
            announce(reserved)
            while True:
                ended, _ = os.wait()
                children.remove(ended)
                children.add(start(address, prefix))
        finally:
            for pid in children:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)


def start(address: tuple[str, int], prefix: bytes) -> int:
    """Start a process that serves; return when it listens."""
    told, tells = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            with socket.create_server(address, backlog=BACKLOG, reuse_port=True) as listener:
                os.close(tells)
                serve_on(listener, prefix)
        finally:
            os._exit(0)
    os.close(tells)
    os.read(told, 1)  # its end: the child has closed the other one
    os.close(told)
    return pid


if __name__ == "__main__":
    run(serve)
