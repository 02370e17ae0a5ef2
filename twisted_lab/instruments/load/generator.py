"""
A load: messages at a constant rate, whatever the server does, and how long each took from when it was due.

Most loads wait for a reply before they send the next message. A server that stalls then also stalls what would have
been counted against it, and looks better the worse it is ("coordinated omission", Gil Tene). Here the rate is held:
message `k` is due at ``start + k / rate``, is sent then whether or not the others are answered, and its time counts
from then (`latency`); from when it was really sent is beside it (`service`). What the load itself did wrong is measured
as well: how late messages were sent (`lateness`), and how late the reactor called (`loop_delay`).
"""

import gc
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from twisted_lab.instruments.load.alarm import make_alarm
from twisted_lab.instruments.load.content import Content
from twisted_lab.instruments.load.histogram import Times
from twisted_lab.instruments.load.interval import Interval
from twisted_lab.instruments.load.lanes import Lane
from twisted_lab.instruments.load.plan import Plan

#: Seconds between two looks at the clock when nothing is due: how late they are is the reactor's delay.
LOOK = 0.01
#: Seconds between two looks at the least: messages that are due closer together are sent together, for a look costs as
#: much as several messages.
REST = 5e-5
#: Seconds for which messages that are due are sent in one go, until the reactor has its turn: more may be due than can
#: ever be sent.
TURN = 0.005
#: Seconds that an interval has, after which what was measured is handed on.
INTERVAL = 1.0
#: Times that are counted, about, of messages that were never sent, however many there are: each stands for several.
COARSE = 100_000


def processor_wanted() -> float:
    """Give the seconds that this process was on a processor, and those that it waited for one, where that is told."""
    waited = 0.0
    with suppress(OSError, IndexError, ValueError), Path("/proc/self/schedstat").open() as file:
        waited = int(file.read().split()[1]) / 1e9
    return time.process_time() + waited


class LoadFailedError(Exception):
    """A load can't go on; the message is one sentence."""


