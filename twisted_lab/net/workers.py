"""
Processes that serve the same sockets, and who keeps them running.

The process that has opened the sockets accepts nothing. It starts workers, fresh processes that inherit the sockets,
takes their log, and replaces one that ends. What is between it and a worker, by the worker's descriptors:

- `LIFELINE`: nothing is ever said on it. When it is closed the worker stops, within its grace period. It is closed when
  the service stops; and by the kernel when who holds the other end dies, however that comes.
- `EVENTS` and standard error: see `relay`.
- `REPORT`: when the worker serves, "0"; when it can't, an exit status, a space, and a sentence; then it is closed.
- `TALLY`: see `tally`.
- `FIRST_SOCKET` and those after it: the sockets.
"""

import os
import select
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IDelayedCall, IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_lab.net.relay import Relay
from twisted_lab.net.tally import ITEM

LIFELINE, EVENTS, ERRORS, REPORT, TALLY, FIRST_SOCKET = range(6)
#: What a worker reports that serves.
READY = b"0"
#: Seconds that workers may take to start.
START_TIMEOUT = 60.0
#: Seconds beyond the grace period after which a worker that hasn't stopped is killed.
STOP_MARGIN = 10.0
#: A worker that ends within so many seconds has ended at its start.
SETTLED = 10.0
#: Seconds at most before one is replaced that ends at its start again and again.
MAX_DELAY = 30.0


class WorkerError(Exception):
    """The workers can't be started; the message is a sentence, and `status` an exit status that fits."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Workers:
    """
    Keep `count` workers running.

    Each is ``python -m MODULE SLOT COUNT SOCKETS WORDS``, in `directory`: its number from 0 up, which one that replaces
    it takes over, the number of workers, and that of the sockets.
    """

    log = Logger()

    def __init__(self, reactor: Any, count: int, module: str, words: Sequence[str], *, directory: Path) -> None:
        self._reactor = reactor
        self._count = count
        self._module = module
        self._words = words
        self._directory = directory
        self._tally = -1
        self._sockets: list[int] = []
        self._running: set[_Worker] = set()
        self._replacements: dict[int, IDelayedCall] = {}
        self._early = [0] * count
        self._stopped: Deferred[None] | None = None

    def start(self, sockets: Sequence[int]) -> None:
        """
        Start them, on the sockets with these descriptors; they stay the caller's, who keeps them open.

        Blocks until all of them serve, so that whoever starts a service knows whether it runs. `WorkerError` if one of
        them can't; the others stop.
        """
        self._sockets = [*sockets]
        with tempfile.TemporaryFile() as memory:
            memory.truncate(self._count * ITEM)
            self._tally = os.dup(memory.fileno())
        reports: list[int] = []
        try:
            reports.extend(self._spawn(slot) for slot in range(self._count))
            _wait_for_all(reports)
        except OSError as error:
            self.stop(0.0)
            raise WorkerError(os.EX_OSERR, f"a worker can't be started: {error.strerror}") from error
        except WorkerError:
            self.stop(0.0)
            raise
        finally:
            for report in reports:
                os.close(report)

    def stop(self, grace: float) -> "Deferred[None]":
        """Have all of them stop, which takes them `grace` seconds at most, and replace none; kill those that don't."""
        self._stopped = Deferred()
        for replacement in self._replacements.values():
            replacement.cancel()
        self._cut_lifelines()
        kill = self._reactor.callLater(grace + STOP_MARGIN, self._kill)
        self._stopped.addCallback(lambda _: kill.cancel() if kill.active() else None)
        self._see_whether_all_have_ended()
        return self._stopped

    def ended(self, worker: "_Worker", why: str) -> None:
        """Replace a worker that has ended: at once, unless it did so again at its start."""
        self._running.discard(worker)
        if self._stopped is not None:
            self._see_whether_all_have_ended()
            return
        os.pwrite(self._tally, bytes(ITEM), worker.slot * ITEM)  # it has no connections any more
        early = self._reactor.seconds() - worker.started < SETTLED
        self._early[worker.slot] = self._early[worker.slot] + 1 if early else 0
        self.log.warn("worker {worker} ended: {why}", worker=worker.pid, why=why)
        self._replace(worker.slot)

    def _replace(self, slot: int) -> None:
        times = self._early[slot]
        delay = min(2.0 ** (times - 2), MAX_DELAY) if times > 1 else 0.0
        if delay:
            text = "the next one starts in {delay:g} s, for {times} in a row ended at their start"
            self.log.warn(text, delay=delay, times=times)
        self._replacements[slot] = self._reactor.callLater(delay, self._start_replacement, slot)

    def _start_replacement(self, slot: int) -> None:
        del self._replacements[slot]
        try:
            os.close(self._spawn(slot))  # whether it serves, its log and its end tell
        except OSError as error:
            self.log.warn("a worker can't be started: {why}", why=error.strerror)
            self._early[slot] += 1
            self._replace(slot)

    def _spawn(self, slot: int) -> int:
        """Start a worker, and give the descriptor from which its report can be read."""
        report, theirs = os.pipe()
        descriptors: dict[int, Any] = {LIFELINE: "w", EVENTS: "r", ERRORS: "r", REPORT: theirs}
        descriptors |= enumerate([self._tally, *self._sockets], TALLY)
        numbers = (slot, self._count, len(self._sockets))
        # -P: what lies in the working directory must not be taken for a module.
        words = [sys.executable, "-P", "-m", self._module, *map(str, numbers), *self._words]
        worker = _Worker(self, slot, self._reactor.seconds())
        try:
            self._reactor.spawnProcess(
                worker, sys.executable, words, env=None, path=str(self._directory), childFDs=descriptors
            )
        except OSError:
            os.close(report)
            raise
        finally:
            os.close(theirs)
        self._running.add(worker)
        self.log.info("worker {worker} starts", worker=worker.pid)
        return report

    def _cut_lifelines(self) -> None:
        for worker in self._running:
            worker.transport.closeChildFD(LIFELINE)

    def _kill(self) -> None:
        for worker in self._running:
            self.log.warn("worker {worker} hasn't stopped, and is killed", worker=worker.pid)
            with suppress(ProcessExitedAlready):
                worker.transport.signalProcess("KILL")

    def _see_whether_all_have_ended(self) -> None:
        if self._stopped is not None and not self._running:
            if self._tally >= 0:
                os.close(self._tally)
                self._tally = -1
            self._stopped.callback(None)


