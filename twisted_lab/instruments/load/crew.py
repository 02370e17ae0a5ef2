"""A load's processes: started together, begun at one time, and what they measure put together."""

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.python.failure import Failure

from twisted_lab.instruments.load.child import Child
from twisted_lab.instruments.load.cores import confine
from twisted_lab.instruments.load.interval import Interval
from twisted_lab.instruments.load.measurement import Measurement
from twisted_lab.instruments.load.plan import Plan
from twisted_lab.instruments.load.waiting import wait_for_all

#: Seconds between "all are ready" and the first message, for the word to reach all of them.
HEAD_START = 0.1
#: Bytes of a worker's complaint that are kept.
COMPLAINT = 4096
#: Exit statuses of a worker that says why in a sentence, and of one that was interrupted.
SENTENCES, INTERRUPTED = range(os.EX_USAGE, os.EX_CONFIG + 1), 130
#: Seconds that a worker gets beyond what its plan takes.
GRACE = 30.0


class WorkerFailedError(Exception):
    """A worker couldn't begin; `status` is its exit status, and the message what it said."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Crew:
    """
    The processes of a load.

    `words` is the command of a worker. It reads its plan from its first line of standard input, the time to begin from
    its second, and from its third that it may close its connections; it writes lines of JSON: ``ready``, an
    ``interval`` each second, ``over`` or ``failed``. `show` is called with each interval, of all workers together;
    `ready` when all connections are there and nothing is sent yet, and `over` when all is answered and they are still
    there. `cores`: those that the workers are to run on; none: any.
    """

    def __init__(
        self,
        reactor: Any,
        words: Sequence[str],
        plan: Plan,
        now: Callable[[], float],
        show: Callable[[Interval], object] = lambda _: None,
    ) -> None:
        self.cores: Sequence[int] = ()
        self.ready: Callable[[], object] = lambda: None
        self.over: Callable[[], object] = lambda: None
        self._reactor = reactor
        self._words = words
        self._plan = plan
        self._now = now
        self._show = show
        self._workers: list[_Worker] = []
        self._intervals: list[Interval] = []
        self._failure: str | None = None

    async def run(self) -> Measurement:
        """
        Run the load and give what it measured.

        Raises `WorkerFailedError` if a process couldn't begin or go on, and what `show` raises; all processes are gone
        when this ends, however that is.
        """
        plan = self._plan
        answers: list[int] | None = None
        try:
            for number in range(plan.workers):
                self._start(number)
            # That of the question, its answer, and those that are measured.
            connecting = 3 * plan.connect_timeout + (plan.connections / plan.connect_rate if plan.connect_rate else 0)
            await self._all([worker.ready for worker in self._workers], connecting + GRACE)
            self.ready()
            self._tell({"start": self._now() + HEAD_START})
            takes = plan.warmup + plan.duration + plan.timeout
            answers = await self._all([worker.over for worker in self._workers], takes + GRACE)
            if self._failure is None:
                self.over()
                self._tell({"close": True})
                await self._all([worker.ended for worker in self._workers], GRACE)
        finally:
            for worker in self._workers:
                worker.kill()
            await wait_for_all([worker.gone for worker in self._workers])
            for worker in self._workers:
                worker.forget()
        return Measurement(plan, self._intervals, self._failure, sum(answers) if self._failure is None else None)

    def took(self, interval: Interval, worker: "_Worker") -> None:
        """Take a worker's interval; hand it on when it is there from all."""
        worker.intervals.append(interval)
        while all(len(each.intervals) > len(self._intervals) for each in self._workers):
            number = len(self._intervals)
            whole = Interval.together([each.intervals[number] for each in self._workers])
            self._intervals.append(whole)
            try:
                self._show(whole)
            except (Exception, SystemExit):  # noqa: BLE001  # the reactor, who calls us, would only log it
                self._show = lambda _: None
                self._break_off(Failure())

    def failed(self, sentence: str) -> None:
        """Take what a worker says of why it can't go on, and end the others."""
        self._failure = self._failure or sentence
        for worker in self._workers:
            worker.kill()

    def _break_off(self, failure: Failure) -> None:
        for worker in self._workers:
            worker.fail(failure)

    def _start(self, number: int) -> None:
        worker = _Worker(self, self._reactor)
        words = [*self._words]
        try:
            self._reactor.spawnProcess(worker, words[0], words, env=None)
        except OSError as error:
            raise WorkerFailedError(os.EX_OSERR, f"a process of the load can't be started: {error.strerror}") from error
        self._workers.append(worker)
        confine(worker.transport.pid, self.cores)
        worker.tell({"plan": self._plan.as_json(), "worker": number})

    def _tell(self, what: dict[str, Any]) -> None:
        for worker in self._workers:
            worker.tell(what)

    async def _all(self, waiting: "Sequence[Deferred[int]]", seconds: float) -> list[int]:
        try:
            return await ensureDeferred(wait_for_all(waiting)).addTimeout(seconds, self._reactor)
        except DeferredTimeoutError:
            raise WorkerFailedError(os.EX_SOFTWARE, f"a process of the load said nothing for {seconds:g} s") from None


