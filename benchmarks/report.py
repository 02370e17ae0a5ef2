"""
What the benchmarks share: the options, the facts about the machine, the table, the bars, the numbers as JSON, the plot.

A benchmark adds its options to `parser`, measures, prints `table`, and ends with what `finish` gives. What it
couldn't measure it names by `missing`.
"""

import argparse
import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from twisted_lab.instruments.circumstances import processor

#: The numbers of one kind of measurement, one a round, by what was measured.
Series = Mapping[str, Sequence[float]]
#: A bar: what it says, and whether it is met; None if it couldn't be judged.
Bar = tuple[str, bool | None]
VERDICTS = {True: "met", False: "missed", None: "not judged"}
OURS = "ours"  # how the names of our own begin: a plot shows these dark


def make_parser(description: str | None, epilog: str = "") -> argparse.ArgumentParser:
    """Give a parser of a benchmark's command line, with the options that all have: ``--json`` and ``--plot``."""
    ending = "Exit status: 0 if all bars are met, 1 if one isn't. "
    parser = argparse.ArgumentParser(description=description, epilog=ending + epilog)
    parser.add_argument("--json", type=_file, metavar="FILE", help="write all numbers there as well")
    parser.add_argument("--plot", type=_plot_file, metavar="FILE", help="draw them there as well: FILE.svg or FILE.png")
    return parser


def facts(*packages: str, **more: object) -> dict[str, object]:
    """Give what the numbers depend on: versions (of `packages` too, where installed), the machine, and `more`."""
    found: dict[str, object] = {"python": platform.python_version()}
    for package in ("twisted", *packages):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    kernel = platform.release().partition("-")[0]
    found |= {"system": f"{platform.system()} {kernel}", "processor": processor(), "cores": os.cpu_count()}
    return {**found, **more}


def show_facts(found: Mapping[str, object]) -> None:
    """Print the facts in one line, and an empty one."""
    print(*(f"{key} {value}" for key, value in found.items()), sep=", ", end="\n\n", flush=True)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Lay out a table, its columns as wide as they must be: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [[cell.rjust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    texts = ["  ".join([row[0].ljust(widths[0]), *line[1:]]) for row, line in zip(rows, lines, strict=True)]
    return "\n".join(text.rstrip() for text in texts)


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Give the median of some values, and their range if there are several."""
    between = f" ({min(values):,.{digits}f} … {max(values):,.{digits}f})" if len(values) > 1 else ""
    return f"{median(values):,.{digits}f}{between}"


def median_ratio(values: Sequence[float], reference: Sequence[float]) -> float:
    """Give the median of the rounds' ratios, of the rounds that both took part in from the first."""
    return median(a / b for a, b in zip(values, reference, strict=False))


def missing(name: str, how: str) -> str:
    """Name what couldn't be measured, and how to get it."""
    return f"missing: {name} ({how})"


def finish(
    options: argparse.Namespace,
    found: Mapping[str, object],
    numbers: Mapping[str, Any],
    bars: Iterable[Bar] = (),
    absent: Sequence[str] = (),
) -> int:
    """
    Print what was missing and which bars are met, write the JSON that was asked for, and give the exit status.

    A bar that couldn't be judged, since a peer was missing, doesn't count.

    The JSON holds the facts, the numbers, `met` (by bar) and `missing`. `absent`: lines that `missing` gave.
    """
    met = dict(bars)
    for line in (*absent, *(f"{VERDICTS[good]}: {text}" for text, good in met.items())):
        print(line)
    if options.json:
        options.json.write_text(json.dumps({**found, **numbers, "met": met, "missing": list(absent)}, indent=1) + "\n")
    return 1 if False in met.values() else 0


def plot(path: Path, title: str, unit: str, panels: Mapping[str, Series]) -> None:
    """
    Draw bars at the medians with whiskers over the ranges: a panel for each kind of measurement, one below the other.

    `unit`: what the horizontal axes count, in words with the unit. Ours are dark and the others light, which
    black and white shows too.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  # only with the extra bench

    heights = [len(series) for series in panels.values()]
    figure = Figure(figsize=(8, 1 + sum(0.25 * height + 0.9 for height in heights)), layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=[height + 2 for height in heights])
    for (name, series), ax in zip(panels.items(), axes[:, 0], strict=True):
        middles = [median(values) for values in series.values()]
        below = [middle - min(values) for middle, values in zip(middles, series.values(), strict=True)]
        above = [max(values) - middle for middle, values in zip(middles, series.values(), strict=True)]
        shades = ["0.35" if label.startswith(OURS) else "0.85" for label in series]
        ax.barh(list(series), middles, color=shades, edgecolor="black", xerr=[below, above], capsize=3)
        ax.invert_yaxis()
        ax.set_title(name, loc="left", fontsize="medium")
        ax.set_xlabel(unit)
        ax.xaxis.set_major_formatter("{x:,g}")
    figure.savefig(path)


def _file(text: str) -> Path:
    path = Path(text)
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no directory {path.parent}")
    return path


def _plot_file(text: str) -> Path:
    path = _file(text)
    if path.suffix not in {".svg", ".png"}:
        raise argparse.ArgumentTypeError(f"{text} ends neither with .svg nor with .png")
    if find_spec("matplotlib") is None:
        raise argparse.ArgumentTypeError("a plot needs matplotlib: pip install 'twisted-lab[bench]'")
    return path
