"""
An echo server of callbacks, on Twisted: what ``twistd -n echo`` serves.

The reactor asks the kernel (epoll on Linux) for all sockets at once, in one thread, and calls `dataReceived` of the
protocol whose socket has something. What the socket doesn't take the transport keeps; while it keeps too much, the
protocol isn't read from. `twisted_lab.echo` has the protocol.
"""

import sys
from typing import Any

from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.python.failure import Failure

from twisted_lab.echo import EchoFactory
from twisted_lab.models.command import BACKLOG, announce, run


def serve(host: str, port: int, prefix: bytes) -> None:
    """Serve on Twisted's default reactor until the program ends."""
    from twisted.internet import reactor  # noqa: PLC0415  # the first import of it chooses one

    serve_by(reactor, host, port, prefix)


def serve_by(reactor: Any, host: str, port: int, prefix: bytes) -> None:
    """Serve by that reactor."""
    failures: list[Any] = []

    def listening(port: IListeningPort) -> None:
        announce(port.socket)  # type: ignore[attr-defined]  # a TCP port has it

    def failed(failure: Failure) -> None:
        failure.trap(CannotListenError)
        failures.append(failure.value)
        reactor.callWhenRunning(reactor.stop)

    endpoint = TCP4ServerEndpoint(reactor, port, BACKLOG, host)
    endpoint.listen(EchoFactory(reactor, prefix)).addCallbacks(listening, failed)
    reactor.run()
    if failures:
        raise failures[0].socketError
    # Twisted has taken the signal, and stopped the reactor in order; the program ends as by that signal.
    sys.exit(128 + reactor._exitSignal)  # noqa: SLF001  # twistd asks it for that, too


if __name__ == "__main__":
    run(serve)