class _Worker(Child):
    """A process of the load; `ready`, `over`, `ended` fire when it is, or fail with why not; `gone` always fires."""

    def __init__(self, crew: Crew, reactor: Any) -> None:
        super().__init__(reactor)
        self.intervals: list[Interval] = []
        self.ready: Deferred[int] = Deferred()
        self.over: Deferred[int] = Deferred()
        self.ended: Deferred[int] = Deferred()
        self.gone: Deferred[None] = Deferred()
        self._crew = crew
        self._complaint = b""
        self._killed = False
        self._rest = b""

    def tell(self, what: dict[str, Any]) -> None:
        """Write a line to it."""
        self.transport.write(json.dumps(what).encode() + b"\n")

    def kill(self) -> None:
        """End it, if it runs."""
        self._killed = True
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")

    def fail(self, failure: Failure) -> None:
        """Let who waits for it have this failure."""
        for waiting in (self.ready, self.over, self.ended):
            if not waiting.called:
                waiting.errback(failure)

    def forget(self) -> None:
        """Drop the failures that nobody waits for: the first of them has been told."""
        for waiting in (self.ready, self.over, self.ended):
            waiting.addErrback(lambda _: 0)

    def outReceived(self, data: bytes) -> None:
        """Take lines; each is bounded by the histograms of an interval."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line)

    def errReceived(self, data: bytes) -> None:
        """Keep what it complains of."""
        self._complaint = (self._complaint + data)[:COMPLAINT]

    def processEnded(self, reason: Failure) -> None:
        """Tell who waits."""
        super().processEnded(reason)
        failure: Failure | None = None
        if not self._killed and not (reason.check(ProcessDone) and self.over.called):
            status = reason.value.exitCode if isinstance(reason.value, ProcessTerminated) else None
            said = self._complaint.decode(errors="replace").strip().removeprefix("twisted-lab: ")
            early = "a process of the load ended before the load was over"
            # What a client of the user's own ends the process with isn't ours to pass on.
            ours = status == INTERRUPTED or status in SENTENCES
            failure = Failure(WorkerFailedError(status if status and ours else os.EX_SOFTWARE, said or early))
        self.gone.callback(None)
        if failure is not None:
            self.fail(failure)
        for waiting in (self.ready, self.over, self.ended):
            if not waiting.called:
                waiting.callback(0)

    def _take(self, line: bytes) -> None:
        said = json.loads(line)
        if "ready" in said:
            self.ready.callback(0)
        elif "over" in said:
            self.over.callback(said["over"])
        elif "interval" in said:
            self._crew.took(Interval(**said["interval"]), self)
        elif "failed" in said:
            self._crew.failed(said["failed"])
