"""Twisted's own proxy, twisted.protocols.portforward: argument is the server's port; prints where it listens."""

import sys
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.protocols.portforward import ProxyFactory

reactor: Any = _reactor


def main() -> None:
    """Forward until killed."""
    port = reactor.listenTCP(0, ProxyFactory("127.0.0.1", int(sys.argv[1])), interface="127.0.0.1")
    print(f"127.0.0.1:{port.getHost().port}", flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
