"""Who keeps the workers running: when one is replaced, and how all are stopped."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.net import workers
from twisted_lab.net.tally import Tally
from twisted_lab.net.workers import (
    LIFELINE,
    MAX_DELAY,
    READY,
    REPORT,
    SETTLED,
    STOP_MARGIN,
    TALLY,
    WorkerError,
    Workers,
)


class FakeProcess:
    """A worker's process, as its protocol sees it."""

    def __init__(self, pid: int, protocol: Any) -> None:
        self.pid = pid
        self.protocol = protocol
        self.closed: list[int] = []
        self.signals: list[str] = []
        self.over = False

    def closeChildFD(self, descriptor: int) -> None:
        """Note it."""
        self.closed.append(descriptor)

    def signalProcess(self, name: str) -> None:
        """Note it."""
        if self.over:
            raise ProcessExitedAlready
        self.signals.append(name)

    def end(self, reason: Exception | None = None) -> None:
        """Have it end."""
        self.over = True
        self.protocol.processEnded(Failure(reason or ProcessDone(0)))


class FakeReactor(Clock):
    """Starts no process, and reports in the name of each what `reports` says next: that it serves, usually."""

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[FakeProcess] = []
        self.descriptors: list[Mapping[int, Any]] = []
        self.reports: list[bytes] = []
        self.error: OSError | None = None

    def spawnProcess(  # noqa: PLR0913  # as reactors have it
        self, protocol: Any, executable: str, args: list[str], *, env: None, path: str, childFDs: Mapping[int, Any]
    ) -> None:
        """Note what would be started."""
        if self.error is not None:
            raise self.error
        os.write(childFDs[REPORT], self.reports.pop(0) if self.reports else READY)
        self.descriptors.append(childFDs)
        self.processes.append(FakeProcess(1000 + len(self.processes), protocol))
        protocol.makeConnection(self.processes[-1])


KILLED = ProcessTerminated(signal=9)


class WorkersTests(SynchronousTestCase):
    """`Workers`."""

    def setUp(self) -> None:
        """Have two workers, and a reactor without processes."""
        self.reactor = FakeReactor()
        self.workers = Workers(self.reactor, 2, "module", ["word"], directory=Path("/"))
        self.addCleanup(self.end)

    def end(self) -> None:
        """Leave nothing open."""
        if self.workers._tally >= 0:
            self.workers.stop(0.0)
            for process in self.reactor.processes:
                process.end()

    def start(self) -> list[FakeProcess]:
        """Start them."""
        self.workers.start([7])
        return self.reactor.processes

    def test_replaced_at_once(self) -> None:
        """A worker that ends is replaced in the reactor's next turn, and the log says why."""
        processes = self.start()
        with capturedLogs() as events:
            processes[0].end(KILLED)
            self.reactor.advance(0)
        self.assertEqual(len(processes), 3)
        self.assertIn("killed by signal 9", [event.get("why") for event in events])

    def test_its_connections_are_written_off(self) -> None:
        """The connections of a worker that has ended count no more."""
        processes = self.start()
        descriptor = self.reactor.descriptors[0][TALLY]
        Tally(descriptor, 2, 0).set(7)
        other = Tally(descriptor, 2, 1)
        other.set(1)
        self.assertEqual(other.elsewhere(), 7)
        processes[0].end(KILLED)
        self.assertEqual(other.elsewhere(), 0)
        self.assertEqual(Tally(descriptor, 2, 0).elsewhere(), 1)

    def test_one_that_ends_at_its_start(self) -> None:
        """One that ends at its start again and again is replaced after longer and longer, up to a bound."""
        processes = self.start()
        waited = []
        for _ in range(9):
            count = len(processes)
            processes[-1].end(ProcessTerminated(exitCode=1))
            waited.append(0.0)
            self.reactor.advance(0)
            while len(processes) == count:
                self.reactor.advance(0.5)
                waited[-1] += 0.5
        self.assertEqual(waited, [0, 1, 2, 4, 8, 16, 30, 30, 30])
        self.assertEqual(waited[-1], MAX_DELAY)

    def test_one_that_has_served(self) -> None:
        """One that has served for a while is replaced at once, however often that happens."""
        processes = self.start()
        for _ in range(5):
            self.reactor.advance(SETTLED)
            processes[-1].end(KILLED)
            self.reactor.advance(0)
        self.assertEqual(len(processes), 7)

    def test_none_can_be_made(self) -> None:
        """Where the system has no more processes, it is asked again later; at the start that is an error."""
        processes = self.start()
        self.reactor.error = OSError(11, "Resource temporarily unavailable")
        processes[0].end(KILLED)
        self.reactor.advance(0)
        self.reactor.advance(0.5)
        self.reactor.error = None
        self.reactor.advance(0.5)
        self.assertEqual(len(processes), 3)
        self.reactor.error = OSError(11, "Resource temporarily unavailable")
        error = self.assertRaises(WorkerError, Workers(self.reactor, 2, "module", [], directory=Path("/")).start, [7])
        self.assertEqual(str(error), "a worker can't be started: Resource temporarily unavailable")

    def test_one_that_cannot_start(self) -> None:
        """If one can't start, that is an error with its sentence and status, and the others are told to stop."""
        self.reactor.reports = [READY, b"66 it isn't there"]
        error = self.assertRaises(WorkerError, self.workers.start, [7])
        self.assertEqual((error.status, str(error)), (66, "a worker can't start: it isn't there"))
        self.assertEqual([process.closed for process in self.reactor.processes], [[LIFELINE]] * 2)

    def test_one_that_says_nothing(self) -> None:
        """If one ends without a word, that is said."""
        self.reactor.reports = [READY, b""]
        error = self.assertRaises(WorkerError, self.workers.start, [7])
        self.assertEqual((error.status, str(error)), (70, "a worker can't start: it ended at once"))

    def test_one_that_takes_too_long(self) -> None:
        """One that says nothing, and doesn't end, is waited for a bounded time."""
        ours, theirs = os.pipe()
        self.addCleanup(os.close, theirs)
        self.addCleanup(os.close, ours)
        self.patch(workers, "START_TIMEOUT", 0.01)
        error = self.assertRaises(WorkerError, workers._wait_for_all, [ours])
        self.assertEqual((error.status, str(error)), (69, "a worker hasn't started within 0.01 s"))

    def test_stop(self) -> None:
        """A stop cuts all lifelines, is over when all have ended, and replaces none."""
        processes = self.start()
        stopped = self.workers.stop(5.0)
        self.assertEqual([process.closed for process in processes], [[LIFELINE]] * 2)
        for process in processes:
            self.assertNoResult(stopped)
            process.end()
        self.successResultOf(stopped)
        self.reactor.advance(100)
        self.assertEqual((len(processes), self.reactor.getDelayedCalls()), (2, []))

    def test_stop_while_one_is_to_be_replaced(self) -> None:
        """A replacement that was to come doesn't."""
        processes = self.start()
        processes[0].end(KILLED)
        stopped = self.workers.stop(5.0)
        processes[1].end()
        self.successResultOf(stopped)
        self.reactor.advance(100)
        self.assertEqual(len(processes), 2)

    def test_one_that_does_not_stop(self) -> None:
        """One that hasn't stopped some time after the grace period is killed."""
        processes = self.start()
        stopped = self.workers.stop(5.0)
        processes[0].end()
        self.reactor.advance(5.0 + STOP_MARGIN)
        self.assertEqual([process.signals for process in processes], [[], ["KILL"]])
        processes[1].end(KILLED)
        self.successResultOf(stopped)
