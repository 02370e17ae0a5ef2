"""The benchmarks run, and a large content takes little memory. How long anything takes isn't tested: it varies."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.processes import command

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.usefixtures("uncounted")


def run(name: str, result: Path, *options: str) -> dict[str, Any]:
    """Run a benchmark of that name, which must succeed, and give its JSON."""
    ended = command(sys.executable, f"benchmarks/{name}.py", "--json", str(result), *options, cwd=ROOT)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    numbers: dict[str, Any] = json.loads(result.read_text())
    return numbers


def test_framing(tmp_path: Path) -> None:
    """The framing benchmark delivers all that it feeds, and times each case in each round."""
    numbers = run("framing", tmp_path / "framing.json", "--scale", "small", "--rounds", "2")
    assert len(numbers["seconds"]) == 12
    for case in numbers["seconds"]:
        assert len(case["ours"]) == 2
        assert all(time > 0 for time in case["ours"] + case["stock"] + case["copy"])
    assert [len(case["stock"]) for case in numbers["seconds"] if case["stock"]] == [2, 2, 2, 2, 2, 1]
    assert numbers["met"] == {}


def test_a_gibibyte_takes_64_mib(tmp_path: Path) -> None:
    """A content of 1 GiB arrives whole, and takes under 64 MiB of memory on either side, backpressure or not."""
    numbers = run("streaming", tmp_path / "streaming.json", "--size", "1024")
    assert numbers["met"]
    for sides in numbers["runs"].values():
        for side in sides.values():
            assert side["octets"] == 2**30
            assert side["peak_mib"] < 64
        assert sides["sender"]["crc"] == sides["receiver"]["crc"]
        assert sides["sender"]["pauses"] > 100
    assert [sides["receiver"]["pauses"] for sides in numbers["runs"].values()] == [0, 1024]


def test_trees(tmp_path: Path) -> None:
    """Directories of many entries are put, compared and got within a bound of memory."""
    numbers = run("trees", tmp_path / "trees.json", "--count", "300", "--get")
    assert numbers["met"]
    assert [row["operation"] for row in numbers["rows"]] == ["put", "sync", "get"] * 3
