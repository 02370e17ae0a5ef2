"""The commands that list experiments and run them."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.experiments.fakes import FAILING, HOLDING, PICTURE, experiment
from tests.processes import DEADLINE, ENVIRONMENT, command
from tests.pseudo_terminal import PseudoTerminal
from twisted_lab.cli import experiment as verb
from twisted_lab.experiments import find, numbers
from twisted_lab.experiments.errors import CannotRunError
from twisted_lab.experiments.experiment import Claim, Experiment, Picture

#: A command whose experiments have found something, and then wait until they are broken off.
ENDLESS = """
import time
from twisted_lab import experiments
from twisted_lab.cli.main import main
from twisted_lab.experiments.client import ask, connect
from twisted_lab.experiments.experiment import Claim, Experiment
from twisted_lab.experiments.server import model

def run():
    with model("{model}") as server, connect(server.address) as connection:
        ask(connection)
        yield Claim("it is answered", "it is", holds=True)
        time.sleep(600)

experiments.find = lambda number: Experiment(number, "a fake", "Who ends?", "All of them.", run)
main()
"""


def perform(monkeypatch: pytest.MonkeyPatch, directory: Path, *found: Experiment, json_wanted: bool = False) -> int:
    """Run experiments as the command does, and give its exit status."""
    monkeypatch.setattr("twisted_lab.cli.experiment.signal.signal", lambda *_: None)
    monkeypatch.setattr("twisted_lab.experiments.find", {each.number: each for each in found}.__getitem__)
    words = [str(each.number) for each in found]
    return verb.run(Namespace(numbers=words, json=json_wanted, runs=str(directory)))


def test_all_are_complete() -> None:
    """Each file holds the experiment of its number, with a title, a question and a prediction."""
    for number in numbers():
        found = find(number)
        assert found.number == number
        assert found.title
        assert found.question.endswith("?")
        assert found.prediction.endswith(".")
    assert [number for number in numbers() if find(number).check] == [10, 12, 13]


def test_list() -> None:
    """The list has a number, a title and a question for each; as JSON, one object a line."""
    shown = command("twisted-lab", "experiments").stdout.decode()
    assert "02  one client blocks another\n    A server waits for what its client will send." in shown
    listed = [json.loads(line) for line in command("twisted-lab", "experiments", "--json").stdout.splitlines()]
    assert [each["number"] for each in listed] == numbers()
    assert {*listed[0]} == {"number", "title", "question"}


def test_what_takes_no_time_holds(tmp_path: Path) -> None:
    """Those that measure nothing hold wherever they are run; the pages show the others."""
    done = command("twisted-lab", "experiment", "0", "1", "8", "12", "14", "--json", "--runs", str(tmp_path))
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each["experiment"], each["verdict"]) for each in found] == [(n, "holds") for n in (0, 1, 8, 12, 14)]


def test_what_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A claim that doesn't hold is said to fail, what was observed stands below it, and the exit status is 1."""
    assert perform(monkeypatch, tmp_path, experiment(PICTURE, HOLDING, FAILING)) == 1
    (kept,) = (tmp_path / "experiment-02").glob("2*")
    assert capsys.readouterr().out.splitlines() == [
        "Experiment 02: a fake",
        "",
        "Question:   What is found?",
        "Prediction: What it is told to find.",
        "",
        "Who waits",
        "",
        "client 1 |*|",
        "",
        "holds  predicted: the first is larger",
        "       observed:  3 against 2",
        "",
        "FAILS  predicted: the first is larger",
        "       observed:  2 against 3",
        "",
        "1 of 2 predictions hold.",
        f"Kept in {kept}",
        "",
    ]


def test_unknown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """An experiment that can't run here says why; the exit status is 2."""
    assert perform(monkeypatch, tmp_path, experiment(HOLDING, CannotRunError("there is no network"))) == 2
    assert "1 of 1 predictions hold. The rest is unknown: there is no network\n" in capsys.readouterr().out