class Load:
    """
    One process's part of a load: `run` it once its `lanes` are connected.

    `now` is a monotonic clock that all processes share; `report` is called with each `Interval`.
    """

    def __init__(
        self,
        reactor: Any,
        plan: Plan,
        content: Content,
        report: Callable[[Interval], object],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.now = now
        self.content = content
        self._reactor = reactor
        self._plan = plan
        self._report = report
        self._latency, self._service, self._lateness, self._delay = Times(), Times(), Times(), Times()
        self._lanes: Sequence[Lane] = ()
        self._over: Deferred[None] = Deferred()
        self._sent = self._answered = self._next = self._second = 0
        self._sending = False
        self._since = 0.0  # when the interval began
        self._failure: str | None = None

    async def run(self, lanes: Sequence[Lane], start: float) -> int:
        """
        Send from `start` on, until all is sent and answered; give how many answers came, those of the warm-up too.

        `LoadFailedError` if it can't be gone on with. The connections stay open until `close`.
        """
        self._lanes = lanes
        plan = self._plan
        self._measures_from = start + plan.warmup
        self._sends_until = self._measures_from + plan.duration
        self._gives_up = self._sends_until + plan.timeout
        self._next_report = self._end_of_interval()
        self._start = start
        self._since = self._measures_from
        self._sending = True
        for lane in lanes:
            each = 1 / plan.rate if plan.rate else 0.0
            lane.begin(start + lane.number * each, plan.connections * each)
        self._wanted = processor_wanted()
        self._alarm = make_alarm(self._reactor, self._ring, self.now)
        gc.freeze()  # what is there now stays; there is no need to go through it again
        try:
            self._wake_at(start)
            if self._failure is None:
                await self._over
        finally:
            self._alarm.stop()
        if self._failure is not None:
            if self.now() > self._measures_from:
                self._hand_on()
            raise LoadFailedError(self._failure)
        return sum(lane.answered for lane in lanes)

    def close(self) -> None:
        """Close all connections."""
        for lane in self._lanes:
            lane.close()

    def answered(self, lane: Lane, due: float, sent: float) -> None:
        """Count a reply, if it is to one of the messages that are measured."""
        now = self.now()
        if now >= self._measures_from:
            self._answered += now < self._sends_until
            if due >= self._measures_from:
                self._latency.record(now - due)
                self._service.record(now - sent)
        if self._plan.rate is None and self._sending:
            lane.offer()
            self._sent += now >= self._measures_from

    def failed(self, lane: Lane, what: str) -> None:
        """End the load."""
        if self._failure is None:
            self._failure = f"connection {lane.number + 1}: {what}"
            if not self._over.called:
                self._over.callback(None)

    def _wake_at(self, when: float) -> None:
        self._expected = max(when, self.now())
        self._alarm.set(when)

    def _ring(self) -> None:
        now = self.now()
        if now >= self._measures_from:
            self._delay.record(now - self._expected)
        else:
            self._wanted, self._since = processor_wanted(), now
        while now >= self._next_report:
            self._hand_on()
        if self._sending:
            self._send_due(now)
        if now >= self._gives_up or (now >= self._sends_until and self._next_due() > self._sends_until):
            self._sending = False
            self._end_if_answered(now)
        if not self._over.called:
            self._wake_at(min(max(self._next_due(), now + REST), now + LOOK))

    def _send_due(self, now: float) -> None:
        if self._plan.rate is None:
            if not self._next and now >= self._start:
                self._next = len(self._lanes)
                for lane in self._lanes:
                    lane.offer()
            return
        until = min(now, self._sends_until)
        while (due := self._next_due()) <= until:
            lane = self._lanes[self._next % len(self._lanes)]
            self._next += 1
            had_room = lane.offer()
            if due >= self._measures_from:
                self._sent += 1
                if had_room:  # else it is the server that keeps it waiting
                    self._lateness.record(self.now() - due)
            if self.now() - now > TURN:
                return

    def _next_due(self) -> float:
        """Give when the next message is due."""
        if self._plan.rate is None or not self._sending:
            return self._start if not self._next else float("inf")
        turn, place = divmod(self._next, len(self._lanes))
        lane = self._lanes[place]
        return lane.begins + turn * lane.period

    def _end_if_answered(self, now: float) -> None:
        if now < self._gives_up and any(lane.due > lane.answered for lane in self._lanes):
            return
        unanswered = 0
        for lane in self._lanes:
            for due, sent in lane.unanswered():
                # In a closed loop it is on its way while the load measures, whenever it was sent.
                if due >= self._measures_from or self._plan.rate is None:
                    unanswered += 1
                    self._latency.record(now - due)
                    self._service.record(now - sent)
            if self._plan.rate is not None:
                unanswered += self._count_unsent(lane, now)
        self._hand_on(unanswered)
        self._over.callback(None)

    def _count_unsent(self, lane: Lane, now: float) -> int:
        first = lane.first_from(self._measures_from)
        all_due = max(lane.due, lane.first_from(self._sends_until))
        self._sent += max(0, all_due - max(lane.due, first))  # there was no time to offer these
        lane.due = all_due
        unsent = 0
        for due, count in lane.unsent(first, max(1, COARSE // len(self._lanes))):
            unsent += count
            self._latency.record(now - due, count)
        return unsent

    def _end_of_interval(self) -> float:
        """Give when the interval ends that begins: one with the last messages; what comes then is one by itself."""
        begins = self._measures_from + self._second * INTERVAL
        over = begins > self._sends_until - 1e-6  # what adding has lost is no interval
        return float("inf") if over else min(begins + INTERVAL, self._sends_until)

    def _hand_on(self, unanswered: int = 0) -> None:
        wanted, now = processor_wanted(), self.now()
        interval = Interval(
            second=self._second,
            seconds=now - self._since,
            sent=self._sent,
            answered=self._answered,
            unanswered=unanswered,
            starved=sum(not lane.answered for lane in self._lanes) if unanswered else 0,
            wanted=wanted - self._wanted,
            latency=self._latency.flush(),
            service=self._service.flush(),
            lateness=self._lateness.flush(),
            loop_delay=self._delay.flush(),
        )
        self._wanted, self._since = wanted, now
        self._sent = self._answered = 0
        self._second += 1
        self._next_report = self._end_of_interval()
        self._report(interval)
