"""
A user's share of the disk: what is used of it, and what is reserved for puts under way.

What counts is the size of the regular files in the root, of those that aren't published yet too. It is counted once, by
a walk of the root, and from then on kept by what our own operations change; what other programs add or remove in the
root is seen after the next start. Directories and links take nothing of it.
"""

import os
import stat
import threading

from twisted_lab.filexfer.errors import BusyError, QuotaExceededError
from twisted_lab.filexfer.store.root import Root
from twisted_lab.filexfer.store.walking import walk


class Ledger:
    """
    The account of one root, in bytes, shared by all that change it; any number of threads may use it at once.

    With `limit` None nothing is counted and nothing refused. Whoever changes the root calls `count` before, and
    `commit` after: what happened while it was counted would be in it twice, or not at all.
    """

    def __init__(self, root: Root, limit: int | None = None) -> None:
        self.limit = limit
        self._root = root
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        self._used: int | None = None
        self._reserved = 0

    @property
    def used(self) -> int:
        """What the files take; what is reserved doesn't count. 0 if there is no limit."""
        self.count()
        return self._used or 0

    def count(self) -> None:
        """
        Walk the root, if there is a limit and it wasn't walked yet; raises what `Root` does.

        `BusyError` if another thread does that just now: to wait for a long walk would hold all threads there are.
        """
        if self.limit is None or self._used is not None:
            return
        if not self._counting.acquire(blocking=False):
            raise BusyError("what the files take is being counted; ask again")
        try:
            if self._used is None:
                self._used = _count(self._root)
        finally:
            self._counting.release()

    def reserve(self, count: int) -> None:
        """Set `count` bytes aside, to be given back by `release`; `QuotaExceededError` if there aren't so many."""
        self.count()
        with self._lock:
            if self.limit is not None:
                left = self.limit - (self._used or 0) - self._reserved
                if count > max(left, 0):
                    raise QuotaExceededError(
                        f"{count} bytes would be needed, and {max(left, 0)} of {self.limit} are left of the quota"
                    )
            self._reserved += count

    def release(self, count: int) -> None:
        """Give back `count` bytes that were reserved: those that were written count as used, by `commit`, before."""
        with self._lock:
            self._reserved -= count

    def commit(self, delta: int) -> None:
        """Account for what was done: `delta` bytes more are used, or less, if it is negative."""
        with self._lock:
            if self._used is not None:
                self._used += delta


def freed(replaced: os.stat_result | None) -> int:
    """Give how many bytes are free once that which `replaced` tells of has lost its name."""
    if replaced is None or not stat.S_ISREG(replaced.st_mode) or replaced.st_nlink != 1:
        return 0
    return replaced.st_size


def _count(root: Root) -> int:
    """Give the bytes of all files; those of one with several names once."""
    total = 0
    linked = set[tuple[int, int]]()
    for _, found in walk(root):
        try:
            result = found.stat(follow_symlinks=False)
        except FileNotFoundError:  # removed since
            continue
        if not stat.S_ISREG(result.st_mode):
            continue
        if result.st_nlink > 1:
            identity = result.st_dev, result.st_ino
            if identity in linked:
                continue
            linked.add(identity)
        total += result.st_size
    return total
