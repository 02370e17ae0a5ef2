"""
A comparison as pictures, for print in black and white too: position tells, not colour. Needs the extra ``plot``.

Rates stand against connections, each contestant in a panel of its own with the others in grey behind it. Latencies are
three marks on one line for each contestant, in a panel for each number of connections.
"""

from math import ceil
from statistics import median
from typing import Any

from twisted_lab.instruments.compare.comparison import Comparison

MARKS = {"p50": "o", "p99": "D", "p99.9": "^"}
ACROSS = 4
#: A range of times so wide that an axis has room for its powers of ten alone.
WIDE = 300


def draw_rates(comparison: Comparison) -> Any:
    """Give the figure of rates against connections."""
    from matplotlib.figure import Figure  # noqa: PLC0415  # only with the extra

    names, counts = comparison.contestants, comparison.connections
    across = min(ACROSS, len(names))
    down = ceil(len(names) / across)
    figure = Figure(figsize=(2.6 * across + 0.6, 2.2 * down + 0.8), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).flatten()
    lines = {name: [_median(comparison, name, count, "rate") for count in counts] for name in names}
    places = range(len(counts))
    for panel, name in zip(panels, names, strict=False):
        for other in names:
            panel.plot(places, lines[other], color="0.8", linewidth=0.8)
        panel.plot(places, lines[name], color="black", marker="o", markersize=4)
        ranges = [[*comparison.series(name, count, "rate").values()] for count in counts]
        for place, values in zip(places, ranges, strict=True):
            if values:
                panel.vlines(place, min(values), max(values), color="black", linewidth=1)
        panel.set_title(name, fontsize="medium", loc="left")
        panel.set_xticks([*places], [f"{count:,}" for count in counts])
        panel.set_ylim(bottom=0)
        panel.yaxis.set_major_formatter("{x:,.0f}")
        panel.grid(axis="y", color="0.9")
    for place, panel in enumerate(panels):
        panel.set_visible(place < len(names))
        panel.tick_params(labelbottom=place + across >= len(names))  # those with none below them
    figure.supxlabel("connections")
    figure.supylabel("messages/s")
    return figure


def draw_latencies(comparison: Comparison) -> Any:
    """Give the figure of latency percentiles, on a logarithmic axis."""
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.ticker import LogLocator, NullFormatter  # noqa: PLC0415

    names, counts = [*comparison.contestants], comparison.connections
    figure = Figure(figsize=(3.4 * len(counts) + 1.6, 0.26 * len(names) + 1.8), layout="constrained")
    panels = figure.subplots(1, len(counts), squeeze=False, sharex=True, sharey=True)[0]
    found = [_median(comparison, name, count, mark) for count in counts for name in names for mark in MARKS]
    times = [value for value in found if value]
    spread = max(times, default=1.0) / min(times, default=1.0)
    for panel, count in zip(panels, counts, strict=True):
        for row, name in enumerate(names):
            points = {mark: _median(comparison, name, count, mark) for mark in MARKS}
            present = [1000 * value for value in points.values() if value is not None]
            if present:
                panel.hlines(row, min(present), max(present), color="0.7", linewidth=1)
            for mark, value in points.items():
                if value is not None:
                    fill = "white" if mark == "p50" else "0.6" if mark == "p99" else "black"
                    panel.plot(1000 * value, row, MARKS[mark], color="black", markerfacecolor=fill, markersize=5)
        panel.set_title(f"{count:,} connection{'s' if count > 1 else ''}", fontsize="medium", loc="left")
        panel.set_xscale("log")
        panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if spread < WIDE else (1,)))
        panel.xaxis.set_major_formatter("{x:g}")
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.set_xlabel("ms, logarithmic")
        panel.grid(axis="x", color="0.9")
    panels[0].set_yticks(range(len(names)), names)
    panels[0].invert_yaxis()
    handles = [
        figure.axes[0].plot([], [], MARKS[mark], color="black", markerfacecolor=fill, label=mark)[0]
        for mark, fill in (("p50", "white"), ("p99", "0.6"), ("p99.9", "black"))
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=3, frameon=False)
    return figure


def _median(comparison: Comparison, contestant: str, connections: int, quantity: str) -> float | None:
    values = [*comparison.series(contestant, connections, quantity).values()]
    return median(values) if values else None
