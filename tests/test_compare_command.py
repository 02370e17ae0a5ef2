"""``twisted-lab compare`` as a user runs it: real servers, under a real load, and a report that a browser shows."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.instruments.load.test_measurement import interval, times
from tests.instruments.load.test_saved import keep
from tests.processes import DEADLINE, ENVIRONMENT, SCRIPTS, children, command
from tests.pseudo_terminal import PseudoTerminal
from twisted_lab.cli.compare_runs import compare_runs
from twisted_lab.instruments.load.histogram import Times
from twisted_lab.instruments.load.plan import Plan
from twisted_lab.instruments.run_directory import RunDirectory

pytestmark = pytest.mark.usefixtures("uncounted")
LAB = str(SCRIPTS / "twisted-lab")
QUICK = ("-d", "300ms", "--warmup", "100ms")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def compare(tmp_path: Path, *words: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[bytes]":
    """Compare, and keep that in `tmp_path`."""
    return command(LAB, "compare", *words, "--runs", str(tmp_path / "runs"), cwd=cwd, deadline=3 * DEADLINE)


def test_models_and_specimens_side_by_side(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """A table for each number of connections, with what each took; the one that starves its clients says so."""
    # A model, one that serves one client at a time, and a specimen; once, for it takes long.
    result = compare(tmp_path, "selectors", "blocking", "header", "-c", "3", "--rounds", "2", "--seed", "1", *QUICK)
    directory = RunDirectory.find(tmp_path / "runs" / "compare" / "latest")
    assert result.returncode == 0, result.stderr.decode()
    text = result.stdout.decode()
    for words in ("\n3 connections\n", "messages/s, of selectors's (95 %)", "CPU/message", " MiB"):
        assert words in text
    # All three, if the machine was busy for that long.
    assert re.search("blocking: up to [23] of 3 connections had no answer at all", text)
    assert f"The comparison is kept in {directory.path.parent}" in text
    with subtests.test("what is kept"):
        check_what_is_kept(directory)
    with subtests.test("a browser shows the report"):
        check_in_a_browser(directory.path / "report.html", tmp_path)


def check_what_is_kept(directory: RunDirectory) -> None:
    """See that all samples are kept, with the contestants' order drawn anew in each round, and what they depend on."""
    run = directory.read_json("run.json")
    assert len(run["samples"]) == 3 * 2
    assert {sample["round"] for sample in run["samples"]} == {0, 1}
    for sample in run["samples"]:
        times = set() if sample["starved"] else {"p50", "p99", "p99.9"}
        cost = set() if sample["starved"] == sample["connections"] else {"cpu"}  # of an answer: there must be one
        assert {"rate", "memory", "threads"} | cost | times <= {*sample["numbers"]}
    orders = [
        [(sample["contestant"], sample["connections"]) for sample in run["samples"] if sample["round"] == number]
        for number in (0, 1)
    ]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])
    lines = (directory.path / "samples.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == run["samples"]
    assert run["circumstances"]["python"]


def check_in_a_browser(report: Path, tmp_path: Path) -> None:
    """See that it is laid out as a page with both pictures in it, and that a screenshot of it isn't blank."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    words = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,1600"]
    words += [f"--user-data-dir={tmp_path}", "--virtual-time-budget=2000"]
    shot = tmp_path / "report.png"
    for more in (["--dump-dom"], [f"--screenshot={shot}"]):
        shown = subprocess.run(
            [*words, *more, report.resolve().as_uri()], capture_output=True, timeout=DEADLINE, check=True, text=True
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
        asked = len(data) == 16  # before it is measured, what an echo puts before its answer
        self.transport.write(data if asked else data[:-1] + bytes([data[-1] ^ 1]))


WRONG = Specimen("wrong", lambda reactor: Factory.forProtocol(Wrong), Factory, None, 1)
"""


def test_a_server_that_answers_wrong_has_failed(tmp_path: Path) -> None:
    """Anyone's specimen can be compared; one whose replies are wrong isn't compared but named, with status 1."""
    (tmp_path / "broken.py").write_text(BROKEN)
    words = ("selectors", "broken:WRONG", "-c", "1", "--rounds", "1", *QUICK)
    done = compare(tmp_path, *words, cwd=tmp_path)
    assert done.returncode == 1
    assert b"broken:WRONG, 1 connection: connection 1: a wrong byte came back" in done.stderr


SILENT = """
from dataclasses import replace

from twisted.internet.protocol import Factory, Protocol

from twisted_lab.specimen import ECHO

SILENT = replace(ECHO, name="silent", server=lambda reactor: Factory.forProtocol(Protocol))
"""


def test_a_server_that_never_answers(tmp_path: Path) -> None:
    """It is told in a sentence, and nothing else is."""
    (tmp_path / "mine.py").write_text(SILENT)
    # Not the minute that it gets otherwise; should the other contestant be as late, it only fails with this one.
    sooner = "from twisted_lab.cli import compare, main; compare.CONNECT_TIMEOUT = 2.0; main.main()"
    words = ("compare", "echo", "mine:SILENT", "-c", "1", "--rounds", "1", *QUICK, "--runs", str(tmp_path / "runs"))
    done = command(sys.executable, "-c", sooner, *words, cwd=tmp_path, deadline=3 * DEADLINE)
    assert done.returncode == 1
    assert b"mine:SILENT, 1 connection: no echo came within 2 s" in done.stderr
    assert b"Unhandled" not in done.stderr


LEAVING = """
import subprocess
from dataclasses import replace
from pathlib import Path

from twisted_lab.specimen import ECHO


def server(reactor):
    left = subprocess.Popen(["sleep", "600"])
    Path("left").write_text(str(left.pid))
    return ECHO.server(reactor)


LEAVING = replace(ECHO, name="leaving", server=server)
"""


def test_what_a_server_leaves_behind(tmp_path: Path) -> None:
    """What it has started has its output and goes on: it isn't waited for, but ended."""
    (tmp_path / "mine.py").write_text(LEAVING)
    done = compare(tmp_path, "selectors", "mine:LEAVING", "-c", "1", "--rounds", "1", *QUICK, cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    wait_until(lambda: not running(int((tmp_path / "left").read_text())))


def test_two_runs_that_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Second by second; and what can't be compared is told."""
    plan, closed = (Plan("echo", "nowhere", rate=rate, duration=8.0) for rate in (100.0, None))
    steady = [interval(number) for number in range(8)]
    slower = [interval(number, latency=times(0.0004 + number * 1e-5)) for number in range(8)]
    runs = {
        "steady": keep(tmp_path, plan, steady),
        "slower": keep(tmp_path, plan, slower),
        "short": keep(tmp_path, plan, steady[:4]),
        "silent": keep(tmp_path, plan, [interval(number, answered=0) for number in range(8)]),
        # All that came was sent in the warm-up.
        "behind": keep(tmp_path, plan, [interval(number, latency=Times().flush()) for number in range(8)]),
        "late": keep(tmp_path, plan, [interval(number, lateness=times(0.1)) for number in range(8)]),
        "closed": keep(tmp_path, closed, steady),
    }

    steady_one, slower_one = runs["steady"].path, runs["slower"].path
    done = command(LAB, "compare", str(steady_one), str(slower_one))
    assert done.returncode == 0, done.stderr.decode()
    rows = {line.split()[0]: line for line in done.stdout.decode().splitlines() if line}
    assert rows["rate"].endswith("no difference shown")
    assert rows["p99"].endswith("differs")
    assert compare_runs(steady_one, slower_one, as_json=True, seed=1) == 0
    found = json.loads(capsys.readouterr().out)["quantities"]
    assert {name: each["differs"] for name, each in found.items()}["p99"] is True
    assert 2 < found["p99"]["ratio"] < 2.4
    for other, status, sentence in (
        (runs["short"].path, 2, "too short to tell"),
        (runs["silent"].path, 2, "too short to tell"),
        (runs["behind"].path, 2, "too short to tell"),
        (runs["late"].path, 2, "the load sent its messages late"),
        (runs["closed"].path, os.EX_USAGE, "one is a closed loop and the other isn't"),
        (tmp_path, os.EX_NOINPUT, "holds no run"),
    ):
        with pytest.raises(SystemExit) as ended:
            compare_runs(steady_one, other, as_json=False, seed=1)
        assert ended.value.code == status
        complaint = capsys.readouterr().err
        assert sentence in complaint
        assert complaint.count("\n") == 1
    done = command(LAB, "compare", *[str(steady_one)] * 3)
    assert done.returncode == os.EX_USAGE
    assert b"two runs that are kept can be compared" in done.stderr


def test_a_directory_with_a_contestants_name(tmp_path: Path) -> None:
    """It isn't taken for a run; one that is neither is told."""
    for name in ("echo", "selectors", "other"):
        (tmp_path / name).mkdir()
    done = compare(tmp_path, "echo", "selectors", "-c", "1", "--rounds", "1", *QUICK, cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    done = compare(tmp_path, "other", "other", cwd=tmp_path)
    assert done.returncode == os.EX_NOINPUT
    assert b"other holds no run" in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "name what to compare"),
        (("threads",), "there must be two at least"),
        (("threads", "--all"), "name what to compare"),
        (
            ("threads", "fibres"),
            "there is no specimen 'fibres': it is one of echo, header, filexfer, or module:attribute, or a model",
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
