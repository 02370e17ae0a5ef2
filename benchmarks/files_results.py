"""What the runs of a case took, as a table, and the bars that ours has to meet."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import report
from children import Spent
from peers.way import DIRECTIONS

MEMORY_BAR = 100  # MiB of either side
MEMORY = "memory"  # a variant of ours, and what others are compared with

#: At least how many times as fast ours has to be: case, ours, its peer's name.
BARS = [
    ("big", "ours put, memory", "nginx put", 1.4),
    ("big", "ours put, memory", "nginx get", 1.4),
    ("big", "ours get, memory", "nginx get", 1.4),
    ("big", "ours put, memory", "rsync put", 1.4),
    ("big", "ours get, memory", "rsync get", 1.4),
    ("big", "ours put, memory", "socat put", 1.0),
    ("big", "ours get, memory", "socat get", 1.0),
    ("small", "ours put, memory", "rsync put", 1.2),
    ("tls", "ours put, memory, TLS", "nginx put, TLS", 1.0),
    ("tls", "ours put, memory, TLS", "nginx get, TLS", 1.0),
    ("tls", "ours get, memory, TLS", "nginx get, TLS", 1.0),
]


@dataclass(frozen=True)
class Results:
    """What the runs of a case took, one a round, by the way's name."""

    case: str
    octets: int
    files: int
    runs: Mapping[str, list[Spent]]

    def seconds(self, name: str) -> list[float]:
        """Give the seconds of each round."""
        return [spent.seconds for spent in self.runs[name]]

    def disturbed(self, name: str) -> bool:
        """Whether other programs used the machine in a run that counts."""
        return any(spent.disturbed for spent in self.runs[name])

    def numbers(self) -> dict[str, list[dict[str, Any]]]:
        """Give all of it for JSON."""
        return {name: [asdict(spent) for spent in runs] for name, runs in self.runs.items()}

    def table(self) -> str:
        """Lay out all of it."""
        rate = "MB/s" if self.files == 1 else "files/s"
        head = [self.case, "s (range)", rate, "CPU s: client", "server", "MiB: client", "server", "ours is"]
        rows = [head]
        for name, runs in self.runs.items():
            each = (self.octets / 1e6 if self.files == 1 else self.files) / median(self.seconds(name))
            cpu = [report.spread([getattr(spent, f"{side}_cpu") for spent in runs], 2) for side in ("client", "server")]
            memory = [show_memory(runs, side) for side in ("client", "server")]
            seconds = report.spread(self.seconds(name), 2)
            marked = name + "*" * self.disturbed(name)
            rows.append([marked, seconds, f"{each:,.0f}", *cpu, *memory, self._compare(name)])
        return report.table(rows)

    def _compare(self, name: str) -> str:
        """Give how many times as fast as that ours is, in the same direction, at durability memory."""
        (direction,) = (word for word in DIRECTIONS if f" {word}" in name)
        for ours in self.runs:
            if ours.startswith(f"ours {direction}, {MEMORY}"):
                return f"{report.median_ratio(self.seconds(name), self.seconds(ours)):.2f}" if name != ours else ""
        return ""

    def bars(self) -> Mapping[str, bool]:
        """Give the bars of this case, and whether each is met."""
        met = {}
        for case, ours, peer, least in BARS:
            if case == self.case and ours in self.runs and peer in self.runs:
                ratio = report.median_ratio(self.seconds(peer), self.seconds(ours))
                met[f"{case}: {ours}: at least {least} times as fast as {peer} ({ratio:.2f})"] = ratio >= least
        peaks = [
            memory.together
            for name, runs in self.runs.items()
            if name.startswith("ours")
            for spent in runs
            for memory in (spent.client, spent.server)
        ]
        if peaks:
            met[f"{self.case}: ours: under {MEMORY_BAR} MiB on either side ({max(peaks):.0f})"] = (
                max(peaks) < MEMORY_BAR
            )
        return met


def show_memory(runs: Sequence[Spent], side: str) -> str:
    """Give the highest peak of the largest process, and of all of that side together where there are several."""
    memories = [getattr(spent, side) for spent in runs]
    largest, together = (max(getattr(memory, kind) for memory in memories) for kind in ("largest", "together"))
    return f"{largest:.0f}" + (f" (all {together:.0f})" if together > largest + 0.5 else "")
