"""What ``twisted-lab load`` shows: a line while it runs, a table in the end."""

import sys
from collections.abc import Sequence
from typing import Any

from twisted_lab.cli.quantity import show_seconds
from twisted_lab.instruments.histogram import summary
from twisted_lab.instruments.interval import Interval
from twisted_lab.instruments.measurement import Measurement
from twisted_lab.instruments.plan import Plan

ROWS = {
    "latency": "latency, from when it was due",
    "service": "service, from when it was sent",
    "lateness": "the load's lateness",
    "loop_delay": "the load's reactor, delay",
}
COLUMNS = ("p50", "p90", "p99", "p99.9", "max")


class Progress:
    """One line on a terminal's standard error, written anew each second; none elsewhere."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._shown = sys.stderr.isatty()

    def begin(self, plan: Plan) -> None:
        """Say what is being connected to."""
        self._plan = plan
        self._write(f"connecting to {plan.target}, then {plan.warmup:g} s of warm-up")

    def show(self, interval: Interval, shown: dict[str, Any]) -> None:
        """Say what the last second was like."""
        latency = shown["seconds"]["latency"]
        self._write(
            f"{min(interval.second + 1, self._plan.duration):g} s of {self._plan.duration:g} s: "
            f"{interval.answered:,} answered/s, p50 {show_seconds(latency['p50'])}, p99 {show_seconds(latency['p99'])}"
        )

    def clear(self) -> None:
        """Take the line away."""
        self._write("")

    def _write(self, text: str) -> None:
        if self._shown:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()


def show_measurement(measurement: Measurement) -> str:
    """Give the table of a run."""
    plan = measurement.plan
    rows = [["", *COLUMNS]]
    for name, words in ROWS.items():
        if plan.rate is None and name in {"latency", "lateness"}:
            continue  # a closed loop sends when it can: nothing is due before
        numbers = summary(measurement.histograms[name])
        rows.append([words, *(show_seconds(numbers.get(column, 0)) for column in COLUMNS)])
    sent = f"{measurement.sent:,} messages sent, {measurement.rate:,.0f}/s answered"
    volume = f"{measurement.rate * plan.size / 1e6:,.2f} MB/s each way"
    busy = f"the load used {measurement.busy:.0%} of a core" + (" in each process" if plan.workers > 1 else "")
    return f"{plan.describe()}\n\n{_table(rows)}\n\n{sent}, {volume}; {busy}\n"


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    texts = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    return "\n".join(text.rstrip() for text in texts)
