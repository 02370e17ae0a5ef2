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

#: Seconds that a run must have, for its seconds to say how much they differ by themselves.
FEWEST = 5


def compare_runs(one: Path, other: Path, *, as_json: bool, seed: int) -> int:
    """Print how the second differs from the first, second by second; give 0, or 2 if they are too short to tell."""
    try:
        first, second = (restore(RunDirectory.find(path)) for path in (one, other))
    except LookupError as error:
        stop(os.EX_NOINPUT, str(error))
    a, b = _seconds_of(first), _seconds_of(second)
    if min(len(a["rate"]), len(b["rate"])) < FEWEST:
        stop(UNKNOWN, f"the runs are too short to tell: {FEWEST} s each are needed")
    rows = [["", "the first", "the second", "ratio (95 %)", ""]]
    result = {}
    for quantity in a:
        ratio = median(b[quantity]) / median(a[quantity]) if median(a[quantity]) else float("nan")
        low, high = bootstrap.ratio(b[quantity], a[quantity], seed)
        differs = bootstrap.shows_difference((low, high))
        result[quantity] = {"first": median(a[quantity]), "second": median(b[quantity]), "ratio": ratio}
        result[quantity] |= {"low": low, "high": high, "differs": differs}
        rows.append(
            [
                quantity,
                *(show(quantity, median(each[quantity])) for each in (a, b)),
                f"{ratio:.2f} ({low:.2f} … {high:.2f})",
                "differs" if differs else "no difference shown",
            ]
        )
    if as_json:
        sys.stdout.write(json.dumps({"event": "result", "quantities": result}) + "\n")
    else:
        sys.stdout.write(f"the first:  {first.plan.describe()}\nthe second: {second.plan.describe()}\n\n")
        sys.stdout.write(f"{table(rows)}\n\nmedians of the runs' seconds, and 95 % intervals by bootstrap\n")
    return os.EX_OK


def _seconds_of(measurement: Measurement) -> dict[str, list[float]]:
    """Give each quantity, second by second."""
    during = measurement.intervals[: int(measurement.plan.duration)]
    which = "service" if measurement.plan.rate is None else "latency"
    histograms = [merge([getattr(interval, which)]) for interval in during]
    return {
        "rate": [float(interval.answered) for interval in during],
        **{f"p{percent:g}": [percentile(each, percent) for each in histograms] for percent in (50.0, 99.0, 99.9)},
    }
