"""What processes use: theirs and that of all they have started."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from twisted_lab.experiments import usage as experiments_usage
from twisted_lab.experiments.errors import CannotRunError
from twisted_lab.instruments import usage
from twisted_lab.instruments.usage import Usage, processes_of

#: Starts one process that stays and one that has ended, which it doesn't wait for.
PARENT = """
import os, sys, time
staying = os.fork()
if not staying:
    time.sleep(60)
ended = os.fork()
if not ended:
    os._exit(0)
os.waitid(os.P_PID, ended, os.WEXITED | os.WNOWAIT)
print(staying, ended, flush=True)
sys.stdin.read()
os.kill(staying, 9)
"""


@pytest.fixture
def family() -> Iterator[tuple[int, int]]:
    """Give a process, and the one that it has started and that runs; another is a zombie."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        staying, ended = map(int, parent.stdout.readline().split())
        assert psutil.Process(ended).status() == psutil.STATUS_ZOMBIE
        yield parent.pid, staying
        parent.communicate()


def test_who_counts(family: tuple[int, int]) -> None:
    """All that run do; one that has ended, and wasn't waited for yet, doesn't."""
    used = Usage.of(family[0])
    assert (used.processes, used.threads) == (2, 2)
    assert used.cpu > 0
    assert used.memory > 0
    assert processes_of(family[0]) == [*family]


def test_memory_that_only_root_is_told(family: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where what is a process's alone is told to root only (macOS), all that it has is given; nothing else is lost."""

    def deny(process: psutil.Process) -> None:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "memory_full_info", deny)
    used = Usage.of(family[0])
    assert (used.processes, used.threads) == (2, 2)
    assert used.memory > 2**20


def test_one_that_has_gone() -> None:
    """It has nothing."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert Usage.of(process.pid) == Usage(0.0, 0, 0, 0, 0)
    assert processes_of(process.pid) == []


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_proc_of_another_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is seen that /proc isn't ours, or isn't there; an experiment can't be run then."""
    assert usage.are_shown()

    def missing(_: Path) -> Path:
        raise FileNotFoundError

    for readlink in (lambda _: Path(str(os.getpid() + 1)), missing):
        monkeypatch.setattr(Path, "readlink", readlink)
        assert not usage.are_shown()
        with pytest.raises(CannotRunError, match="of another namespace"):
            experiments_usage.look(None)  # type: ignore[arg-type]  # it isn't asked
