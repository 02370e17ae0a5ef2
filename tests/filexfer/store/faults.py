"""
A put whose n-th step fails, or kills the process there: ``python -m tests.filexfer.store.faults DIRECTORY STEP``.

A step is a call into the kernel that the staging, or the writing of content, makes.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from twisted_lab.filexfer.store import staging
from twisted_lab.filexfer.store.exclusive import rename_exclusively
from twisted_lab.filexfer.store.root import Root
from twisted_lab.filexfer.store.staging import Condition, Durability, Staged

TARGET = ("d", "f")
NEW = b"new content, longer than the old one"
KILLED = 77

#: What is counted; the rest of `os` is left alone.
STEPS = {"open", "close", "stat", "fstat", "fchmod", "utime", "fsync", "rename", "unlink", "ftruncate", "pwrite"}


class Fault:
    """Count steps; when the n-th is due, call `strike` in its place."""

    def __init__(self, step: int, strike: Callable[[], object]) -> None:
        self.step = step
        self.strike = strike
        self.taken: list[str] = []

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Give `function`, counted."""

        def counted(*arguments: Any, **options: Any) -> Any:
            self.taken.append(name)
            if len(self.taken) == self.step:
                if name == "close":  # which the kernel does even if it fails
                    function(*arguments, **options)
                self.strike()
            return function(*arguments, **options)

        return counted

    def system(self) -> Any:
        """Give an `os` whose steps are counted."""
        wrapped = {name: self.wrap(name, getattr(os, name)) for name in STEPS}
        return SimpleNamespace(**{**vars(os), **wrapped})


def put(root: Root, condition: Condition, durability: Durability, system: Any = os) -> None:
    """Put NEW at TARGET, going on from what is there if it is a beginning of it."""
    with Staged(root, TARGET, size=len(NEW)) as staged:
        offset = staged.offset if os.pread(staged.descriptor, len(NEW), 0) == NEW[: staged.offset] else 0
        half = max(offset, len(NEW) // 2)
        for start, stop in ((offset, half), (half, len(NEW))):
            system.pwrite(staged.descriptor, NEW[start:stop], start)
        staged.publish(mtime_ns=0, mode=0o644, condition=condition, durability=durability)


def faulty_put(root: Root, fault: Fault, condition: Condition, durability: Durability) -> None:
    """Put with a fault; the exclusive rename is a step too."""
    system = fault.system()
    exclusive = fault.wrap("rename_exclusively", rename_exclusively)
    with mock.patch.object(staging, "os", system), mock.patch.object(staging, "rename_exclusively", exclusive):
        put(root, condition, durability, system)


def main() -> None:
    """Put, and die at the step that was asked for."""
    directory, step = sys.argv[1:]
    absent = not Path(directory, *TARGET).exists()
    fault = Fault(int(step), lambda: os._exit(KILLED))
    with Root(directory) as root:
        faulty_put(root, fault, Condition(absent=absent), Durability.DIRECTORY)


if __name__ == "__main__":
    main()
