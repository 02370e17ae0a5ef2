"""``twisted-lab compare`` as a user runs it: real servers, under a real load, and a report that a browser shows."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.processes import DEADLINE, ENVIRONMENT, SCRIPTS, children, command, program
from tests.pseudo_terminal import PseudoTerminal
from twisted_lab.instruments.run_directory import RunDirectory

LAB = str(SCRIPTS / "twisted-lab")
QUICK = ("-d", "300ms", "--warmup", "100ms")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def compare(tmp_path: Path, *words: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[bytes]":
    """Compare, and keep that in `tmp_path`."""
    return command(LAB, "compare", *words, "--runs", str(tmp_path / "runs"), cwd=cwd, deadline=3 * DEADLINE)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> "tuple[subprocess.CompletedProcess[bytes], RunDirectory]":
    """Compare a model, one that serves one client at a time, and a specimen, once for several tests."""
    top = tmp_path_factory.mktemp("compare")
    words = ("selectors", "blocking", "header", "-c", "1,3", "--rounds", "2", *QUICK)
    return compare(top, *words), RunDirectory.find(top / "runs" / "compare" / "latest")


def test_models_and_specimens_side_by_side(done: Any) -> None:
    """A table for each number of connections, with what each took; the one that starves its clients says so."""
    result, directory = done
    assert result.returncode == 0, result.stderr.decode()
    text = result.stdout.decode()
    for words in ("1 connection\n", "3 connections\n", "messages/s, of selectors's (95 %)", "CPU/message", " MiB"):
        assert words in text
    assert "blocking: up to 2 messages had no answer in the end" in text
    assert f"The comparison is kept in {directory.path.parent}" in text


def test_what_is_kept(done: Any) -> None:
    """All samples, with the contestants' order drawn anew in each round, and what they depend on."""
    run = done[1].read_json("run.json")
    assert len(run["samples"]) == 3 * 2 * 2
    assert {sample["round"] for sample in run["samples"]} == {0, 1}
    for sample in run["samples"]:
        assert {"rate", "p50", "p99", "p99.9", "cpu", "memory", "threads"} <= {*sample["numbers"]}
    assert run["circumstances"]["python"]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_a_browser_shows_the_report(done: Any, tmp_path: Path) -> None:
    """It is laid out as a page with both pictures in it, and a screenshot of it isn't blank."""
    assert CHROMIUM is not None
    report = (done[1].path / "report.html").resolve()
    words = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,1600"]
    words += [f"--user-data-dir={tmp_path}", "--virtual-time-budget=2000"]
    shot = tmp_path / "report.png"
    for more in (["--dump-dom"], [f"--screenshot={shot}"]):
        shown = subprocess.run(
            [*words, *more, report.as_uri()], capture_output=True, timeout=DEADLINE, check=True, text=True
        )
        if more == ["--dump-dom"]:
            assert shown.stdout.count("<svg") == 2
            assert "Servers compared" in shown.stdout
    assert shot.read_bytes().startswith(b"\x89PNG")
    assert shot.stat().st_size > 20_000  # a blank page of this size takes a tenth


def test_as_json(tmp_path: Path) -> None:
    """A line for each run, and the whole in the end."""
    done = compare(tmp_path, "selectors", "threads", "-c", "1", "--rounds", "1", *QUICK, "-R", "200", "--json")
    *samples, result = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr.decode()
    assert {sample["contestant"] for sample in samples} == {"selectors", "threads"}
    assert result["judged"] == "p99"
    assert [row["contestant"] for row in result["rows"]] == ["selectors", "threads"]


def test_progress_on_a_terminal(tmp_path: Path) -> None:
    """It says which run goes on, of how many."""
    words = (LAB, "compare", "threads", "selectors", "-c", "1", "--rounds", "1", *QUICK, "--runs", str(tmp_path))
    with PseudoTerminal(*words) as terminal:
        terminal.wait_for("round 1 of 1, 2 of 2: ")
        assert terminal.wait() == 0, terminal.shown


