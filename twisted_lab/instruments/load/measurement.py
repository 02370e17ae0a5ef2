"""What a load has measured in all, and whether it is to be believed."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from twisted_lab.instruments.load.histogram import merge, percentile, summary
from twisted_lab.instruments.load.interval import HISTOGRAMS, Interval
from twisted_lab.instruments.load.plan import Plan

PASS, FAIL, UNKNOWN = 0, 1, 2
#: Seconds that the load itself may be late, at the 99th percentile, whatever the server does.
TOLERATED = 0.001
#: And as a share of what the server takes for a message, where that is more.
SHARE = 0.1
#: Share of a core, used or waited for, from which on the load is taken to be the bottleneck, if it is behind as well.
SATURATED = 0.9
#: Share of the offered rate that must be answered for the load not to be behind.
KEPT_UP = 0.99


class Measurement:
    """
    A load's intervals as one measurement.

    Times are in seconds, rates in messages a second. `answers`: those of the warm-up too; None if the load was broken
    off.
    """

    def __init__(
        self, plan: Plan, intervals: Sequence[Interval], failure: str | None = None, answers: int | None = None
    ) -> None:
        self.plan = plan
        self.intervals = intervals
        self.failure = failure
        self.answers = answers

    @property
    def sent(self) -> int:
        """Messages that were due after the warm-up."""
        return sum(interval.sent for interval in self.intervals)

    @property
    def unanswered(self) -> int:
        """Messages that had no answer when the load gave up."""
        return sum(interval.unanswered for interval in self.intervals)

    @property
    def starved(self) -> int:
        """Connections that had no answer at all."""
        return self.intervals[-1].starved if self.intervals else 0

    @property
    def seconds(self) -> float:
        """How long messages were sent and counted: the plan's duration, or less if the load was broken off."""
        return min(self.plan.duration, sum(interval.seconds for interval in self.intervals))

    @property
    def rate(self) -> float:
        """Answers a second while messages were being sent."""
        return sum(interval.answered for interval in self.intervals) / self.seconds if self.seconds else 0.0

    @property
    def busy(self) -> float:
        """The share of a core that each of the load's processes used, or waited for, while messages were being sent."""
        sending = [interval for interval in self.intervals if interval.second < self.plan.duration]
        seconds = sum(interval.seconds for interval in sending)
        return sum(interval.wanted for interval in sending) / seconds / self.plan.workers if seconds else 0.0

    @cached_property
    def histograms(self) -> dict[str, Any]:
        """The histograms of all intervals together, by name."""
        return {name: merge(getattr(each, name) for each in self.intervals) for name in HISTOGRAMS}

    @cached_property
    def summaries(self) -> dict[str, dict[str, float]]:
        """The percentiles that are shown of each histogram, with its mean, its largest and its count, by name."""
        return {name: summary(histogram) for name, histogram in self.histograms.items()}

    def percentile(self, name: str, percent: float) -> float:
        """Give a percentile of a histogram."""
        return percentile(self.histograms[name], percent)

    @property
    def bottleneck(self) -> str | None:
        """Why the load itself, not the server, may have been what was measured; None if it wasn't."""
        saturated = f"the load used, or waited for, {self.busy:.0%} of a core in each of its processes"
        if self.plan.rate is None:
            # A late reactor is late with the next message as well, so it isn't held against the server.
            return saturated if self.busy >= SATURATED else None
        if self.busy >= SATURATED and self.rate < KEPT_UP * self.plan.rate:
            return f"{saturated}, and fell behind"
        # Not of the latency, for what the load itself is behind is in it.
        tolerated = max(TOLERATED, SHARE * self.percentile("service", 99))
        for name, what in (("lateness", "sent its messages late"), ("loop_delay", "looked at its sockets late")):
            late = self.percentile(name, 99)
            if late > tolerated:
                return f"the load {what}: p99 {late * 1000:.3g} ms, more than {tolerated * 1000:.3g} ms"
        return None

    @property
    def verdict(self) -> tuple[int, str]:
        """The exit status, and a sentence that says why."""
        if self.failure is not None:
            return FAIL, self.failure
        if self.bottleneck is not None:
            return UNKNOWN, f"{self.bottleneck}: this says little of the server"
        if not self.sent and not self.unanswered:
            return UNKNOWN, "no message was due after the warm-up"
        if self.unanswered:
            waited = f"{self.plan.timeout:g} s after the last was due"
            return FAIL, f"{self.unanswered:,} messages had no answer {waited}; they count with the time they waited"
        return PASS, "every reply was right, and the load wasn't the bottleneck"

    def as_json(self) -> dict[str, Any]:
        """Give it for JSON, without the histograms themselves."""
        status, sentence = self.verdict
        return {
            "plan": self.plan.as_json(),
            "exit": status,
            "verdict": sentence,
            "rate": self.rate,
            "sent": self.sent,
            "unanswered": self.unanswered,
            "starved": self.starved,
            "busy": self.busy,
            "seconds": self.summaries,
        }
