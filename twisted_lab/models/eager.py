"""
The echo server of ``twisted.py`` on our own reactor, which sends an answer as soon as the protocol has written it.

Twisted's default one asks epoll first whether the socket takes bytes, and is told so in the next turn: that is six
system calls for a message in place of three. docs/eager.rst says more.
"""

from twisted_lab.models.command import run
from twisted_lab.models.twisted import serve_by
from twisted_lab.net import eager


def serve(host: str, port: int, prefix: bytes) -> None:
    """Serve on the eager reactor until the program ends."""
    eager.install()
    from twisted.internet import reactor  # noqa: PLC0415  # only now it is that one

    serve_by(reactor, host, port, prefix)


if __name__ == "__main__":
    run(serve)
