"""A process that we have started, and whose end isn't that of all who have its output."""

from typing import Any

from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

#: Seconds that are waited for what it had still written when it has ended: what it has started may have its output for
#: ever.
LAST_WORDS = 1.0


class Child(ProcessProtocol):
    """Its `processEnded` is called when it has ended and all that it wrote is read, or soon after."""

    transport: Any

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self._leaving: Any = None

    def processExited(self, reason: Failure) -> None:
        """Wait for its last words, but not for ever."""
        self._leaving = self.reactor.callLater(LAST_WORDS, self.transport.loseConnection)

    def processEnded(self, reason: Failure) -> None:
        """Wait no more."""
        if self._leaving.active():
            self._leaving.cancel()
