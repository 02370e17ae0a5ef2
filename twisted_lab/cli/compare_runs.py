"""Two runs of ``twisted-lab load`` side by side."""

import json
import os
import sys
from pathlib import Path
from statistics import median

from twisted_lab.cli.session import stop
from twisted_lab.cli.tables import table
from twisted_lab.instruments.compare import bootstrap
from twisted_lab.instruments.load.histogram import merge, percentile
from twisted_lab.instruments.load.measurement import UNKNOWN, Measurement
from twisted_lab.instruments.load.saved import restore
from twisted_lab.instruments.run_directory import RunDirectory
from twisted_lab.instruments.units import show


def compare_runs(one: Path, other: Path, *, as_json: bool, seed: int) -> int:
    """Print how the second differs from the first, second by second; give 0, or 2 if that can't be told."""
    try:
        first, second = (restore(RunDirectory.find(path)) for path in (one, other))
    except LookupError as error:
        stop(os.EX_NOINPUT, str(error))
    for path, run in ((one, first), (other, second)):
        if run.failure is not None or run.bottleneck is not None:
            stop(UNKNOWN, f"{path} can't be compared: {run.failure or run.bottleneck}")
    if (first.plan.rate is None) != (second.plan.rate is None):
        stop(os.EX_USAGE, "one is a closed loop and the other isn't: service times can't be compared with latencies")
    a, b = _seconds_of(first), _seconds_of(second)
    if min(len(values) for seconds in (a, b) for values in seconds.values()) < bootstrap.FEWEST:
        stop(UNKNOWN, f"the runs are too short to tell: {bootstrap.FEWEST} s each with answers are needed")
    rows = [["", "the first", "the second", "ratio (95 %)", ""]]
    result = {}
    for quantity in a:
        before, after = median(a[quantity]), median(b[quantity])
        low, high = bootstrap.ratio(b[quantity], a[quantity], seed)
        differs = bootstrap.shows_difference((low, high))
        result[quantity] = {"first": before, "second": after, "ratio": after / before}
        result[quantity] |= {"low": low, "high": high, "differs": differs}
        numbers = (show(quantity, before), show(quantity, after), f"{after / before:.2f} ({low:.2f} … {high:.2f})")
        rows.append([quantity, *numbers, "differs" if differs else "no difference shown"])
    if as_json:
        sys.stdout.write(json.dumps({"event": "result", "quantities": result}) + "\n")
    else:
        sys.stdout.write(f"the first:  {first.plan.describe()}\nthe second: {second.plan.describe()}\n\n")
        sys.stdout.write(
            f"{table(rows)}\n\nmedians of the runs' seconds, and 95 % intervals by bootstrap over them: what\n"
        )
        sys.stdout.write("differs between one run and another for no reason isn't in them\n")
    return os.EX_OK


def _seconds_of(measurement: Measurement) -> dict[str, list[float]]:
    """Give each quantity, second by second; of those seconds in which answers came, and times of what was measured."""
    during = measurement.intervals[: int(measurement.plan.duration)]
    which = "service" if measurement.plan.rate is None else "latency"
    # All answers of a second may be to what was sent in the warm-up; then there are none.
    histograms = [each for each in (merge([getattr(interval, which)]) for interval in during) if each.get_total_count()]
    return {
        "rate": [float(interval.answered) for interval in during if interval.answered],
        **{f"p{percent:g}": [percentile(each, percent) for each in histograms] for percent in (50.0, 99.0, 99.9)},
    }
