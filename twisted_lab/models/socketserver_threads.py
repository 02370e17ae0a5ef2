"""
An echo server on the standard library's socketserver, with a thread for each client.

`ThreadingMixIn` starts one for each call of the handler: what ``threads.py`` does by hand.
"""

from socketserver import ThreadingMixIn

from twisted_lab.models.command import run
from twisted_lab.models.socketserver import Server, serve_by


class ThreadingServer(ThreadingMixIn, Server):
    """Its threads end with the program."""

    daemon_threads = True


def serve(host: str, port: int, prefix: bytes) -> None:
    """Serve until the program ends."""
    serve_by(ThreadingServer, host, port, prefix)


if __name__ == "__main__":
    run(serve)
