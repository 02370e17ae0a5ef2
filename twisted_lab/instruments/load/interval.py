"""What a load measured in a second, in one process or in all of them together."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from twisted_lab.instruments.load.histogram import merge

SUMS = ("sent", "answered", "unanswered", "starved", "wanted")
HISTOGRAMS = ("latency", "service", "lateness", "loop_delay")


@dataclass(frozen=True)
class Interval:
    """
    One second of a load, from the end of the warm-up on; the last one is what came after all was sent.

    `seconds`: how long it was; `sent`, `answered`, `unanswered`: messages; `starved`: connections that had no answer at
    all, in the end; `wanted`: seconds of processor time that the load used, or waited for. The histograms of
    microseconds are in HdrHistogram's own encoding: `latency` is from when a message was due, `service` from when it
    was sent, `lateness` from when it was due until it was sent, and `loop_delay` how late the reactor called.
    """

    second: int
    seconds: float
    sent: int
    answered: int
    unanswered: int
    starved: int
    wanted: float
    latency: str
    service: str
    lateness: str
    loop_delay: str

    @classmethod
    def together(cls, parts: Sequence[Self]) -> Self:
        """Give the same interval of all processes as one."""
        first = parts[0]
        if len(parts) == 1:
            return first
        sums = {name: sum(getattr(part, name) for part in parts) for name in SUMS}
        merged = {name: merge(getattr(part, name) for part in parts).encode().decode() for name in HISTOGRAMS}
        return cls(second=first.second, seconds=max(part.seconds for part in parts), **sums, **merged)

    def as_json(self) -> dict[str, Any]:
        """Give it for JSON; `Interval(**…)` is the way back."""
        return asdict(self)
