"""The servers of the experiments: what runs is what it says, and it ends with its block."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from twisted_lab.experiments.client import connect, is_answered
from twisted_lab.experiments.e05_polling import unblock
from twisted_lab.experiments.e06_selectors import catch
from twisted_lab.experiments.errors import DidNotStartError
from twisted_lab.experiments.patience import DEADLINE
from twisted_lab.experiments.server import END, SOON, TUTORIAL, hosted, model, start, tutorial


@pytest.mark.parametrize("name", ["echo_server", "noblocking_server"])
def test_the_tutorials_own(name: str) -> None:
    """The tutorial's servers run, on this machine alone, and end with the block."""
    with tutorial(name) as server:
        assert is_answered(server.address)
        assert not server.is_over()
        assert server.error == ""
    assert server.is_over()
    with pytest.raises(ConnectionRefusedError):
        connect(server.address)


def test_their_changes() -> None:
    """What an experiment changes in a program of the tutorial's is there to be changed, once."""
    for name, change in (("noblocking_server", unblock), ("selector_server", catch)):
        text = (TUTORIAL / f"{name}.py").read_text("utf-8")
        assert len(change(text).splitlines()) - len(text.splitlines()) in {1, 3}
        compile(change(text), name, "exec")


def test_one_that_does_not_start() -> None:
    """A program that ends before it listens is told with the last line that it printed."""
    with (
        pytest.raises(DidNotStartError, match="a server ended with status 3: no, not today") as raised,
        start([sys.executable, "-c", "print('well'); print('no, not today'); exit(3)"]),
    ):
        pass
    assert raised.value.status == 3


def test_one_that_is_killed() -> None:
    """A program that a signal ends before it listens is told with the signal."""
    with (
        pytest.raises(DidNotStartError, match="a server was ended by signal 9: it has printed nothing"),
        start([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]),
    ):
        pass


def test_one_that_prints_much() -> None:
    """Of what a program prints, the end is read: the last exception is there."""
    printed = "print('ValueError: first\\n' + 'x\\n' * 100_000 + 'h listens on 127.0.0.1:1')"
    with start([sys.executable, "-c", f"{printed}; input()"]) as server:
        server.is_over(DEADLINE)
        assert server.error == "EOFError: EOF when reading a line"
    with start([sys.executable, "-c", printed]) as server:
        server.is_over(DEADLINE)
        assert server.error == ""


def test_one_that_never_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that runs and doesn't listen is ended."""
    monkeypatch.setattr("twisted_lab.experiments.server.PATIENCE", 0.3)
    with (
        pytest.raises(DidNotStartError, match="still runs, without listening: it has printed nothing"),
        start([sys.executable, "-c", "import time; time.sleep(60)"]),
    ):
        pass


def test_where_a_reader_s_module_is_found(tmp_path: Path) -> None:
    """A module of the directory that is given is found; an error in it is told."""
    (tmp_path / "mine.py").write_text("from twisted_lab.experiments.wrong import ShortEcho as Mine\n")
    (tmp_path / "broken.py").write_text("1 / 0\n")
    with hosted("mine:Mine", str(tmp_path)) as server:
        assert is_answered(server.address)
    with pytest.raises(DidNotStartError, match="ZeroDivisionError"), hosted("broken:Mine", str(tmp_path)):
        pass


def test_where_programs_of_ours_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the current directory isn't taken for one of the standard library's."""
    (tmp_path / "socket.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    with model("blocking") as server:
        assert is_answered(server.address)


def test_one_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that doesn't end when it is asked to is killed, with what it has started."""
    monkeypatch.setattr("twisted_lab.experiments.server.END", 0.1)
    stubborn = (
        "import signal, subprocess; signal.signal(15, signal.SIG_IGN); child = subprocess.Popen(['sleep', '600'])"
    )
    listens = "print(f'stubborn {child.pid} listens on 127.0.0.1:1'); child.wait()"
    with start([sys.executable, "-c", f"{stubborn}; {listens}"]) as server:
        (child,) = psutil.Process(server.pid).children()
    assert server.is_over()
    psutil.wait_procs([child], DEADLINE)
    assert not child.is_running()


@pytest.mark.parametrize("ends", [KeyboardInterrupt, SystemExit])
def test_one_that_the_user_waits_for(monkeypatch: pytest.MonkeyPatch, ends: type[BaseException]) -> None:
    """A program that doesn't end when the user has broken off is killed sooner than otherwise."""
    patience: list[float] = []

    def end(process: "subprocess.Popen[bytes]", seconds: float) -> None:
        patience.append(seconds)
        process.kill()

    monkeypatch.setattr("twisted_lab.experiments.server._end", end)
    listens = [sys.executable, "-c", "import time; print('h listens on 127.0.0.1:1'); time.sleep(600)"]
    with pytest.raises(ends), start(listens):
        raise ends
    with start(listens):
        pass
    assert patience == [SOON, END]
    assert SOON < END
