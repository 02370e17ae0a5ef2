"""
A server in a process of its own, for as long as it is measured.

It is the first of a process group, where there is util-linux: what it has started and left behind is ended with it.
"""

import os
import re
import shutil
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.internet.error import ProcessExitedAlready
from twisted.python.failure import Failure

from twisted_lab.instruments.load.child import Child
from twisted_lab.instruments.load.cores import confine

#: Seconds that a server gets to start, and to end after SIGTERM.
START, GRACE = 60.0, 5.0
#: Bytes kept of what it says.
KEPT = 16384
_LISTENS = re.compile(rb" listens on (\S+)\s")


class ServerFailedError(Exception):
    """A server didn't start; the message says what it said."""


class ServerProcess(Child):
    """A server: `address` is where it listens once `start` is over, `pid` its process."""

    def __init__(self, reactor: Any, command: Sequence[str], cores: Sequence[int] = ()) -> None:
        super().__init__(reactor)
        self.address = ""
        self.pid = 0
        self._command = [*command]
        self._cores = cores
        self._said = b""
        self._listens: Deferred[None] = Deferred()
        self._ended: Deferred[None] = Deferred()
        self._leads_a_group = False

    async def start(self) -> None:
        """Start it, and wait until it listens; `ServerFailedError` if it doesn't."""
        # If we are killed, it is ended, where there is util-linux.
        setsid, setpriv = shutil.which("setsid"), shutil.which("setpriv")
        self._leads_a_group = setsid is not None
        group = [setsid] if setsid else []
        bound = [setpriv, "--pdeathsig", "TERM"] if setpriv else []
        words = [*group, *bound, *self._command]
        try:
            self.reactor.spawnProcess(self, words[0], words, env={**os.environ, "PYTHONUNBUFFERED": "1"})
        except OSError as error:
            self._ended.callback(None)
            raise ServerFailedError(f"{' '.join(self._command)} can't be started: {error.strerror}") from error
        self.pid = self.transport.pid
        confine(self.pid, self._cores)
        try:
            await self._listens.addTimeout(START, self.reactor)
        except (DeferredTimeoutError, CancelledError) as error:
            await self.stop()
            if isinstance(error, CancelledError):
                raise
            raise ServerFailedError(f"{' '.join(self._command)} didn't listen for {START:g} s") from None

    async def stop(self) -> None:
        """End it and wait until it has; with SIGKILL if it takes too long."""
        self._signal("TERM")
        killing = self.reactor.callLater(GRACE, self._signal, "KILL")
        while not self._ended.called:
            # Whoever cancels the work, again and again, mustn't leave the server behind.
            with suppress(CancelledError):
                await self._end()
        if killing.active():
            killing.cancel()

    def _end(self) -> "Deferred[None]":
        waiting: Deferred[None] = Deferred()
        self._ended.addBoth(lambda _: None if waiting.called else waiting.callback(None))
        return waiting

    def outReceived(self, data: bytes) -> None:
        """Look for where it listens."""
        self._said = (self._said + data)[-KEPT:]
        found = _LISTENS.search(self._said)
        if found and not self._listens.called:
            self.address = found[1].decode()
            self._listens.callback(None)

    def errReceived(self, data: bytes) -> None:
        """Keep what it complains of."""
        self.outReceived(data)

    def processExited(self, reason: Failure) -> None:
        """End what it has left behind."""
        if self._leads_a_group:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        super().processExited(reason)

    def processEnded(self, reason: Failure) -> None:
        """Tell who waits."""
        super().processEnded(reason)
        if not self._listens.called:
            last = self._said.decode(errors="replace").strip().rpartition("\n")[2]
            self._listens.errback(ServerFailedError(f"{' '.join(self._command)} ended: {last or reason.value}"))
        self._ended.callback(None)

    def _signal(self, name: str) -> None:
        with suppress(ProcessExitedAlready):
            if self.pid:
                self.transport.signalProcess(name)
