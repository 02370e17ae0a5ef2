"""
An echo server on the standard library's socketserver, which serves one client at a time.

The library has the loop that accepts, and calls `handle` for each client; the kernel is asked for the same as by
``blocking.py``, and the others wait likewise.
"""

import socketserver
from contextlib import suppress

from twisted_lab.models.command import BACKLOG, CHUNK, announce, run


class Handler(socketserver.BaseRequestHandler):
    """Serves one client."""

    server: "Server"

    def handle(self) -> None:
        """Answer until it shuts its side."""
        prefix = self.server.prefix
        with suppress(OSError):  # a client that resets its connection ends it, not the server
            while data := self.request.recv(CHUNK):
                self.request.sendall(prefix + data)


class Server(socketserver.TCPServer):
    """Listens."""

    allow_reuse_address = True
    request_queue_size = BACKLOG
    prefix = b""


def serve(host: str, port: int, prefix: bytes) -> None:
    """Serve until the program ends."""
    serve_by(Server, host, port, prefix)


def serve_by(kind: type[Server], host: str, port: int, prefix: bytes) -> None:
    """Serve by a server of that kind."""
    with kind((host, port), Handler) as server:
        server.prefix = prefix
        announce(server.socket)
        server.serve_forever()


if __name__ == "__main__":
    run(serve)
