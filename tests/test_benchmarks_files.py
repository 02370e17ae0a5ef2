"""The benchmarks that run whole commands: they do run, whatever peers there are, and leave nothing behind."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.processes import DEADLINE, ENVIRONMENT, children

ROOT = Path(__file__).parent.parent
PATIENCE = 3 * DEADLINE  # all peers there may be, on a busy machine


def command(name: str, *options: str | Path) -> list[str]:
    """Give the words for a benchmark at small scale."""
    return [sys.executable, f"benchmarks/{name}.py", "--scale", "small", *map(str, options)]


def run(name: str, memory: Path, *options: str | Path, environment: dict[str, str] = ENVIRONMENT) -> dict[str, Any]:
    """Run a benchmark in that directory, which must succeed and leave nothing there; give its JSON."""
    result = memory.parent / "result.json"
    words = command(name, "--json", result, "--memory", memory, *options)
    ended = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, timeout=PATIENCE, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert list(memory.iterdir()) == []
    numbers: dict[str, Any] = json.loads(result.read_text())
    assert numbers["met"] == {}
    return numbers


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    """Give a directory for a benchmark's files."""
    directory = tmp_path / "memory"
    directory.mkdir()
    return directory


@pytest.mark.parametrize("case", ["big", "small", "tls", "disk", "disk-small"])
def test_files(case: str, memory: Path) -> None:
    """Each peer that is there moves what it is given, ours in both directions, and what that takes is told."""
    numbers = run("files", memory, "--cases", case, "--disk", memory)
    (runs,) = numbers["cases"].values()
    assert {name.split(",")[0] for name in runs} >= {"ours put", "ours get"}
    for (spent,), name in zip(runs.values(), runs, strict=True):
        assert spent["seconds"] > 0, name
        if name.startswith("ours"):
            assert spent["client"]["largest"] > 10 < spent["server"]["largest"]
            assert spent["client_cpu"] > 0


def test_missing_peers(memory: Path, tmp_path: Path) -> None:
    """A peer that isn't installed is named, with how to get it, and the others are measured."""
    path = tmp_path / "path"
    path.mkdir()
    (path / "openssl").symlink_to("/usr/bin/openssl")
    numbers = run("files", memory, "--cases", "big", environment={**ENVIRONMENT, "PATH": str(path)})
    assert {"missing: rsync (apt-get install rsync)", "missing: curl (apt-get install curl)"} <= set(numbers["missing"])
    assert {name.split()[0] for name in numbers["cases"]["big"]} == {"ours"}


def test_files_interrupted(memory: Path) -> None:
    """Interrupted, a benchmark ends its servers and removes its files."""
    # Far more rounds than there is time for.
    words = [sys.executable, "benchmarks/files.py", "--size", "4", "--rounds", "1000"]
    words += ["--memory", str(memory), "--cases", "big", "--peers", "ours"]
    with subprocess.Popen(words, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + DEADLINE
        while not list(memory.glob("*/scratch/filexfer/client.log")) and time.monotonic() < deadline:
            time.sleep(0.01)
        started = children(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 130
    assert started
    assert [pid for pid in started if Path(f"/proc/{pid}").exists()] == []
    assert list(memory.iterdir()) == []


def test_resume(memory: Path) -> None:
    """A killed transfer is finished by moving what was lacking, about a tenth, and no more, ours and rsync's alike."""
    numbers = run("resume", memory)
    size = numbers["size"]
    assert {"ours put, memory", "ours get, memory"} <= set(numbers["moved"])
    for name, moved in numbers["moved"].items():
        assert 0 < moved["lacking"] <= 0.1 * size, name
        assert moved["lacking"] <= moved["sent"] + moved["received"] <= moved["lacking"] + 0.01 * size, name


def test_startup(memory: Path) -> None:
    """Commands are measured from start to end, and what they import is told: more for a put than for the help."""
    numbers = run("startup", memory)
    assert {"python -c pass", "ours --help", "ours put, memory", "ours get, memory"} <= set(numbers["spent"])
    helping, putting = (numbers["imports"][f"filexfer {what}"] for what in ("--help", "put"))
    assert "twisted_lab.cli.filexfer.main" in helping["own"]
    assert "twisted" not in helping["own"]
    assert len(putting["own"]) > len(helping["own"])