class _Worker(ProcessProtocol):
    """A worker's process."""

    transport: IProcessTransport

    def __init__(self, workers: Workers, slot: int, started: float) -> None:
        self.slot = slot
        self.started = started
        self.pid = 0
        self._workers = workers

    def connectionMade(self) -> None:
        self.pid = self.transport.pid  # which the transport forgets
        relay = Relay(self.pid)
        self._lines = {EVENTS: relay.events, ERRORS: relay.errors}

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        self._lines[childFD].feed(data)

    def processEnded(self, reason: Failure) -> None:
        for lines in self._lines.values():
            lines.end()
        self._workers.ended(self, _show_end(reason.value))


def _wait_for_all(reports: Sequence[int]) -> None:
    """Wait until all who write the `reports` serve; `WorkerError` if one doesn't."""
    deadline = time.monotonic() + START_TIMEOUT
    for report in reports:
        said = b""
        while select.select([report], [], [], max(deadline - time.monotonic(), 0.0))[0]:
            piece = os.read(report, 4096)
            if not piece:
                break
            said += piece
        else:
            raise WorkerError(os.EX_UNAVAILABLE, f"a worker hasn't started within {START_TIMEOUT:g} s")
        if said != READY:
            status, _, sentence = said.decode(errors="replace").partition(" ")
            raise WorkerError(int(status or os.EX_SOFTWARE), f"a worker can't start: {sentence or 'it ended at once'}")


def _show_end(end: BaseException | None) -> str:
    if isinstance(end, ProcessTerminated | ProcessDone):
        return f"exit status {end.exitCode}" if end.signal is None else f"killed by signal {end.signal}"
    return str(end)
