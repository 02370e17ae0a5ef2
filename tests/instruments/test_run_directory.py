"""Run directories: where a run is kept, and found again."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from twisted_lab.instruments.run_directory import RunDirectory

NOON = datetime(2026, 11, 28, 12, 0, 0, tzinfo=UTC)


def test_the_latest_run_is_found_by_name(tmp_path: Path) -> None:
    """`latest` leads to the run that was completed last, though all began in one second."""
    first = RunDirectory.create(tmp_path, "echo", NOON)
    second = RunDirectory.create(tmp_path, "echo", NOON)
    second.finish({"exit": 0})
    assert first.path.name == "2026-11-28T12.00.00Z"
    third = RunDirectory.create(tmp_path, "echo", NOON)
    assert second.path != first.path
    assert (tmp_path / "echo" / "latest").resolve() == second.path.resolve()
    assert RunDirectory.find(tmp_path / "echo" / "latest").read_json("run.json") == {"exit": 0}
    third.discard()
    assert not third.path.exists()
    assert second.path.exists()


def test_a_run_that_was_broken_off_is_none(tmp_path: Path) -> None:
    """A directory without run.json isn't taken for a run, and a file that isn't JSON is named."""
    run = RunDirectory.create(tmp_path, "echo", NOON)
    with pytest.raises(LookupError, match=r"holds no run"):
        RunDirectory.find(run.path)
    (run.path / "run.json").write_text("{")
    with pytest.raises(LookupError, match=r"run\.json can't be read"):
        RunDirectory.find(run.path).read_json("run.json")


def test_a_run_that_never_began_leaves_nothing(tmp_path: Path) -> None:
    """Neither its directory nor that of its name."""
    run = RunDirectory.create(tmp_path, "echo", NOON)
    (run.path / "intervals.jsonl").touch()
    run.discard()
    assert [*tmp_path.iterdir()] == []
