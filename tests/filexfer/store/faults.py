"""
Every step of every scenario fails, or kills the process there.

A step is a call into the kernel that the store makes. ``python -m tests.filexfer.store.faults`` tells how many each
scenario takes; with ``--serve`` it is the process that is killed, a fork of it for each step (see `Zygote`).
A sync goes through client and server as well: see ``tests/filexfer/trees/sync_faults.py``.
"""

import errno
import gc
import importlib
import os
import pkgutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Self
from unittest import mock

from tests.filexfer.store.scenarios import SCENARIOS, Scenario, counted
from tests.processes import DEADLINE
from twisted_lab.filexfer import store
from twisted_lab.filexfer.store import exclusive, small_files, space, staging
from twisted_lab.filexfer.store.root import Root

KILLED = 77
#: What is counted; the rest of `os` is left alone.
STEPS = {
    *("open", "close", "stat", "fstat", "fstatvfs", "scandir", "readlink", "pread", "preadv", "pwritev", "ftruncate"),
    *("fchmod", "utime", "fsync", "rename", "link", "unlink", "mkdir", "rmdir", "symlink", "dup"),
}


class Fault:
    """Count steps; when the n-th is due, call `strike` in its place."""

    def __init__(self, step: int = 0, strike: Callable[[], object] = lambda: None) -> None:
        self.step = step
        self.strike = strike
        self.taken: list[str] = []

    @property
    def struck(self) -> bool:
        """Whether there were as many steps."""
        return 0 < self.step <= len(self.taken)

    def take(self, name: str) -> None:
        """Count a step."""
        self.taken.append(name)
        if len(self.taken) == self.step:
            self.strike()

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Give `function`, counted."""

        def counted(*arguments: Any, **options: Any) -> Any:
            if name == "close":  # which the kernel does even if it fails
                function(*arguments, **options)
                return self.take(name)
            self.take(name)
            return function(*arguments, **options)

        return counted

    def lock(self, function: Callable[[int, int], None]) -> Callable[[int, int], None]:
        """Give `fcntl.flock`, counted, but for the unlocking, which has no way to fail."""

        def flock(descriptor: int, operation: int) -> None:
            if not operation & 8:
                self.take("flock")
            function(descriptor, operation)

        return flock


@contextmanager
def injected(fault: Fault) -> Iterator[None]:
    """
    Have the whole store take its steps through `fault`, for the time of a ``with``.

    An fsync is a step, but isn't done: what it is for, a power cut, isn't tried here, and it takes most of the time.
    """
    steps = {name: getattr(os, name) for name in STEPS} | {"fsync": os.fstat}
    wrapped = {name: fault.wrap(name, function) for name, function in steps.items()}
    with ExitStack() as patched:
        for module in _modules():
            if hasattr(module, "os"):
                # Of what is only read, a directory most of all, there is nothing to close that could fail.
                kept = {} if module in {staging, small_files} else {"close": os.close}
                system = SimpleNamespace(**{**vars(os), **wrapped, **kept})
                patched.enter_context(mock.patch.object(module, "os", system))
            if hasattr(module, "fcntl"):
                locking = SimpleNamespace(**{**vars(module.fcntl), "flock": fault.lock(module.fcntl.flock)})
                patched.enter_context(mock.patch.object(module, "fcntl", locking))
        for module, name in ((exclusive, "_renameat2"), (space, "_reserve")):
            patched.enter_context(mock.patch.object(module, name, fault.wrap(name, getattr(module, name))))
        yield


def fail_with(number: int) -> None:
    """Fail as the kernel does."""
    raise OSError(number, os.strerror(number))


def steps(scenario: Scenario) -> list[str]:
    """Give the steps that `scenario` takes when nothing goes wrong."""
    fault = Fault()
    with tempfile.TemporaryDirectory() as directory:
        scenario.prepare(Path(directory))
        with Root(directory) as root:
            ledger = counted(root)
            with injected(fault):
                scenario.run(root, ledger)
    return fault.taken


class Zygote:
    """
    A process that runs scenarios in forks of its own, which die at a step.

    It has imported everything already; a Python of its own for each step would take most of its time to start. It is
    `module`, whose ``--serve`` calls `serve`.
    """

    def __init__(self, module: str = __name__) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, "--serve"],
            cwd=Path(__file__).parents[3],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, directory: Path, scenario: str, step: int) -> bool:
        """Run `scenario` on `directory`, and tell whether it died at `step`; if not, it had fewer steps."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{directory}\t{scenario}\t{step}\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        assert status in {0, KILLED}, f"{scenario}, step {step}: exit status {status}"
        return status == KILLED

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=DEADLINE)


def _modules() -> list[ModuleType]:
    return [importlib.import_module(found.name) for found in pkgutil.iter_modules(store.__path__, f"{store.__name__}.")]


def serve(run: Callable[[Path, str, Fault], object]) -> None:
    """Be a `Zygote`'s process: call `run` with a directory, what is to be done in it, and a fault that kills."""
    _modules()
    gc.freeze()  # else each fork copies all pages as soon as it collects
    for line in sys.stdin:
        directory, name, step = line.rstrip("\n").split("\t")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                run(Path(directory), name, Fault(int(step), lambda: os._exit(KILLED)))
                status = 0
            finally:
                os._exit(status)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


def _run(directory: Path, name: str, fault: Fault) -> None:
    with Root(directory) as root:
        ledger = counted(root)
        with injected(fault):
            SCENARIOS[name].run(root, ledger)


def show_counts(counts: dict[str, int]) -> None:
    """Print how many steps each thing takes that is tried, and how many faults that makes."""
    for name, count in counts.items():
        sys.stdout.write(f"{count:5} {name}\n")
    total = sum(counts.values())
    sys.stdout.write(f"{total:5} steps, each tried with {', '.join(WAYS)}: {total * len(WAYS)} faults\n")


#: What is made of a step: an error of the kernel, or the end of the process.
ERRORS = (errno.ENOSPC, errno.EIO)
WAYS = (*(errno.errorcode[number] for number in ERRORS), "kill")


if __name__ == "__main__":
    if "--serve" in sys.argv:
        serve(_run)
    else:
        show_counts({name: len(steps(scenario)) for name, scenario in SCENARIOS.items()})
