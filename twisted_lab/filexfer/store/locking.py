"""
The lock of a directory, under which conditions on what is in it are judged and acted on.

A condition (`Condition`) and the rename or removal that it is for are two steps. Nothing of ours comes between them,
of this process or another, while everybody who gives a name, takes one away or swaps one holds the directory's flock.
The kernel gives it back when the process dies, so none is ever stale.

Nothing slow is done under it: no data are written, and fsync comes after.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from twisted_lab.filexfer.conditions import Condition
from twisted_lab.filexfer.errors import BusyError, ChangedError, ExistsError
from twisted_lab.filexfer.status import etag

_READ_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: Seconds. Ours hold the lock for two system calls; another program, which may have it for ever, mustn't hang us.
PATIENCE = 10.0
_PAUSE = 0.001


def open_readable(directory: int) -> int:
    """
    Give a descriptor of the same directory that can be locked, read and fsynced; it is the caller's to close.

    `Root.open_parent` gives one for which O_PATH was asked, and which can't. Raises `OSError`.
    """
    return os.open(b".", _READ_DIRECTORY, dir_fd=directory)


@contextmanager
def locked(*directories: int, patience: float = PATIENCE) -> Iterator[None]:
    """
    Hold the locks of `directories`, descriptors as `open_readable` gives, for the time of a ``with``.

    `BusyError` if another has had one for `patience` seconds. Who holds one already must have none, and take what is
    free or nothing. The order in which several are given doesn't matter, nor
    does one that is given twice by the same descriptor; two descriptors of one directory are taken as one too.
    """
    by_identity = {}
    for directory in directories:
        result = os.fstat(directory)
        by_identity[result.st_dev, result.st_ino] = directory
    with ExitStack() as held:
        # In one order everywhere: two who each have one and want the other's would wait for ever.
        for _, directory in sorted(by_identity.items()):
            _lock(directory, patience)
            held.callback(fcntl.flock, directory, fcntl.LOCK_UN)
        yield


def check_condition(directory: int, last: bytes, condition: Condition, shown: str) -> os.stat_result | None:
    """
    Judge `condition` of what is called `last` in `directory`, and give what is there, None for nothing.

    `ExistsError` or `ChangedError` if it doesn't hold; `shown` is the name for that. `OSError` if it can't be judged.
    """
    try:
        found = os.stat(last, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        if condition.etag is not None:
            raise ChangedError(f"{shown}: it isn't there any more") from None
        return None
    if condition.absent:
        raise ExistsError(f"{shown}: it exists already")
    if condition.etag is not None and etag(found) != condition.etag:
        raise ChangedError(f"{shown}: it isn't what it was taken for")
    return found


def _lock(directory: int, patience: float) -> None:
    """Wait for the lock by asking again: a flock that waits in the kernel has no deadline."""
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise BusyError("somebody else is changing what is in that directory") from None
            time.sleep(_PAUSE)
