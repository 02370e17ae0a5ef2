"""
Files on their way into the root: staged under a reserved name beside their target, published whole or not at all.

A staged file's name follows from who puts what: owner, target and size. So a put that was broken off finds what it left
behind, after the server was restarted too, and no list of transfers has to be kept. What is left behind is never
believed for its length: whoever resumes compares its digest first.

Order is what makes a publication safe: permissions and times, then the data to the disk, then the name in one atomic
rename, then the directory to the disk. Before the rename nothing is seen of the file; after it, all of it.

Everything here blocks, and is called from a thread pool. Content is written to `Staged.descriptor` directly, by
whatever is fastest; it never has to pass through Python objects.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Self

from twisted_lab.filexfer.errors import BusyError, ChangedError, InputOutputError
from twisted_lab.filexfer.names import RESERVED, Name, show_name
from twisted_lab.filexfer.status import Status
from twisted_lab.filexfer.store.exclusive import rename_exclusively
from twisted_lab.filexfer.store.os_errors import from_os_error
from twisted_lab.filexfer.store.root import Root, check_regular

_OPEN = os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: Bytes.
_PIECE = 2**20
#: Only the server reads what isn't published.
_PRIVATE = 0o600


class Durability(Enum):
    """What is on the disk for sure once a file is published."""

    MEMORY = "memory"
    FILE = "file"
    DIRECTORY = "directory"


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold at the moment of publishing: nothing has the name (`absent`), or its file has that `etag`."""

    absent: bool = False
    etag: str | None = None


class Staged:
    """
    A file that is being put; one process, and one put in it, has it at a time.

    `offset` is how many bytes were there already when it was opened, at most `size`.
    """

    def __init__(self, root: Root, target: Name, *, size: int, owner: str = "") -> None:
        """
        Open what is there of it, or an empty file. The target's directory must exist.

        Raises `BusyError` if another put has it, and what `Root` raises.
        """
        self._target = target
        self._name = _staged_name(target, size, owner)
        with root.open_parent(target) as (parent, _), self._typed():
            self._parent = os.open(b".", _READ_DIRECTORY, dir_fd=parent)
        try:
            with self._typed():
                self.descriptor = self._open(size)
        except BaseException:
            os.close(self._parent)
            raise

    def feed_left_over(self, update: Callable[[bytes], object]) -> None:
        """Hand the bytes that were there to a digest's `update`: a resume compares it before it goes on."""
        position = 0
        while position < self.offset:
            with self._typed():
                piece = os.pread(self.descriptor, min(_PIECE, self.offset - position), position)
            if not piece:
                raise InputOutputError(f"{self._shown()}: what was left over became shorter while it was read")
            update(piece)
            position += len(piece)

    def publish(
        self,
        *,
        mtime_ns: int,
        mode: int,
        condition: Condition = Condition(),  # frozen
        durability: Durability = Durability.DIRECTORY,
    ) -> Status:
        """
        Give the file its name, in one step, and as much of it to the disk as `durability` says; give its facts.

        `mode` is the nine permission bits. Raises `ChangedError` or `ExistsError` if `condition` doesn't hold: then,
        and after any error before the rename, the target is as it was, and the staged file is still there.
        """
        with self._typed():
            os.fchmod(self.descriptor, mode & 0o777)
            os.utime(self.descriptor, ns=(mtime_ns, mtime_ns))
            if durability is not Durability.MEMORY:
                os.fsync(self.descriptor)
            with self._locked_parent():
                self._rename(condition)
                if durability is Durability.DIRECTORY:
                    os.fsync(self._parent)
            return Status.of(os.fstat(self.descriptor))

    def discard(self) -> None:
        """Remove what is there; nothing to resume from is left."""
        with self._typed():
            os.unlink(self._name, dir_fd=self._parent)

    def close(self) -> None:
        """Let go of it; unless it was published or discarded, what is there stays, to resume from."""
        with self._typed():
            try:
                os.close(self.descriptor)
            finally:
                os.close(self._parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, size: int) -> int:
        descriptor = os.open(self._name, _OPEN, _PRIVATE, dir_fd=self._parent)
        try:
            check_regular(os.fstat(descriptor), self._target)
            self._lock(descriptor)
            self.offset = os.fstat(descriptor).st_size
            if self.offset > size:
                os.ftruncate(descriptor, 0)
                self.offset = 0
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _lock(self, descriptor: int) -> None:
        """Take the file for this put; the kernel gives it back when the process dies, so no lock is ever stale."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            named = os.stat(self._name, dir_fd=self._parent, follow_symlinks=False)
        except (BlockingIOError, FileNotFoundError):
            raise BusyError(f"{self._shown()}: somebody else is putting it") from None
        if not os.path.samestat(named, os.fstat(descriptor)):  # published by another put between open and lock
            raise BusyError(f"{self._shown()}: somebody else has just put it")

    def _rename(self, condition: Condition) -> None:
        last = self._target[-1].encode()
        if condition.etag is not None:
            try:
                found = Status.of(os.stat(last, dir_fd=self._parent, follow_symlinks=False))
            except FileNotFoundError:
                raise ChangedError(f"{self._shown()}: it isn't there any more") from None
            if found.etag != condition.etag:
                raise ChangedError(f"{self._shown()}: it isn't what it was taken for")
        if condition.absent:
            rename_exclusively(self._parent, self._name, self._parent, last)
        else:
            os.rename(self._name, last, src_dir_fd=self._parent, dst_dir_fd=self._parent)

    @contextmanager
    def _locked_parent(self) -> Iterator[None]:
        """Let no other put, of this process or another, come between a condition and the rename."""
        fcntl.flock(self._parent, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._parent, fcntl.LOCK_UN)

    @contextmanager
    def _typed(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise from_os_error(error, self._shown()) from error

    def _shown(self) -> str:
        return show_name("/".join(self._target))


def _staged_name(target: Name, size: int, owner: str) -> bytes:
    facts = "\0".join((owner, str(size), target[-1])) if target else ""
    return RESERVED.encode() + hashlib.blake2b(facts.encode(), digest_size=16).hexdigest().encode()
