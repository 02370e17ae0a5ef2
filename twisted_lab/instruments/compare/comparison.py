"""A comparison's samples, and what they say of each contestant."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from twisted_lab.instruments.compare import bootstrap

#: What is measured of each run: rates a second, times in seconds, memory in bytes; `cpu`, `switches` and `syscalls` of
#: one message.
QUANTITIES = (
    "rate",
    "p50",
    "p99",
    "p99.9",
    "cpu",
    "memory",
    "memory_per_connection",
    "threads",
    "processes",
    "switches",
    "syscalls",
)


@dataclass(frozen=True)
class Sample:
    """
    One run: of which contestant, at how many connections, in which round, and its numbers, by `QUANTITIES`.

    `bottleneck` says why the load itself may have been what was measured, `unanswered` how many messages had no answer
    in the end, `starved` how many connections had none at all, and `failure` why there are no numbers.
    """

    contestant: str
    connections: int
    round: int
    numbers: dict[str, float] = field(default_factory=dict)
    bottleneck: str = ""
    unanswered: int = 0
    starved: int = 0
    failure: str = ""

    def as_json(self) -> dict[str, Any]:
        """Give it for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Row:
    """
    What all rounds say of a contestant at a number of connections: medians, and where there were rounds enough, the
    bootstrap's intervals of them.

    `ratio` is that of its rate, or where all were offered the same rate of its p99, to the first contestant's, round by
    round, with its interval; None for the first one, and where it has no numbers. `limited`: the load was the
    bottleneck in some rounds; `starved`: connections that had no answer at all, at most.
    """

    contestant: str
    connections: int
    rounds: int
    medians: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    ratio: tuple[float, tuple[float, float] | None] | None
    limited: bool
    starved: int
    notes: list[str]

    @property
    def differs(self) -> bool | None:
        """Whether a difference to the first one is shown; None if there were too few rounds to tell."""
        if self.ratio is None or self.ratio[1] is None:
            return None
        return bootstrap.shows_difference(self.ratio[1])


class Comparison:
    """All samples. `judged` is the quantity by which contestants are compared with the first one."""

    def __init__(self, contestants: Sequence[str], connections: Sequence[int], judged: str, seed: int) -> None:
        self.contestants = contestants
        self.connections = connections
        self.judged = judged
        self.seed = seed
        self.samples: list[Sample] = []

    def add(self, sample: Sample) -> None:
        """Take a run."""
        self.samples.append(sample)

    @property
    def failures(self) -> list[str]:
        """A sentence for each run that failed."""
        failed = (sample for sample in self.samples if sample.failure)
        return [f"{sample.contestant}, {counted(sample.connections)}: {sample.failure}" for sample in failed]

    def rows(self, connections: int) -> list[Row]:
        """Give the rows of all contestants at a number of connections, in their order."""
        return [self._row(name, connections) for name in self.contestants]

    def series(self, contestant: str, connections: int, quantity: str) -> dict[int, float]:
        """Give a quantity by round, where it was measured."""
        return {
            sample.round: sample.numbers[quantity]
            for sample in self.samples
            if (sample.contestant, sample.connections) == (contestant, connections) and quantity in sample.numbers
        }

    def as_json(self) -> dict[str, Any]:
        """Give samples and rows for JSON."""
        return {
            "contestants": [*self.contestants],
            "connections": [*self.connections],
            "judged": self.judged,
            "samples": [sample.as_json() for sample in self.samples],
            "rows": [{**asdict(row), "differs": row.differs} for count in self.connections for row in self.rows(count)],
        }

    def _row(self, contestant: str, connections: int) -> Row:
        medians, intervals = {}, {}
        for quantity in QUANTITIES:
            values = [*self.series(contestant, connections, quantity).values()]
            if values:
                medians[quantity] = median(values)
                if len(values) >= bootstrap.FEWEST:
                    intervals[quantity] = bootstrap.interval(values, self.seed)
        samples = [
            sample for sample in self.samples if (sample.contestant, sample.connections) == (contestant, connections)
        ]
        ratio = self._ratio(contestant, connections)
        starved = max((sample.starved for sample in samples), default=0)
        limited = _limited(samples) > 0
        notes = _notes(samples)
        return Row(contestant, connections, len(samples), medians, intervals, ratio, limited, starved, notes)

    def _ratio(self, contestant: str, connections: int) -> tuple[float, tuple[float, float] | None] | None:
        first = self.contestants[0]
        mine = self.series(contestant, connections, self.judged)
        theirs = self.series(first, connections, self.judged)
        shared = [number for number in mine if theirs.get(number)]
        if contestant == first or not shared:
            return None
        values, reference = [mine[number] for number in shared], [theirs[number] for number in shared]
        middle = median(value / other for value, other in zip(values, reference, strict=True))
        enough = len(shared) >= bootstrap.FEWEST
        return middle, bootstrap.paired_ratio(values, reference, self.seed) if enough else None


def counted(connections: int) -> str:
    """Give ``1 connection``, ``32 connections``."""
    return f"{connections:,} connection{'s' if connections > 1 else ''}"


def _limited(samples: Sequence[Sample]) -> int:
    return sum(bool(sample.bottleneck) for sample in samples)


def _notes(samples: Sequence[Sample]) -> list[str]:
    notes = []
    if limited := _limited(samples):
        notes.append(f"the load was the bottleneck in {limited} of {len(samples)} runs: the server may do better")
    starved = max((sample.starved for sample in samples), default=0)
    if starved:
        notes.append(f"up to {starved:,} of {counted(samples[0].connections)} had no answer at all")
    elif waiting := max((sample.unanswered for sample in samples), default=0):
        notes.append(f"up to {waiting:,} messages had no answer in the end; they count with the time they waited")
    notes += sorted({sample.failure for sample in samples if sample.failure})
    return notes
