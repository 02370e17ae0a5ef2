"""
The echo server of ``asyncio_protocol.py`` on uvloop: asyncio's event loop written anew in C, on libuv, which Node has
too.

The kernel does the same for it: epoll. What is saved is Python between two of its calls. It has to be installed:
``pip install uvloop``.
"""

import os
import sys

from twisted_lab.models.asyncio_protocol import listen
from twisted_lab.models.command import run


def serve(host: str, port: int, prefix: bytes) -> None:
    """Serve until the program ends."""
    try:
        import uvloop  # noqa: PLC0415  # what isn't there is told
    except ImportError:
        print("uvloop isn't installed: pip install uvloop", file=sys.stderr)
        sys.exit(os.EX_UNAVAILABLE)
    uvloop.run(listen(host, port, prefix))


if __name__ == "__main__":
    run(serve)
