"""
RFC 862 with a bare Protocol, as in Twisted's own examples: ``python twisted_protocol.py [REACTOR]``.

Without a name it runs on Twisted's default reactor. TCP_NODELAY is off, as Twisted has it; with one outstanding
message a connection Nagle's algorithm has nothing to wait for.
"""

import sys
from typing import Any

from twisted.application.reactors import installReactor
from twisted.internet.protocol import Factory, Protocol


class Echo(Protocol):
    """Send back what comes."""

    transport: Any

    def dataReceived(self, data: bytes) -> None:
        """Do so."""
        self.transport.write(data)


def main() -> None:
    """Serve."""
    if len(sys.argv) > 1:
        installReactor(sys.argv[1])
    from twisted.internet import reactor as installed  # noqa: PLC0415  # importing it chooses the default one

    reactor: Any = installed
    port = reactor.listenTCP(0, Factory.forProtocol(Echo), backlog=1024, interface="127.0.0.1")
    print(f"127.0.0.1:{port.getHost().port}", flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
