"""What broken puts left over in a directory that is to go."""

import fcntl
import os
import stat

from twisted_lab.filexfer.errors import BusyError, NotEmptyError
from twisted_lab.filexfer.store.locking import locked
from twisted_lab.filexfer.store.quota import Ledger, freed
from twisted_lab.filexfer.store.reserved import is_ours

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_left_over(parent: int, last: bytes, ledger: Ledger, shown: str) -> None:
    """
    Remove what puts left over in the directory called `last`, in `parent`.

    `NotEmptyError` if there is anything else, and nothing is removed then; `BusyError` if a put is under way. `OSError`
    for what the kernel says.
    """
    directory = os.open(last, _DIRECTORY, dir_fd=parent)
    try:
        _list(directory, shown)  # what is plainly not empty needs no lock
        # Whoever has it may wait for that of `parent`, which we hold: two who wait for each other would never end.
        with locked(directory, patience=0.0):
            for raw in _list(directory, shown):
                ledger.commit(-_remove(directory, raw, shown))
    finally:
        os.close(directory)


def _list(directory: int, shown: str) -> list[bytes]:
    found = []
    with os.scandir(directory) as scan:
        for entry in scan:
            raw = os.fsencode(entry.name)
            if not is_ours(raw):
                raise NotEmptyError(f"{shown}: the directory isn't empty")
            found.append(raw)
    return found


def _remove(directory: int, raw: bytes, shown: str) -> int:
    """Remove it, if it is in nobody's use; give the bytes that are free then."""
    result = os.stat(raw, dir_fd=directory, follow_symlinks=False)
    if not stat.S_ISREG(result.st_mode):
        os.unlink(raw, dir_fd=directory)
        return 0
    descriptor = os.open(raw, _FILE, dir_fd=directory)
    try:
        # Whoever puts it holds this lock. If it is another one by now, somebody has just begun to put it.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        result = os.fstat(descriptor)
        if not os.path.samestat(os.stat(raw, dir_fd=directory, follow_symlinks=False), result):
            raise BlockingIOError  # noqa: TRY301
        os.unlink(raw, dir_fd=directory)
        return freed(result)
    except (BlockingIOError, FileNotFoundError):
        raise BusyError(f"{shown}: somebody puts a file into it") from None
    finally:
        os.close(descriptor)
