"""Servers in memory for loads in memory: a clock decides when they answer."""

from collections.abc import Callable
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from twisted_lab.instruments.load.content import Content
from twisted_lab.instruments.load.generator import Load
from twisted_lab.instruments.load.interval import Interval
from twisted_lab.instruments.load.lanes import StreamLane
from twisted_lab.instruments.load.measurement import Measurement
from twisted_lab.instruments.load.plan import Plan

#: Seconds that a healthy server takes.
HEALTHY = 0.001


class Echoing(StringTransport):
    """A lane's transport, and the server behind it: `answers_at` gives when it answers what it has now, in order."""

    def __init__(self, clock: Clock, lane: StreamLane, answers_at: Callable[[float], float]) -> None:
        super().__init__()
        self._clock = clock
        self._lane = lane
        self._answers_at = answers_at
        self._free = 0.0

    def write(self, data: bytes) -> None:
        """Answer it when it is time, after what came before."""
        self._free = max(self._free, self._answers_at(self._clock.seconds()))
        self._clock.callLater(self._free - self._clock.seconds(), self._lane.dataReceived, data)

    def abortConnection(self) -> None:
        """Close."""
        self._lane.connectionLost(Failure(ConnectionDone()))


def prompt(now: float) -> float:
    """Answer after a millisecond."""
    return now + HEALTHY


def stalling(now: float) -> float:
    """Stall 200 ms once a second, and answer at once meanwhile."""
    return max(now, int(now) + 0.2) + HEALTHY if now % 1 < 0.2 else now + HEALTHY


def run(
    plan: Plan,
    answers_at: Callable[[float], float] = prompt,
    step: float = 0.0005,
    intervals: list[Interval] | None = None,
) -> Measurement:
    """Run a load in memory to its end, and give what it measured, also in `intervals`; raises what it does."""
    clock = Clock()
    intervals = [] if intervals is None else intervals
    content = Content(plan.size, plan.seed)
    load = Load(clock, plan, content, intervals.append, clock.seconds)
    lanes = [StreamLane(load, number, plan.window, b"") for number in plan.lanes(0)]
    for lane in lanes:
        lane.makeConnection(Echoing(clock, lane, answers_at))
    running = _start(load, lanes)
    for _ in range(round((plan.warmup + plan.duration + plan.timeout + 1) / step)):
        if running.called:
            break
        clock.advance(step)
    failed: list[Failure] = []
    running.addErrback(failed.append)
    if failed:
        failed[0].raiseException()
    return Measurement(plan, intervals)


def _start(load: Load, lanes: list[StreamLane]) -> Any:
    from twisted.internet.defer import ensureDeferred  # noqa: PLC0415

    return ensureDeferred(load.run(lanes, 0.0))
