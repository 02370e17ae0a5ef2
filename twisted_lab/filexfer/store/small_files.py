"""
Many small files, published as a group: each is whole or not there, and the disk is waited for once for all.

The order is that of a single put, a step at a time for all of them: contents, permissions and times; then all data to
the disk; then the names, each by an atomic rename; then each directory to the disk, once. What goes wrong with one file
stays with that file.

A group holds two descriptors a file at most, so it is the caller who sees to it that it is small.
"""

import fcntl
import os
from collections.abc import Callable, Sequence
from contextlib import suppress

from twisted_lab.filexfer.conditions import ANYWAY, Condition, Durability
from twisted_lab.filexfer.digests import Digest, algorithm_of
from twisted_lab.filexfer.errors import BadNameError, DigestMismatchError, FilexferError, InputOutputError
from twisted_lab.filexfer.names import Name, check_name
from twisted_lab.filexfer.receipt import Receipt
from twisted_lab.filexfer.small_file import SmallFile
from twisted_lab.filexfer.status import etag
from twisted_lab.filexfer.store.directories import Directories
from twisted_lab.filexfer.store.exclusive import rename_exclusively
from twisted_lab.filexfer.store.locking import check_condition, locked
from twisted_lab.filexfer.store.os_errors import from_os_error
from twisted_lab.filexfer.store.quota import Ledger, freed
from twisted_lab.filexfer.store.reserved import unique_name
from twisted_lab.filexfer.store.root import Root, show, typed
from twisted_lab.filexfer.store.staging import PRIVATE, set_facts, write_at

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def receive_small(
    root: Root,
    files: Sequence[SmallFile],
    durability: Durability,
    condition: Condition = ANYWAY,
    *,
    ledger: Ledger | None = None,
) -> list[Receipt | FilexferError]:
    """
    Publish `files`, each for itself, and give for each, in order, its receipt or what kept it from being published.

    Missing directories are made. A file replaces what has its name, unless `condition` says otherwise; of two with one
    name, the later does. The digest is of the content as it was sent, and is checked first (`DigestMismatchError`).
    """
    with Directories(root, durable=durability is Durability.DIRECTORY) as directories:
        group = [_SmallPut(file, condition, ledger) for file in files]
        try:
            for put in group:
                put.attempt(put.stage, directories)
            if durability is not Durability.MEMORY:
                for put in _unharmed(group):
                    put.attempt(os.fsync, put.descriptor)
            _publish(group, directories)
            directories.sync()
            for put in _unharmed(group):
                put.attempt(put.take_receipt, directories, durability)
        finally:
            for put in group:
                put.attempt(put.close)
    return [put.outcome for put in group]


class _SmallPut:
    """
    One file of a group, and its `outcome`; once it has `failed`, all that is done with it is to close it.

    Staged under a name that is used once, for a file that is sent again as a whole has nothing to resume from. It is
    locked nevertheless, so that nobody takes it for one that was left behind.
    """

    def __init__(self, file: SmallFile, condition: Condition, ledger: Ledger | None) -> None:
        self.outcome: Receipt | FilexferError = InputOutputError(f"{show(file.name)}: it was not published")
        self.failed = False
        self.descriptor = -1
        self.above = file.name[:-1]
        self._file = file
        self._condition = condition
        self._name = unique_name()
        self._ledger = ledger
        self._reserved = 0
        self._staged_in = -1

    def attempt(self, step: Callable[..., object], *arguments: object) -> None:
        """Take a step of it, and keep what goes wrong as the outcome."""
        try:
            step(*arguments)
        except FilexferError as error:
            self.fail(error)
        except OSError as error:
            self.fail(from_os_error(error, show(self._file.name)))

    def fail(self, error: FilexferError) -> None:
        """Take `error` as the outcome."""
        self.outcome = error
        self.failed = True

    def stage(self, directories: Directories) -> None:
        """Check the content, and write it under its reserved name, with permissions and time."""
        file = self._file
        check_name(file.name)
        if not file.name:
            raise BadNameError("that is the root itself; it isn't a file")
        digest = Digest(algorithm_of(file.digest))
        digest.update(file.content)
        if digest.text != file.digest:
            raise DigestMismatchError(f"{show(file.name)}: other bytes arrived than were sent; send it again")
        directory = directories.open(self.above)
        if self._ledger is not None:
            self._ledger.reserve(len(file.content))
            self._reserved = len(file.content)
        self.descriptor = os.open(self._name, _CREATE, PRIVATE, dir_fd=directory)
        self._staged_in = directory
        fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        write_at(self.descriptor, [file.content], 0)
        set_facts(self.descriptor, file.mtime_ns, file.mode)

    def rename(self) -> None:
        """Give it its name; its directory is locked."""
        last = self._file.name[-1].encode()
        there = check_condition(self._staged_in, last, self._condition, show(self._file.name))
        if self._condition.absent:
            rename_exclusively(self._staged_in, self._name, self._staged_in, last)
        else:
            os.rename(self._name, last, src_dir_fd=self._staged_in, dst_dir_fd=self._staged_in)
        self._staged_in = -1
        if self._ledger is not None:
            self._ledger.commit(len(self._file.content) - freed(there))

    def take_receipt(self, directories: Directories, durability: Durability) -> None:
        """Make the receipt, whose etag is right only now that nothing more is done to the file."""
        error = directories.error(self.above)
        if error is not None:
            raise error
        file = self._file
        found = etag(os.fstat(self.descriptor))
        self.outcome = Receipt("/".join(file.name), file.digest, len(file.content), found, durability)

    def close(self) -> None:
        """Let go of it, and remove it if it wasn't published."""
        if self._ledger is not None:
            self._ledger.release(self._reserved)
        if self._staged_in >= 0:
            # It already failed, which says more than that it can't be removed.
            with suppress(OSError):
                os.unlink(self._name, dir_fd=self._staged_in)
        if self.descriptor >= 0:
            os.close(self.descriptor)


def _unharmed(group: list[_SmallPut]) -> list[_SmallPut]:
    return [put for put in group if not put.failed]


def _publish(group: list[_SmallPut], directories: Directories) -> None:
    """Rename what is staged, a directory after the other, each under its lock."""
    by_directory: dict[Name, list[_SmallPut]] = {}
    for put in _unharmed(group):
        by_directory.setdefault(put.above, []).append(put)
    for above, puts in by_directory.items():
        try:
            with typed(above), locked(directories.open(above)):
                for put in puts:
                    put.attempt(put.rename)
        except FilexferError as error:
            for put in puts:
                put.fail(error)
        directories.changed(above)
