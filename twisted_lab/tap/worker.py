"""
One of the processes of ``--workers``: the same plugin, options and reactor, on sockets that it inherits.

    python -m twisted_lab.tap.worker SLOT COUNT SOCKETS REACTOR MODULE WORDS

`twisted_lab.net.workers` starts it, and says what it inherits. `MODULE` is the plugin's, and `WORDS` its command line.
"""

import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

from twisted.application.reactors import installReactor
from twisted.internet.abstract import FileDescriptor
from twisted.internet.error import ReactorNotRunning
from twisted.internet.main import CONNECTION_DONE
from twisted.logger import globalLogBeginner
from twisted.python.failure import Failure

from twisted_lab.net.inherited import InheritedSockets
from twisted_lab.net.relay import relaying_observer
from twisted_lab.net.tally import Tally
from twisted_lab.net.workers import EVENTS, FIRST_SOCKET, LIFELINE, READY, REPORT, TALLY
from twisted_lab.tap.options import Exit, Place


class Lifeline(FileDescriptor):
    """Stop the reactor when nobody holds the other end any more."""

    reactor: Any

    def fileno(self) -> int:
        """Give the descriptor."""
        return LIFELINE

    def doRead(self) -> Exception | None:
        """See the end; nothing else ever comes."""
        return None if os.read(LIFELINE, 1) else CONNECTION_DONE

    def connectionLost(self, reason: Failure) -> None:
        """Stop."""
        self.stopReading()  # type: ignore[no-untyped-call]
        with suppress(ReactorNotRunning):  # it was told to stop by a signal
            self.reactor.stop()


def main() -> None:
    """Serve until the lifeline is cut, or until SIGTERM."""
    # Ctrl-C reaches all processes of the terminal: who started this one says when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    events = os.fdopen(EVENTS, "w", buffering=1, encoding="utf-8", closefd=False)
    globalLogBeginner.beginLoggingTo([relaying_observer(events)])
    try:
        reactor = start(*sys.argv[1:])
    except Exit as error:
        report(f"{error.code} {error}".encode())
        raise
    except BaseException as error:
        report(f"{os.EX_SOFTWARE} {type(error).__name__}: {error}".encode(errors="replace"))
        raise
    report(READY)
    reactor.run()


def start(slot: str, count: str, sockets: str, reactor_name: str, module: str, *words: str) -> Any:
    """Start the service, and give the reactor in which it will run."""
    reactor: Any = installReactor(reactor_name)
    plugin = import_module(module)
    options = plugin.Options()
    tally = Tally(TALLY, int(count), int(slot))
    descriptors = range(FIRST_SOCKET, FIRST_SOCKET + int(sockets))
    options.place = Place(int(slot), InheritedSockets(reactor, descriptors, tally.is_ahead), tally)
    options.parseOptions([*words])
    service = plugin.makeService(options)
    service.privilegedStartService()
    service.startService()
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    Lifeline(reactor).startReading()  # type: ignore[no-untyped-call]
    return reactor


def report(said: bytes) -> None:
    """Tell who started this process how that went."""
    with suppress(BrokenPipeError):  # one that replaces another isn't waited for
        os.write(REPORT, said)
    os.close(REPORT)


if __name__ == "__main__":
    main()
