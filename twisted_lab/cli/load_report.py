"""What ``twisted-lab load`` shows: a line while it runs, a table in the end."""

from typing import Any

from twisted_lab.cli.measuring import StatusLine
from twisted_lab.cli.tables import table
from twisted_lab.instruments.load.interval import Interval
from twisted_lab.instruments.load.measurement import Measurement
from twisted_lab.instruments.load.plan import Plan
from twisted_lab.instruments.load.table import times, totals
from twisted_lab.instruments.units import show_seconds


class Progress:
    """What a terminal is shown meanwhile: a line, written anew each second."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._line = StatusLine()

    def begin(self, plan: Plan) -> None:
        """Say what is being connected to."""
        self._plan = plan
        self._line.show(f"connecting to {plan.target}, then {plan.warmup:g} s of warm-up")

    def show(self, interval: Interval, shown: dict[str, Any]) -> None:
        """Say what the last second was like."""
        if interval.second >= self._plan.duration:
            return  # what is left over
        latency = shown["percentiles"]["latency"]
        times = [f", {name} {show_seconds(latency[name])}" for name in ("p50", "p99") if latency[name] is not None]
        self._line.show(
            f"{min(interval.second + 1, self._plan.duration):g} s of {self._plan.duration:g} s: "
            f"{interval.answered:,} answered/s{''.join(times)}"
        )

    def clear(self) -> None:
        """Take the line away."""
        self._line.clear()


def show_measurement(measurement: Measurement) -> str:
    """Give what is printed of a run."""
    return f"{measurement.plan.describe()}\n\n{table(times(measurement))}\n\n{totals(measurement)}\n"
