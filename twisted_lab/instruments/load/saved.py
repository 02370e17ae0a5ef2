"""A load's measurement in its run directory, and back."""

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from hdrh.log import HistogramLogWriter

from twisted_lab.instruments import html_report as html
from twisted_lab.instruments.circumstances import circumstances
from twisted_lab.instruments.load.histogram import PERCENTILES, merge, percentile, spectrum
from twisted_lab.instruments.load.interval import HISTOGRAMS, Interval
from twisted_lab.instruments.load.measurement import FAIL, Measurement
from twisted_lab.instruments.load.plan import Plan
from twisted_lab.instruments.load.table import times, totals
from twisted_lab.instruments.run_directory import RunDirectory

LINES = "intervals.jsonl"


def show_interval(interval: Interval, rate: float | None) -> dict[str, Any]:
    """
    Give an interval for JSON, with the rate that was offered, and percentiles beside the histograms they are of.

    They are None where nothing was counted: all answers of a second may be to what was sent in the warm-up.
    """
    seconds = {}
    for name in ("latency", "service"):
        histogram = merge([getattr(interval, name)])
        counted = histogram.get_total_count() > 0
        seconds[name] = {
            f"p{percent:g}": percentile(histogram, percent) if counted else None for percent in PERCENTILES[:4]
        }
    return {"event": "interval", "rate": rate, **interval.as_json(), "percentiles": seconds}


def save(directory: RunDirectory, measurement: Measurement, began: float, words: Sequence[str]) -> None:
    """
    Write the histograms of a complete run, and its ``run.json``; ``intervals.jsonl`` was written meanwhile.

    ``NAME.hlog`` is HdrHistogram's log, ``NAME.hgrm`` its text of percentiles in milliseconds, ``report.html`` for
    people. `began`: in seconds since 1970; `words`: the command.
    """
    for name in HISTOGRAMS[:2]:
        with (directory.path / f"{name}.hlog").open("w") as file:
            log = HistogramLogWriter(file)
            log.output_log_format_version()
            log.output_legend()
            start = began + measurement.plan.warmup
            for interval in measurement.intervals:
                end = start + interval.seconds
                log.output_interval_histogram(merge([getattr(interval, name)]), start, end, 1000)
                start = end
        (directory.path / f"{name}.hgrm").write_text(spectrum(measurement.histograms[name]))
    (directory.path / "report.html").write_text(_report(measurement, words))
    directory.finish(
        {
            "kind": "load",
            "command": [*words],
            "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)),
            **measurement.as_json(),
            "circumstances": circumstances(),
        }
    )


def _report(measurement: Measurement, words: Sequence[str]) -> str:
    parts = [html.paragraph(measurement.plan.describe()), html.paragraph(f"Verdict: {measurement.verdict[1]}.")]
    parts += [html.table(times(measurement)), html.paragraph(totals(measurement))]
    if find_spec("matplotlib") is not None:
        from twisted_lab.instruments import figures  # noqa: PLC0415  # only with the extra
        from twisted_lab.instruments.load import plot  # noqa: PLC0415

        picture = figures.render(plot.draw(measurement), "svg")
        parts.append(html.picture(picture, "Times until the reply was there: all percentiles, and second by second."))
    else:
        parts.append(html.paragraph(html.NO_PICTURES))
    parts += [html.heading("What the figures depend on"), html.facts(circumstances()), html.heading("Command")]
    return html.page("A load", [*parts, html.preformatted(shlex.join(words))])


def restore(directory: RunDirectory) -> Measurement:
    """Give the measurement of a saved run; `LookupError` if there is none."""
    run = directory.read_json("run.json")
    if run.get("kind") != "load":
        raise LookupError(f"{directory.path} is no run of twisted-lab load")
    try:
        lines = (directory.path / LINES).read_text().splitlines()
        measurement = Measurement(Plan(**run["plan"]), [_interval(json.loads(line)) for line in lines])
        measurement.as_json()  # what isn't right shows when it is used
    except Exception as error:
        raise LookupError(f"{directory.path} can't be read: {type(error).__name__}: {error}") from error
    if run.get("exit") == FAIL:
        measurement.failure = str(run.get("verdict"))
    return measurement


def _interval(line: Mapping[str, Any]) -> Interval:
    return Interval(**{name: value for name, value in line.items() if name not in {"event", "rate", "percentiles"}})
