"""
What broken puts left behind, removed once nobody comes back for it.

A put that is under way holds the lock of its file, so nothing that is in use is ever removed, however slow it is. What
is looked at is the time of the last change of any kind (ctime), which no client sets.
"""

import fcntl
import os
import stat
from contextlib import suppress

from twisted_lab.filexfer.store.quota import freed
from twisted_lab.filexfer.store.reserved import is_ours
from twisted_lab.filexfer.store.root import Root
from twisted_lab.filexfer.store.walking import walk

#: Seconds: for a day, a put that was broken off can go on where it stopped.
LEFT_OVER = 86400.0

_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_stale(root: Root, now: float, older_than: float = LEFT_OVER) -> tuple[int, int]:
    """
    Remove, anywhere in `root`, what was staged and last changed more than `older_than` seconds before `now`.

    `now` is in seconds since 1970. Gives how many files and how many bytes that were. What can't be looked at or
    removed stays; only the root itself has to be readable, and raises what `Root` does.
    """
    files = size = 0
    for directory, found in walk(root):
        last = os.fsencode(found.name)
        if is_ours(last):
            with suppress(OSError):
                freed = _remove(directory, last, now - older_than)
                if freed is not None:
                    files += 1
                    size += freed
    return files, size


def _remove(directory: int, last: bytes, before: float) -> int | None:
    """Remove it if it is older than `before`, and in nobody's use; give the bytes that are free then, None if not."""
    result = os.stat(last, dir_fd=directory, follow_symlinks=False)
    if result.st_ctime >= before:
        return None
    if not stat.S_ISREG(result.st_mode):  # a link that was to be published; a put doesn't go on with one
        os.unlink(last, dir_fd=directory)
        return 0
    descriptor = os.open(last, _OPEN, dir_fd=directory)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # As it is now that no put can take it: one may have had it, or published it, in between.
        result = os.fstat(descriptor)
        named = os.stat(last, dir_fd=directory, follow_symlinks=False)
        if result.st_ctime >= before or not os.path.samestat(result, named):
            return None
        os.unlink(last, dir_fd=directory)
        return freed(result)
    finally:
        os.close(descriptor)
