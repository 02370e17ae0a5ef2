"""
Files on their way into the root: staged under a reserved name beside their target, published whole or not at all.

A staged file's name follows from who puts what: owner, target and size. So a put that was broken off finds what it left
behind, after the server was restarted too, and no list of transfers has to be kept. What is left behind is never
believed for its length: whoever resumes compares its digest first.

Order is what makes a publication safe: permissions and times, then the data to the disk, then the name in one atomic
rename, then the directory to the disk. Before the rename nothing is seen of the file; after it, all of it.

Everything here blocks, and is called from a thread pool. Content is written to `Staged.descriptor`, by `write_at` or
whatever is faster. A staged file takes two descriptors: its own, and its directory's, so that it is published where it
was staged.
"""

import fcntl
import os
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from twisted_lab.filexfer.conditions import ANYWAY, Condition, Durability
from twisted_lab.filexfer.errors import BusyError, InputOutputError
from twisted_lab.filexfer.names import Name, check_name
from twisted_lab.filexfer.status import Status
from twisted_lab.filexfer.store.exclusive import rename_exclusively
from twisted_lab.filexfer.store.locking import check_condition, locked, open_readable
from twisted_lab.filexfer.store.quota import freed
from twisted_lab.filexfer.store.reserved import left_over_name, unique_name
from twisted_lab.filexfer.store.root import Root, check_regular, show, typed

_OPEN = os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_READABLE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC
#: Only the server reads what isn't published.
PRIVATE = 0o600
#: The permissions of a file for which none were given.
_USUAL = 0o644
#: How many pieces the kernel writes at once (IOV_MAX).
_MOST_PIECES = 1024