BROKEN = """
from twisted.internet.protocol import Factory, Protocol

from twisted_lab.specimen import Specimen


class Wrong(Protocol):
    def dataReceived(self, data):
        self.count = getattr(self, "count", 0) + 1
        self.transport.write(data if self.count < 9 else data[:-1] + b"?")


WRONG = Specimen("wrong", lambda reactor: Factory.forProtocol(Wrong), Factory, None, 1)
"""


def test_a_server_that_answers_wrong_has_failed(tmp_path: Path) -> None:
    """Anyone's specimen can be compared; one whose replies are wrong isn't compared but named, with status 1."""
    (tmp_path / "broken.py").write_text(BROKEN)
    words = ("selectors", "broken:WRONG", "-c", "1", "--rounds", "1", *QUICK)
    done = compare(tmp_path, *words, cwd=tmp_path)
    assert done.returncode == 1
    assert b"broken:WRONG, 1 connections: connection 1: a wrong byte came back" in done.stderr


def test_two_runs_that_are_kept(tmp_path: Path) -> None:
    """Second by second; runs that are too short say nothing, and what is no run is told."""
    runs = []
    for number, seconds in enumerate(("6s", "6s", "1s")):
        top = tmp_path / str(number)
        words = (LAB, "load", "echo", "--closed", "-d", seconds, "--warmup", "100ms", "--runs", str(top))
        with program(sys.executable, "-m", "twisted_lab.models.selectors", "127.0.0.1", "0") as server:
            done = command(*words[:3], server.addresses[0], *words[3:])
        assert done.returncode in {0, 2}, done.stderr.decode()
        runs.append(str(top / "load-echo" / "latest"))
    done = command(LAB, "compare", *runs[:2])
    assert done.returncode == 0, done.stderr.decode()
    assert "the first: " in done.stdout.decode()
    assert done.stdout.count(b"\nrate ") == 1
    done = command(LAB, "compare", *runs[:2], "--json")
    assert {*json.loads(done.stdout)["quantities"]} == {"rate", "p50", "p99", "p99.9"}
    done = command(LAB, "compare", *runs[1:])
    assert (done.returncode, done.stderr) == (2, b"twisted-lab: the runs are too short to tell: 5 s each are needed\n")
    done = command(LAB, "compare", str(tmp_path), str(tmp_path))
    assert done.returncode == os.EX_NOINPUT
    assert b"holds no run" in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "name what to compare"),
        (("threads",), "there must be two at least"),
        (("threads", "--all"), "name what to compare"),
        (
            ("threads", "fibres"),
            "there is no specimen 'fibres': it is one of echo, header, or module:attribute, or a model",
        ),
        (("threads", "selectors", "-c", "1,0"), "'0' isn't a whole number in 1 … 10000"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path: Path, words: tuple[str, ...], sentence: str) -> None:
    """With status 64."""
    done = compare(tmp_path, *words)
    assert done.returncode == os.EX_USAGE
    assert sentence in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_nothing_is_left_behind(tmp_path: Path, number: int, status: int) -> None:
    """Neither server nor load goes on, after an interrupt, and even if nobody could end them."""
    words = [LAB, "compare", "processes", "twisted", "-c", "4", "--rounds", "9", "-d", "9s", "--json"]
    seen: set[int] = set()
    with subprocess.Popen(
        [*words, "--runs", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    ) as process:
        wait_until(lambda: len(seen_by(process.pid, seen)) >= 3)
        process.send_signal(number)
        _, complaint = process.communicate(timeout=DEADLINE)
    assert process.returncode == status, complaint
    wait_until(lambda: not any(running(pid) for pid in seen))


def seen_by(pid: int, seen: set[int]) -> set[int]:
    """Add to `seen` what a process has started, and what that has started; give it."""
    seen |= {grandchild for child in children(pid) for grandchild in (child, *children(child))}
    return seen


def wait_until(happened: Callable[[], bool]) -> None:
    """Wait until it has."""
    deadline = time.monotonic() + DEADLINE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def running(pid: int) -> bool:
    """Tell whether a process runs; one that is dead and not waited for doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
