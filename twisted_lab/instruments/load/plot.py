"""A load as a picture. Needs the extra ``plot``."""

from math import nan
from typing import Any

from twisted_lab.instruments.load.histogram import merge, percentile
from twisted_lab.instruments.load.measurement import Measurement


def draw(measurement: Measurement) -> Any:
    """Give the figure of one load: all percentiles of its times, and what each second was like."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    whole, seconds = figure.subplots(1, 2)
    names = [name for name in ("latency", "service") if name == "service" or measurement.plan.rate is not None]
    for name, style in zip(names, ("-", "--"), strict=False):
        beyond = [2.0**-step for step in range(1, 18)]
        values = [1000 * measurement.percentile(name, 100 * (1 - share)) for share in beyond]
        whole.plot([1 / share for share in beyond], values, style, color="black", label=name)
    whole.set_xscale("log")
    whole.set_xticks([10, 100, 1000, 10000, 100000], ["90", "99", "99.9", "99.99", "99.999"])
    whole.set_xlabel("percentile")
    whole.legend(frameon=False)
    each = [merge([getattr(interval, names[0])]) for interval in measurement.intervals]
    each = each[: max(1, int(measurement.plan.duration))]
    for percent, mark in ((50, "o"), (99, "D")):
        # A second in which nothing was counted is a gap.
        values = [1000 * percentile(one, percent) if one.get_total_count() else nan for one in each]
        seconds.plot(range(1, len(each) + 1), values, mark + "-", color="black", markersize=3, label=f"p{percent}")
    seconds.set_xlabel("second")
    seconds.legend(frameon=False)
    for panel in (whole, seconds):
        panel.set_ylabel("ms")
        panel.set_ylim(bottom=0)
        panel.grid(axis="y", color="0.9")
    return figure
