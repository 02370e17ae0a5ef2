"""``python -m twisted_lab.cli.serve SPECIMEN``: its server on a free port of 127.0.0.1, while it is compared."""

import sys
from typing import Any

from twisted_lab.specimen import find


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    from twisted.internet import reactor as _reactor

    reactor: Any = _reactor
    name = sys.argv[1]
    port = reactor.listenTCP(0, find(name).server(reactor), backlog=1024, interface="127.0.0.1")
    sys.stdout.write(f"{name} listens on 127.0.0.1:{port.getHost().port}\n")
    sys.stdout.flush()
    reactor.run()


if __name__ == "__main__":
    main()