class Staged:
    """
    A file that is being put; one process, and one put in it, has it at a time.

    `found` is how many bytes were there already when it was opened, `offset` how many of them may be a beginning of
    the file: `found`, or 0 if that is more than its size. Once it is `published`, `replaced` is how many bytes the file
    that it replaced took, 0 if there was none.
    """

    def __init__(self, root: Root, target: Name, *, size: int | None, owner: str = "") -> None:
        """
        Open what is there of it, or an empty file. The target's directory must exist.

        One whose `size` isn't known, None, is never found again. Raises `BusyError` if another put has it, and what
        `Root` raises.
        """
        check_name(target)
        self._target = target
        self._name = unique_name() if size is None else left_over_name(target, size, owner)
        self._directory_sync = root.directory_sync
        self.published = False
        self.replaced = 0
        self.found = self.offset = 0
        self.descriptor = self._parent = -1
        try:
            with typed(self._target), root.open_parent(target) as (parent, _):
                self._parent = open_readable(parent)
                self._open()
                self.found = os.fstat(self.descriptor).st_size
                if size is not None and self.found > size:
                    os.ftruncate(self.descriptor, 0)
                else:
                    self.offset = self.found
        except BaseException:
            with suppress(OSError):
                _close(self.descriptor, self._parent)
            raise

    def read_left_over(self, position: int, most: int) -> bytes:
        """Give at most `most` of the `offset` bytes that were there, from `position` on; b"" only at their end."""
        with typed(self._target):
            piece = os.pread(self.descriptor, max(0, min(most, self.offset - position)), position)
        if not piece and position < self.offset:
            raise InputOutputError(f"{show(self._target)}: what was left over became shorter while it was read")
        return piece

    def publish(
        self,
        *,
        mtime_ns: int | None = None,
        mode: int | None = None,
        condition: Condition = ANYWAY,
        durability: Durability = Durability.DIRECTORY,
    ) -> Status:
        """
        Give the file its name, in one step, and as much of it to the disk as `durability` says; give its facts.

        `mode` is the nine permission bits. Raises `ChangedError` or `ExistsError` if `condition` doesn't hold: then,
        and after any error before the rename, the target is as it was, and the staged file is still there. After an
        error of the directory's fsync, it is `published`, but maybe not for long.
        """
        with typed(self._target):
            set_facts(self.descriptor, mtime_ns, mode)
            if durability is not Durability.MEMORY:
                os.fsync(self.descriptor)
            last = self._target[-1].encode()
            with locked(self._parent):
                there = check_condition(self._parent, last, condition, show(self._target))
                if condition.absent:
                    rename_exclusively(self._parent, self._name, self._parent, last)
                else:
                    os.rename(self._name, last, src_dir_fd=self._parent, dst_dir_fd=self._parent)
                self.published = True
                self.replaced = freed(there)
            if durability is Durability.DIRECTORY:
                self._directory_sync.sync(self._parent)
            return Status.of(os.fstat(self.descriptor))

    def discard(self) -> None:
        """Remove what is there; nothing to resume from is left."""
        with typed(self._target):
            os.unlink(self._name, dir_fd=self._parent)

    def close(self) -> None:
        """Let go of it; unless it was published or discarded, what is there stays, to resume from."""
        with typed(self._target):
            _close(self.descriptor, self._parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> None:
        self.descriptor = self._open_and_lock()
        if os.fstat(self.descriptor).st_nlink > 1:
            # An exclusive rename in two steps (see `exclusive`) died between them: this is the published file, by its
            # other name. It isn't ours to write to.
            os.unlink(self._name, dir_fd=self._parent)
            published, self.descriptor = self.descriptor, -1
            os.close(published)
            self.descriptor = self._open_and_lock()

    def _open_and_lock(self) -> int:
        try:
            descriptor = os.open(self._name, _OPEN, PRIVATE, dir_fd=self._parent)
        except PermissionError:
            self._make_writable()
            descriptor = os.open(self._name, _OPEN, PRIVATE, dir_fd=self._parent)
        try:
            check_regular(os.fstat(descriptor), show(self._target))
            self._lock(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _make_writable(self) -> None:
        """Take back the permissions of a file that was to be published read-only, and wasn't."""
        try:
            descriptor = os.open(self._name, _OPEN_READABLE, dir_fd=self._parent)
        except FileNotFoundError:  # so it's the directory that isn't writable, which is found out again
            return
        try:
            self._lock(descriptor)
            os.fchmod(descriptor, PRIVATE)
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        """Take the file for this put; the kernel gives it back when the process dies, so no lock is ever stale."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            named = os.stat(self._name, dir_fd=self._parent, follow_symlinks=False)
        except (BlockingIOError, FileNotFoundError):
            raise BusyError(f"{show(self._target)}: somebody else is putting it") from None
        if not os.path.samestat(named, os.fstat(descriptor)):  # published by another put between open and lock
            raise BusyError(f"{show(self._target)}: somebody else has just put it")


def write_at(descriptor: int, pieces: Sequence[bytes], position: int) -> None:
    """Write `pieces`, one after the other, from `position` on, without joining them; `OSError` if not all fit."""
    left = [memoryview(piece) for piece in pieces if piece]
    while left:
        written = os.pwritev(descriptor, left[:_MOST_PIECES], position)
        position += written
        whole = 0
        while whole < len(left) and written >= len(left[whole]):
            written -= len(left[whole])
            whole += 1
        del left[:whole]
        if written:
            left[0] = left[0][written:]


def set_facts(descriptor: int, mtime_ns: int | None, mode: int | None) -> None:
    """Set what the published file has: permissions, the usual ones if None, and its time, that of now if None."""
    os.fchmod(descriptor, (_USUAL if mode is None else mode) & 0o777)
    if mtime_ns is None:
        os.utime(descriptor)
    else:
        os.utime(descriptor, ns=(mtime_ns, mtime_ns))


def _close(*descriptors: int) -> None:
    """Close them all, whatever is said of one; -1 is none."""
    error: OSError | None = None
    for descriptor in descriptors:
        if descriptor >= 0:
            try:
                os.close(descriptor)
            except OSError as raised:
                error = raised
    if error is not None:
        raise error
