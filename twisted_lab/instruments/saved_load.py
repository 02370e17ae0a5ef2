"""A load's measurement in its run directory, and back."""

import json
import platform
import time
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import psutil
from hdrh.log import HistogramLogWriter

from twisted_lab.instruments.histogram import PERCENTILES, merge, percentile, spectrum
from twisted_lab.instruments.interval import HISTOGRAMS, Interval
from twisted_lab.instruments.measurement import Measurement
from twisted_lab.instruments.plan import Plan
from twisted_lab.instruments.run_directory import RunDirectory

LINES = "intervals.jsonl"


def circumstances() -> dict[str, Any]:
    """Give what the figures depend on: versions and the machine."""
    return {
        "python": platform.python_version(),
        "twisted": version("twisted"),
        "twisted-lab": version("twisted-lab"),
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": psutil.cpu_count(),
        "memory": psutil.virtual_memory().total,
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:  # noqa: PTH123  # read by lines
            names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.machine()


def show_interval(interval: Interval) -> dict[str, Any]:
    """Give an interval for JSON, with the percentiles beside the histograms they are of."""
    seconds = {}
    for name in ("latency", "service"):
        histogram = merge([getattr(interval, name)])
        seconds[name] = {f"p{percent:g}": percentile(histogram, percent) for percent in PERCENTILES[:4]}
    return {"event": "interval", **interval.as_json(), "seconds": seconds}


def save(directory: RunDirectory, measurement: Measurement, began: float, words: list[str]) -> None:
    """
    Write the histograms of a complete run, and its ``run.json``; ``intervals.jsonl`` was written meanwhile.

    ``NAME.hlog`` is HdrHistogram's log, ``NAME.hgrm`` its text of percentiles in milliseconds. `began`: in seconds
    since 1970; `words`: the command.
    """
    for name in HISTOGRAMS[:2]:
        with (directory.path / f"{name}.hlog").open("w") as file:
            log = HistogramLogWriter(file)
            log.output_log_format_version()
            log.output_base_time(began * 1000)
            log.output_legend()
            for interval in measurement.intervals:
                second = began + measurement.plan.warmup + interval.second
                log.output_interval_histogram(merge([getattr(interval, name)]), second, second + 1, 1000)
        (directory.path / f"{name}.hgrm").write_text(spectrum(measurement.histograms[name]))
    directory.finish(
        {
            "kind": "load",
            "command": words,
            "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)),
            **measurement.as_json(),
            "circumstances": circumstances(),
        }
    )


def restore(directory: RunDirectory) -> Measurement:
    """Give the measurement of a saved run; `LookupError` if there is none."""
    run = directory.read_json("run.json")
    if run.get("kind") != "load":
        raise LookupError(f"{directory.path} is no run of twisted-lab load")
    try:
        lines = (directory.path / LINES).read_text().splitlines()
        intervals = [_interval(json.loads(line)) for line in lines]
        return Measurement(Plan(**run["plan"]), intervals)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LookupError(f"{directory.path} can't be read: {error}") from error


def _interval(line: Mapping[str, Any]) -> Interval:
    return Interval(**{name: value for name, value in line.items() if name not in {"event", "seconds"}})
