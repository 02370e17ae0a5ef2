"""
An echo server on the standard library's socketserver, with a process for each client.

`ForkingMixIn` forks for each call of the handler, and takes notice of the children that have ended: what
``processes.py`` does by hand. It serves `max_children` at a time at most, 40 unless told otherwise, and lets the
others wait.
"""

import os
import signal
from contextlib import suppress
from socketserver import ForkingMixIn

from twisted_lab.models.command import run
from twisted_lab.models.socketserver import Server, serve_by


class ForkingServer(ForkingMixIn, Server):
    """Ends its children with itself: those that wait for a client would go on for as long as that likes."""

    max_children = 1024

    def server_close(self) -> None:
        """Stop listening, and end the children."""
        for pid in self.active_children or ():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        super().server_close()


def serve(host: str, port: int, prefix: bytes) -> None:
    """Serve until the program ends."""
    serve_by(ForkingServer, host, port, prefix)


if __name__ == "__main__":
    run(serve)
