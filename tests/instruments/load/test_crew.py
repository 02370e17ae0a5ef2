"""A load's processes, in memory: what becomes of the load when one of them, or who looks on, can't go on."""

import json
from typing import Any

from twisted.internet.defer import ensureDeferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.instruments.load.test_measurement import OPEN, interval
from twisted_lab.instruments.load.child import LAST_WORDS
from twisted_lab.instruments.load.crew import Crew, WorkerFailedError
from twisted_lab.instruments.load.plan import Plan


class Processes(Clock):
    """A clock whose processes the test ends."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[FakeProcess] = []

    def spawnProcess(self, protocol: Any, *_: object, **__: object) -> None:
        """Start one."""
        process = FakeProcess(protocol)
        self.started.append(process)
        protocol.makeConnection(process)


class FakeProcess:
    """A process of which somebody else may have the standard output: then that stays open when the process ends."""

    pid = 0

    def __init__(self, protocol: Any) -> None:
        self.protocol = protocol
        self.runs = True
        self.is_shared = False
        self._reason: Any = None

    def write(self, data: bytes) -> None:
        """Take a line."""

    def say(self, **what: object) -> None:
        """Write a line."""
        self.protocol.outReceived(json.dumps(what).encode() + b"\n")

    def end(self, status: int = 0) -> None:
        """End, and unless somebody has it, close the standard output."""
        self.runs = False
        self._reason = Failure(ProcessTerminated(status) if status else ProcessDone(0))
        self.protocol.processExited(self._reason)
        if not self.is_shared:
            self.loseConnection()

    def signalProcess(self, name: str) -> None:
        """End by it."""
        if not self.runs:
            raise ProcessExitedAlready
        self.end(9)

    def loseConnection(self) -> None:
        """Close what is open."""
        if self._reason is not None:
            reason, self._reason = self._reason, None
            self.protocol.processEnded(reason)


class CrewTests(SynchronousTestCase):
    """`Crew`."""

    def start(self, show: Any, workers: int = 2) -> None:
        """Start a crew whose processes are all ready."""
        self.reactor = Processes()
        plan = Plan(**{**OPEN.as_json(), "connections": workers, "workers": workers})
        crew = Crew(self.reactor, ["load"], plan, self.reactor.seconds, show)
        self.running = ensureDeferred(crew.run())
        for process in self.reactor.started:
            process.say(ready=True)

    def report(self) -> None:
        """Let each process measure a second."""
        for process in self.reactor.started:
            process.say(interval=interval(0).as_json())

    def test_what_cant_be_shown_ends_the_load(self) -> None:
        """Who reads the output has gone, or the disk is full: that is raised at once, and no process goes on."""
        for error in (BrokenPipeError(), SystemExit(73)):
            shown: list[object] = []

            def show(interval: object, error: BaseException = error, shown: list[object] = shown) -> None:
                shown.append(interval)
                raise error

            self.start(show)
            self.report()
            self.assertIs(self.failureResultOf(self.running).value, error)
            self.assertFalse(any(process.runs for process in self.reactor.started))
            self.assertEqual(self.reactor.getDelayedCalls(), [])
            self.report()  # what was still on its way
            self.assertEqual(len(shown), 1)

    def test_a_process_that_ends_is_told(self) -> None:
        """With its own words, and the others end too."""
        shown: list[object] = []
        self.start(shown.append)
        self.report()
        first, second = self.reactor.started
        first.protocol.errReceived(b"twisted-lab: no memory\n")
        first.end(71)
        error = self.failureResultOf(self.running, WorkerFailedError).value
        self.assertEqual((str(error), error.status), ("no memory", 71))
        self.assertFalse(second.runs)
        self.assertEqual(len(shown), 1)

    def test_what_a_process_started_isnt_waited_for(self) -> None:
        """A client of the user's own may start something that goes on, and has its standard output."""
        self.start(lambda _: None, workers=1)
        (process,) = self.reactor.started
        process.is_shared = True
        self.report()
        process.say(over=100)
        process.end()
        self.reactor.advance(LAST_WORDS)
        measured = self.successResultOf(self.running)
        self.assertEqual((measured.sent, measured.answers), (100, 100))
