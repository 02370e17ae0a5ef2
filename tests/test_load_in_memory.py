"""``twisted-lab load`` with its load in memory, where nothing else takes time: what it searches, says and keeps."""

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import Clock

from tests.instruments.load.servers import run
from tests.instruments.load.test_measurement import interval
from twisted_lab.cli import load
from twisted_lab.cli.measuring import StatusLine
from twisted_lab.instruments.load.crew import WorkerFailedError
from twisted_lab.instruments.load.histogram import Times
from twisted_lab.instruments.load.measurement import Measurement
from twisted_lab.instruments.load.plan import Plan
from twisted_lab.instruments.load.saved import LINES
from twisted_lab.instruments.load.slo import Bound
from twisted_lab.instruments.run_directory import RunDirectory

PLAN = Plan("echo", "nowhere", rate=25.0, duration=0.5, warmup=0.1, timeout=2.0)
BOUND = Bound(90.0, 0.1)
Measure = Callable[[Plan], Measurement]


class Running:
    """One command, whose load is what `measure` gives."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measure: Measure) -> None:
        class InMemory:
            def __init__(self, _reactor: Any, _words: Any, plan: Plan, _now: Any, show: Any) -> None:
                self._plan, self._show = plan, show

            async def run(self) -> Measurement:
                measured = measure(self._plan)
                for each in measured.intervals:
                    self._show(each)
                if isinstance(measured, BrokenOff):
                    raise WorkerFailedError(70, "a process of the load ended before the load was over")
                return measured

        monkeypatch.setattr(load, "Crew", InMemory)
        self.directory = RunDirectory.create(tmp_path, "load-echo")
        self._runs = load._Runs(PLAN, True, self.directory)  # what the command does but for the reactor

    def search(self) -> int:
        """Search by `BOUND`, and give the status."""
        return self._status(self._runs.search(Clock(), BOUND))

    def measure(self) -> int:
        """Run one load, and give the status."""
        return self._status(self._runs.measure_once(Clock()))

    def _status(self, work: Any) -> int:
        ended: list[Any] = []
        ensureDeferred(work).addBoth(ended.append)
        if isinstance(ended[0], int):
            return ended[0]
        assert isinstance(ended[0].value, SystemExit), ended[0]
        return int(str(ended[0].value.code))


class BrokenOff(Measurement):
    """What was measured until a process of the load ended."""


def of_a_hundred_a_second(plan: Plan) -> Measurement:
    """Measure a server that takes 10 ms for a message."""
    free = 0.0

    def answers_at(now: float) -> float:
        nonlocal free
        free = max(free, now) + 0.01
        return free

    return run(plan, answers_at)


def printed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Give the lines that were printed, but for the intervals."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if line["event"] != "interval"]


def test_the_highest_rate_under_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that takes 10 ms for a message holds about a hundred a second over one connection."""
    running = Running(tmp_path, monkeypatch, of_a_hundred_a_second)
    assert running.search() == 0
    *steps, result = printed(capsys)
    assert 100 <= result["rate"] < 140  # somewhat more for so short a time: the queue is still short
    assert [step["rate"] for step in steps[:4]] == [25, 50, 100, 200]
    assert {step["held"] for step in steps} == {True, False}
    assert max(step["rate"] for step in steps if step["held"]) == result["rate"]
    kept = running.directory.read_json("run.json")
    assert (kept["rate"], kept["exit"], len(kept["steps"])) == (result["rate"], 0, len(steps))


def test_why_a_search_was_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong byte ends it; the verdict says where, and the run keeps that step too."""

    def measure(plan: Plan) -> Measurement:
        measured = of_a_hundred_a_second(plan)
        measured.failure = "connection 1: a wrong byte came back, in reply 7" if plan.rate == 50 else None
        return measured

    running = Running(tmp_path, monkeypatch, measure)
    assert running.search() == 1
    *_, result = printed(capsys)
    assert result["verdict"] == (
        "p90 at most 100 ms holds at 25 messages/s; at 50/s the search was broken off: "
        "connection 1: a wrong byte came back, in reply 7"
    )
    assert [step["held"] for step in running.directory.read_json("run.json")["steps"]] == [True, False]


def test_what_was_measured_until_a_process_ended_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The intervals that were there; and nothing if there was none."""
    running = Running(tmp_path, monkeypatch, lambda plan: BrokenOff(plan, [interval(0)]))
    assert running.measure() == 70
    assert len((running.directory.path / LINES).read_text().splitlines()) == 1
    assert not (running.directory.path / "run.json").exists()
    assert "ended before the load was over" in capsys.readouterr().err
    running = Running(tmp_path, monkeypatch, lambda plan: BrokenOff(plan, []))
    assert running.measure() == 70
    assert not running.directory.path.exists()


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told in the first second, and not as if it were the output that couldn't be written."""
    running = Running(tmp_path, monkeypatch, of_a_hundred_a_second)
    (running.directory.path / LINES).symlink_to("/dev/full")
    assert running.measure() == 73
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == f"twisted-lab: can't keep the run in {running.directory.path}: No space left on device\n"


def test_the_line_of_a_second_without_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that came in it was sent in the warm-up: then there are no percentiles, rather than zeros."""
    shown: list[str] = []
    monkeypatch.setattr(StatusLine, "show", lambda _, text: shown.append(text))
    second = interval(0, answered=7, latency=Times().flush())
    running = Running(tmp_path, monkeypatch, lambda plan: Measurement(plan, [second]))
    running.measure()
    assert "0.5 s of 0.5 s: 7 answered/s" in shown
    kept = json.loads((running.directory.path / LINES).read_text())
    assert kept["percentiles"]["latency"] == dict.fromkeys(["p50", "p90", "p99", "p99.9"])
    assert kept["percentiles"]["service"]["p50"] > 0


@pytest.mark.parametrize("name", ["save", "RunDirectory.finish"])
def test_a_run_that_cant_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """What was found is printed all the same, and a sentence says that it isn't kept, and where not."""

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    running = Running(tmp_path, monkeypatch, of_a_hundred_a_second)
    monkeypatch.setattr(f"twisted_lab.cli.load.{name}", fail)
    assert (running.measure() if name == "save" else running.search()) == 73
    shown = capsys.readouterr()
    assert '"event": "result"' in shown.out
    assert shown.err == f"twisted-lab: can't keep the run in {running.directory.path}: No space left on device\n"
