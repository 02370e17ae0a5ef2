"""Runs that are kept: what other programs read, and what comes back."""

import json
import shutil
from math import isnan
from pathlib import Path
from typing import Any

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from tests.instruments.load.test_measurement import OPEN, interval
from twisted_lab.instruments.load import plot
from twisted_lab.instruments.load.histogram import Times
from twisted_lab.instruments.load.interval import Interval
from twisted_lab.instruments.load.measurement import Measurement
from twisted_lab.instruments.load.plan import Plan
from twisted_lab.instruments.load.saved import LINES, restore, save, show_interval
from twisted_lab.instruments.run_directory import RunDirectory

BEGAN = 1_795_000_000.0


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep a run of two seconds and a rest, once for several tests."""
    seconds = [interval(0), interval(1), interval(2, seconds=0.25)]
    return keep(tmp_path_factory.mktemp("kept"), OPEN, seconds).path


@pytest.fixture
def kept(original: Path, tmp_path: Path) -> RunDirectory:
    """Give that run, for a test to do with as it likes."""
    return RunDirectory(shutil.copytree(original, tmp_path / "copy"))


def keep(top: Path, plan: Plan, seconds: list[Interval]) -> RunDirectory:
    """Keep a run of these seconds."""
    directory = RunDirectory.create(top, "load")
    (directory.path / LINES).write_text("".join(json.dumps(show_interval(each, 100.0)) + "\n" for each in seconds))
    save(directory, Measurement(plan, seconds), BEGAN, ["twisted-lab", "load"])
    return directory


def test_hdrhistograms_own_reader(kept: RunDirectory) -> None:
    """It finds each second when it was, and all that was counted in it."""
    reader = HistogramLogReader(str(kept.path / "latency.hlog"), HdrHistogram(1, 3_600_000_000, 3))
    found: list[Any] = []
    while (histogram := reader.get_next_interval_histogram()) is not None:
        found.append(histogram)
    reader.close()
    assert [histogram.get_total_count() for histogram in found] == [100] * 3
    times = [(each.get_start_time_stamp() / 1000 - BEGAN, each.get_end_time_stamp() / 1000 - BEGAN) for each in found]
    assert times == [(1, 2), (2, 3), (3, 3.25)]


def test_a_second_without_times_is_a_gap() -> None:
    """The picture doesn't show that nothing took no time."""
    seconds = [interval(0), interval(1, latency=Times().flush()), interval(2)]
    lines = plot.draw(Measurement(Plan("echo", "nowhere", rate=100.0, duration=3.0), seconds)).axes[1].lines
    for line in lines:
        assert [value > 0 for value in line.get_ydata()] == [True, False, True]
        assert isnan(line.get_ydata()[1])


def test_it_comes_back(kept: RunDirectory) -> None:
    """With the same figures."""
    assert restore(kept).as_json()["seconds"] == kept.read_json("run.json")["seconds"]


@pytest.mark.parametrize(
    "breaks",
    [
        lambda _run, line: line.update(latency="garbage"),
        lambda _run, line: line.update(answered="many"),
        lambda _run, line: line.pop("service"),
        lambda run, _line: run["plan"].update(duration="x"),
        lambda run, _line: run.update(kind="experiment"),
        lambda run, _line: run.pop("plan"),
    ],
)
def test_what_is_broken_is_told(kept: RunDirectory, breaks: Any) -> None:
    """In a sentence, whatever is wrong with it."""
    run = kept.read_json("run.json")
    first, *rest = (kept.path / LINES).read_text().splitlines()
    line = json.loads(first)
    breaks(run, line)
    kept.write_json("run.json", run)
    (kept.path / LINES).write_text("\n".join([json.dumps(line), *rest]) + "\n")
    with pytest.raises(LookupError, match=r"can't be read|is no run of"):
        restore(kept)
