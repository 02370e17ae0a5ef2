"""Run directories: where a run is kept, and found again."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from twisted_lab.instruments.run_directory import RunDirectory

NOON = datetime(2026, 11, 28, 12, 0, 0, tzinfo=UTC)


def test_the_latest_run_is_found_by_name(tmp_path: Path) -> None:
    """`latest` leads to the run that was begun last, though both began in one second."""
    first = RunDirectory.create(tmp_path, "echo", NOON)
    second = RunDirectory.create(tmp_path, "echo", NOON)
    second.finish({"exit": 0})
    assert first.path.name == "2026-11-28T12.00.00Z"
    assert second.path != first.path
    assert (tmp_path / "echo" / "latest").resolve() == second.path.resolve()
    assert RunDirectory.find(tmp_path / "echo" / "latest").read_json("run.json") == {"exit": 0}


def test_a_run_that_was_broken_off_is_none(tmp_path: Path) -> None:
    """A directory without run.json isn't taken for a run, and a file that isn't JSON is named."""
    run = RunDirectory.create(tmp_path, "echo", NOON)
    with pytest.raises(LookupError, match=r"holds no run"):
        RunDirectory.find(run.path)
    (run.path / "run.json").write_text("{")
    with pytest.raises(LookupError, match=r"run\.json can't be read"):
        RunDirectory.find(run.path).read_json("run.json")
