"""A load's processes: started together, begun at one time, and what they measure put together."""

import json
import os
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from twisted_lab.instruments.load.cores import confine
from twisted_lab.instruments.load.interval import Interval
from twisted_lab.instruments.load.measurement import Measurement
from twisted_lab.instruments.load.plan import Plan
from twisted_lab.instruments.load.waiting import wait_for_all

#: Seconds between "all are ready" and the first message, for the word to reach all of them.
HEAD_START = 0.1
#: Bytes of a worker's complaint that are kept.
COMPLAINT = 4096
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

    `words` is the command of a worker, which reads its plan from its first line of standard input and the time to
    begin from its second, and writes lines of JSON: ``ready``, an ``interval`` each second, ``failed``. `show` is
    called with each interval, of all workers together; `began` when what is measured begins, and `ending` shortly
    before its end, while all connections are there. `cores`: those that the workers are to run on; none: any.
    """

    #: Seconds.
    SHORTLY = 0.1

    def __init__(
        self,
        reactor: Any,
        words: Sequence[str],
        plan: Plan,
        now: Callable[[], float],
        show: Callable[[Interval], object] = lambda _: None,
    ) -> None:
        self.cores: Sequence[int] = ()
        self.began: Callable[[], object] | None = None
        self.ending: Callable[[], object] | None = None
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

        Raises `WorkerFailedError` if it couldn't begin; all processes are gone when this ends, however that is.
        """
        plan = self._plan
        calls: list[IDelayedCall] = []
        for number in range(plan.workers):
            worker = _Worker(self)
            words = [*self._words]
            self._reactor.spawnProcess(worker, words[0], words, env=None)
            confine(worker.transport.pid, self.cores)
            worker.tell({"plan": plan.as_json(), "worker": number})
            self._workers.append(worker)
        try:
            connecting = plan.timeout + (plan.connections / plan.connect_rate if plan.connect_rate else 0)
            await self._all([worker.ready for worker in self._workers], connecting + GRACE)
            start = self._now() + HEAD_START
            for worker in self._workers:
                worker.tell({"start": start})
            begins = HEAD_START + plan.warmup
            for at, call in ((begins, self.began), (begins + plan.duration - self.SHORTLY, self.ending)):
                if call is not None:
                    calls.append(self._reactor.callLater(at, call))
            takes = plan.warmup + plan.duration + plan.timeout
            await self._all([worker.ended for worker in self._workers], takes + GRACE)
        finally:
            for delayed in calls:
                if delayed.active():
                    delayed.cancel()
            for worker in self._workers:
                worker.kill()
            await wait_for_all([worker.gone for worker in self._workers])
        return Measurement(plan, self._intervals, self._failure)

    def took(self, interval: Interval, worker: "_Worker") -> None:
        """Take a worker's interval; hand it on when it is there from all."""
        worker.intervals.append(interval)
        while all(len(each.intervals) > len(self._intervals) for each in self._workers):
            number = len(self._intervals)
            whole = Interval.together([each.intervals[number] for each in self._workers])
            self._intervals.append(whole)
            self._show(whole)

    def failed(self, sentence: str) -> None:
        """Take what a worker says of why it can't go on, and end the others."""
        self._failure = self._failure or sentence
        for worker in self._workers:
            worker.kill()

    async def _all(self, waiting: "list[Deferred[None]]", seconds: float) -> None:
        try:
            await ensureDeferred(wait_for_all(waiting)).addTimeout(seconds, self._reactor)
        except DeferredTimeoutError:
            raise WorkerFailedError(os.EX_SOFTWARE, f"a process of the load said nothing for {seconds:g} s") from None


class _Worker(ProcessProtocol):
    """A process of the load; `ready`, `ended` fire when it is, or fail with why not; `gone` always fires."""

    transport: Any

    def __init__(self, crew: Crew) -> None:
        self.intervals: list[Interval] = []
        self.ready: Deferred[None] = Deferred()
        self.ended: Deferred[None] = Deferred()
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
        if not self.gone.called:
            self.transport.signalProcess("KILL")

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
        failure: Failure | None = None
        if not reason.check(ProcessDone) and not self._killed:
            status = reason.value.exitCode if isinstance(reason.value, ProcessTerminated) else None
            said = self._complaint.decode(errors="replace").strip().removeprefix("twisted-lab: ")
            sentence = said or f"a process of the load ended: {reason.getErrorMessage()}"
            failure = Failure(WorkerFailedError(status or os.EX_SOFTWARE, sentence))
        self.gone.callback(None)
        for waiting in (self.ready, self.ended):
            if not waiting.called:
                waiting.callback(None) if failure is None else waiting.errback(failure)

    def _take(self, line: bytes) -> None:
        said = json.loads(line)
        if "ready" in said:
            self.ready.callback(None)
        elif "interval" in said:
            self._crew.took(Interval(**said["interval"]), self)
        elif "failed" in said:
            self._crew.failed(said["failed"])
