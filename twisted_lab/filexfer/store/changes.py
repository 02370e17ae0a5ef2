"""
What changes names: directories and links made, anything renamed and removed.

Conditions are judged and acted on under the locks of the directories (see `locking`), and what is done is on the disk
before it is said to be done. If only that last step fails, with `InputOutputError`, it is done all the same, though
maybe not for long.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from twisted_lab.filexfer.conditions import Condition
from twisted_lab.filexfer.errors import BadNameError
from twisted_lab.filexfer.links import check_target
from twisted_lab.filexfer.names import Name
from twisted_lab.filexfer.status import target_on_disk
from twisted_lab.filexfer.store.directories import Directories
from twisted_lab.filexfer.store.exclusive import rename_exclusively
from twisted_lab.filexfer.store.left_over import remove_left_over
from twisted_lab.filexfer.store.locking import check_condition, locked, open_readable
from twisted_lab.filexfer.store.quota import Ledger, freed
from twisted_lab.filexfer.store.reserved import unique_name
from twisted_lab.filexfer.store.root import Root, show, typed


def make_directory(root: Root, name: Name) -> None:
    """Make the directory `name`, with the permissions that the process's umask leaves."""
    with _open_parent(root, name) as (parent, last), typed(name):
        os.mkdir(last, dir_fd=parent)
        root.directory_sync.sync(parent)


def make_directories(root: Root, name: Name) -> None:
    """Make the directory `name`, and those above it, where they are missing."""
    with Directories(root) as directories:
        directories.open(name)
        directories.sync()
        error = directories.error(name)
    if error is not None:
        raise error


def make_symlink(root: Root, ledger: Ledger, name: Name, target: str, condition: Condition) -> None:
    """
    Make a symbolic link that says `target`, in place of what is called `name`, if that isn't a directory.

    `BadNameError` for a target that might lead out of the root, as `check_target` tells, or that couldn't be told
    again. That is judged once: renamed, or with other links on its way, it may lead elsewhere. Nothing here follows it.
    """
    check_target(name, target)
    if target_on_disk(target.encode(errors="surrogatepass")) is None:
        raise BadNameError(f"{show(name)}: a link's target may have no control characters, nor half a surrogate pair")
    with _open_parent(root, name) as (parent, last), typed(name):
        staged = unique_name()
        os.symlink(target.encode(), staged, dir_fd=parent)
        try:
            with locked(parent):
                replaced = check_condition(parent, last, condition, show(name))
                _rename(parent, staged, parent, last, condition)
        except BaseException:
            with suppress(OSError):
                os.unlink(staged, dir_fd=parent)
            raise
        ledger.commit(-freed(replaced))
        root.directory_sync.sync(parent)


def rename(root: Root, ledger: Ledger, source: Name, target: Name, condition: Condition) -> None:
    """
    Rename a file, directory or link, if it has the etag of `condition`, and nothing `target`, if that is to be absent.

    To replace is as in rename(2): a file replaces a file, a directory an empty one; two hard links of one file stay
    both.
    """
    with (
        _open_parent(root, source) as (source_fd, source_last),
        _open_parent(root, target) as (target_fd, target_last),
        typed(source, target),
    ):
        with locked(source_fd, target_fd):
            moved = check_condition(source_fd, source_last, Condition(etag=condition.etag), show(source))
            replaced = check_condition(target_fd, target_last, Condition(), show(target))
            _rename(source_fd, source_last, target_fd, target_last, condition)
        if moved is not None and replaced is not None and not os.path.samestat(moved, replaced):
            ledger.commit(-freed(replaced))
        root.directory_sync.sync(target_fd)
        if not os.path.samestat(os.fstat(source_fd), os.fstat(target_fd)):
            root.directory_sync.sync(source_fd)


def remove(root: Root, ledger: Ledger, name: Name, if_match: str | None) -> None:
    """
    Remove an empty directory, or anything else: a file, a link, not what it leads to; if it has the etag `if_match`.

    What broken puts left over doesn't keep a directory: it goes with it. A put under way does, with `BusyError`.
    """
    with _open_parent(root, name) as (parent, last), typed(name):
        with locked(parent):
            found = check_condition(parent, last, Condition(etag=if_match), show(name))
            if found is not None and stat.S_ISDIR(found.st_mode):
                _remove_directory(parent, last, ledger, name)
            else:
                os.unlink(last, dir_fd=parent)
        ledger.commit(-freed(found))
        root.directory_sync.sync(parent)


def _remove_directory(parent: int, last: bytes, ledger: Ledger, name: Name) -> None:
    try:
        os.rmdir(last, dir_fd=parent)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:  # POSIX allows either
            raise
        remove_left_over(parent, last, ledger, show(name))
        os.rmdir(last, dir_fd=parent)


def _rename(source_fd: int, source: bytes, target_fd: int, target: bytes, condition: Condition) -> None:
    if condition.absent:
        rename_exclusively(source_fd, source, target_fd, target)
    else:
        os.rename(source, target, src_dir_fd=source_fd, dst_dir_fd=target_fd)


@contextmanager
def _open_parent(root: Root, name: Name) -> Iterator[tuple[int, bytes]]:
    """Give the directory that `name` is in, to be locked and fsynced, and the last component of `name`."""
    with root.open_parent(name) as (directory, last):
        with typed(name[:-1]):
            parent = open_readable(directory)
        try:
            yield parent, last
        finally:
            os.close(parent)