def test_several(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Several run one after the other; what fails decides, then what is unknown."""
    good, bad, unknown = experiment(HOLDING), experiment(FAILING, number=3), experiment(number=4)
    assert perform(monkeypatch, tmp_path, good) == 0
    assert perform(monkeypatch, tmp_path, good, unknown) == 2
    capsys.readouterr()
    assert perform(monkeypatch, tmp_path, bad, good, unknown) == 1
    assert capsys.readouterr().out.endswith("3 experiments: 1 holds, 1 fails, 1 unknown\n")


def test_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """As JSON each run is one line: what is kept, and where."""
    assert perform(monkeypatch, tmp_path, experiment(FAILING), experiment(HOLDING, number=3), json_wanted=True) == 1
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    kept = json.loads(Path(first.pop("directory"), "run.json").read_text())
    assert first == kept
    assert (second["experiment"], second["verdict"]) == (3, "holds")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["99"], "there is no experiment 99: twisted-lab experiments lists them"),
        (["02", "two"], "'two' isn't the number of an experiment, or all"),
        (["9" * 5000], f"'{'9' * 40}' isn't the number of an experiment, or all"),
        (["-1"], "'-1' isn't the number of an experiment, or all"),
    ],
)
def test_no_such_number(words: list[str], sentence: str) -> None:
    """What isn't an experiment's number is one sentence, and none of them is run."""
    done = command("twisted-lab", "experiment", *words)
    assert done.returncode == os.EX_USAGE
    assert done.stdout == b""
    assert done.stderr.decode() == f"twisted-lab: {sentence}\n"


def test_nowhere_to_keep_it(tmp_path: Path) -> None:
    """A directory that can't be made is one sentence."""
    (tmp_path / "file").touch()
    done = command("twisted-lab", "experiment", "2", "--runs", "file", cwd=tmp_path)
    assert done.returncode == os.EX_CANTCREAT
    assert done.stderr == b"twisted-lab: runs can't be kept in file: Not a directory\n"


@pytest.mark.parametrize("findings", [[PICTURE], [HOLDING]])
def test_what_can_not_be_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, findings: list[Claim | Picture]
) -> None:
    """A run whose directory is gone in the middle, or on a disk that is full, is one sentence that says so."""

    def run() -> Iterator[Claim | Picture]:
        shutil.rmtree(tmp_path / "experiment-02")
        yield from findings

    assert perform(monkeypatch, tmp_path, replace(experiment(), run=run)) == os.EX_CANTCREAT
    expected = f"twisted-lab: runs can't be kept in {tmp_path}: No such file or directory\n"
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize(
    ("with_signal", "to_all"), [(signal.SIGINT, True), (signal.SIGINT, False), (signal.SIGTERM, False)]
)
@pytest.mark.parametrize("model", ["processes", "prefork", "socketserver_processes"])
def test_breaking_off(tmp_path: Path, with_signal: signal.Signals, model: str, *, to_all: bool) -> None:
    """Ctrl-C, which a terminal sends to all of them, or a signal to the command alone, leaves nothing running."""
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS.format(model=model), "experiment", "2"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert any(line.startswith(b"holds") for line in process.stdout)
        started = psutil.Process(process.pid).children(recursive=True)
        assert len(started) > 1
        (os.killpg if to_all else os.kill)(process.pid, with_signal)
        assert process.wait(DEADLINE) == 128 + with_signal
    _, alive = psutil.wait_procs(started, DEADLINE)
    assert not alive
    assert not [*tmp_path.glob("runs/*/2*/run.json")]


def test_progress(tmp_path: Path) -> None:
    """
    On a terminal a run that takes longer than two seconds says that it goes on, and takes that away again.

    It does so before anything is printed, which goes to the same terminal.
    """
    with PseudoTerminal("twisted-lab", "experiment", "5", "--runs", str(tmp_path)) as terminal:
        terminal.wait()
    assert re.search(r"experiment 05 runs: \d+ s", terminal.shown)
    left = re.sub(r"[^\n]*\r\x1b\[K", "", terminal.shown).replace("\r\n", "\n")
    assert " runs: " not in left
    assert re.search(r"^(holds|FAILS)  predicted: ", left, re.MULTILINE)
    assert re.search(r"^\d of \d predictions hold\.", left, re.MULTILINE)


def test_progress_of_what_is_kept_elsewhere(tmp_path: Path) -> None:
    """With standard output in a file, nothing of it gets there."""
    shell = f"twisted-lab experiment 5 --json --runs {tmp_path} >{tmp_path}/found"
    with PseudoTerminal("sh", "-c", shell) as terminal:
        terminal.wait()
    assert re.match(r"experiment 05 runs: \d+ s\r\x1b\[K", terminal.shown)
    assert terminal.shown.endswith("\r\x1b[K")
    assert json.loads((tmp_path / "found").read_text())["experiment"] == 5
