"""
An echo server on the standard library's socketserver, with a thread for each client.

`ThreadingMixIn` starts one for each call of the handler: what ``threads.py`` does by hand.
"""

import socket
import time
from socketserver import ThreadingMixIn
from typing import Any

from twisted_lab.models.command import run
from twisted_lab.models.socketserver import Server, serve_by
from twisted_lab.models.threads import REST


class ThreadingServer(ThreadingMixIn, Server):
    """Its threads end with the program."""

    daemon_threads = True

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a client; if too many files are open, rest: the library would try again at once, for ever."""
        try:
            return super().get_request()
        except OSError:  # who comes waits in the kernel's queue
            time.sleep(REST)
            raise


def serve(host: str, port: int, prefix: bytes) -> None:
    """Serve until the program ends."""
    serve_by(ThreadingServer, host, port, prefix)


if __name__ == "__main__":
    run(serve)
