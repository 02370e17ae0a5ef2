"""
The directory that is served, and the only way to the files in it.

A path given to the kernel whole is resolved by the kernel, which follows each symbolic link it meets; to check the path
first doesn't help, for a directory may be swapped with a link after the check. So no path is given to it whole: each
component is opened by itself, relative to the descriptor of the directory before it, and with O_NOFOLLOW, which fails
if the component is a link at that very moment. A descriptor stays with its directory, whatever its name is by then.
With ``..`` and ``/`` refused, each step leads one directory down, and never out.

Against three things this is no help: a hard link in the root to a file outside (it is a file in the root), a file
system mounted or bound inside the root (it is part of it), and someone who may move a directory out of the root while
it is being worked in. All of them need permissions outside the root on this machine, which no client has.

Everything here blocks, and is called from a thread pool; any number of threads may use one `Root` at once.
"""

import os
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from twisted_lab.filexfer.errors import BadNameError, InputOutputError, IsDirectoryError, NotRegularFileError
from twisted_lab.filexfer.names import Name, check_name, component_on_disk, is_reserved, show_name
from twisted_lab.filexfer.status import Entry, Status
from twisted_lab.filexfer.store.exclusive import rename_exclusively
from twisted_lab.filexfer.store.os_errors import from_os_error

# O_PATH asks for no permission to read, only to pass through, as paths do.
_PASS = (os.O_PATH if sys.platform == "linux" else os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: to open a FIFO would wait for its writer, for ever.
_READ_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC


class Root:
    """
    A directory by its descriptor: all names are relative to it, wherever it is moved to.

    Names are checked again here, so that one that wasn't parsed leads nowhere. Every operation raises `FilexferError`,
    in its kinds, and no other; none follows a symbolic link. What is reserved is refused, and not listed.
    """

    def __init__(self, path: str | bytes | os.PathLike[str]) -> None:
        """Open `path`, which may lead through symbolic links: it is the administrator's, not a client's."""
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise from_os_error(error, show_name(os.fsdecode(path))) from error
        self._open = True
        # Without it, a thread could take the descriptor's number after another closed it, and serve what has it now.
        self._lock = threading.Lock()

    def close(self) -> None:
        """Let go of the directory; operations under way in other threads end as they would have."""
        with self._lock:
            if self._open:
                self._open = False
                os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def open_directory(self, name: Name) -> Iterator[int]:
        """
        Give a descriptor of the directory `name`, for the time of a ``with``; to pass as `dir_fd`.

        It can't be read or fsynced: open ``.`` relative to it for that.
        """
        check_name(name)
        with _typed(name):
            descriptor = self._walk(name)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def open_parent(self, name: Name) -> Iterator[tuple[int, bytes]]:
        """
        Give the directory that `name` is in, as `open_directory` does, and the name's last component, to use in it.

        Whether the last component exists isn't looked at; what uses it mustn't follow it.
        """
        check_name(name)
        if not name:
            raise BadNameError("that is the root itself; it can be listed and looked at, no more")
        with _typed(name[:-1]):
            parent = self._walk(name[:-1])
        try:
            yield parent, name[-1].encode()
        finally:
            os.close(parent)

    def stat(self, name: Name) -> Status:
        """Give the facts of `name`, of the link itself if it is one."""
        if not name:
            with self.open_directory(name) as directory, _typed(name):
                return Status.of(os.fstat(directory))
        with self.open_parent(name) as (parent, last), _typed(name):
            return Status.of(os.stat(last, dir_fd=parent, follow_symlinks=False))

    def open_file(self, name: Name) -> int:
        """Open the regular file `name` for reading and give its descriptor, which is the caller's to close."""
        with self.open_parent(name) as (parent, last), _typed(name):
            # To open a device can do something (rewind a tape), so what isn't a file is refused before ...
            check_regular(os.stat(last, dir_fd=parent, follow_symlinks=False), name)
            descriptor = os.open(last, _READ_FILE, dir_fd=parent)
            try:
                # ... and after, for it may have been swapped in between.
                check_regular(os.fstat(descriptor), name)
            except BaseException:
                os.close(descriptor)
                raise
            return descriptor

    @contextmanager
    def list(self, name: Name) -> Iterator[Iterator[Entry]]:
        """
        Give an iterator of what is in the directory `name`, for the time of a ``with``, in the order of the disk.

        It reads as it goes and holds a few entries (the kernel's 32 KiB), however many there are. Changes under way
        may be seen or not. It is for one thread at a time.
        """
        with self.open_directory(name) as directory, _typed(name):
            reader = os.open(b".", _READ_DIRECTORY, dir_fd=directory)
        try:
            with os.scandir(reader) as scan:
                yield _entries(scan, name)
        finally:
            os.close(reader)

    def make_directory(self, name: Name) -> None:
        """Make the directory `name`, with the permissions that the process's umask leaves."""
        with self.open_parent(name) as (parent, last), _typed(name):
            os.mkdir(last, dir_fd=parent)

    def rename(self, source: Name, target: Name, *, replace: bool = True) -> None:
        """
        Rename a file, directory or link; without `replace`, `ExistsError` if there is anything at `target`.

        To replace is as in rename(2): a file replaces a file, a directory an empty one; two hard links of one file
        stay both.
        """
        with (
            self.open_parent(source) as (source_fd, source_last),
            self.open_parent(target) as (target_fd, target_last),
            _typed(source, target),
        ):
            if replace:
                os.rename(source_last, target_last, src_dir_fd=source_fd, dst_dir_fd=target_fd)
            else:
                rename_exclusively(source_fd, source_last, target_fd, target_last)

    def remove(self, name: Name) -> None:
        """Remove an empty directory, or anything else: a file, a link, not what it leads to."""
        with self.open_parent(name) as (parent, last), _typed(name):
            if stat.S_ISDIR(os.stat(last, dir_fd=parent, follow_symlinks=False).st_mode):
                os.rmdir(last, dir_fd=parent)
            else:
                os.unlink(last, dir_fd=parent)

    def _walk(self, name: Name) -> int:
        """Give a new descriptor of the directory `name`; two are open at most."""
        with self._lock:
            if not self._open:
                raise InputOutputError("the root is closed")
            here = os.dup(self._descriptor)
        for component in name:
            try:
                there = os.open(component.encode(), _PASS, dir_fd=here)
            finally:
                os.close(here)
            here = there
        return here


def _entries(scan: Iterator[os.DirEntry[str]], name: Name) -> Iterator[Entry]:
    with _typed(name):
        for found in scan:
            # The bytes on the disk: Python decoded them by the locale, which needn't be UTF-8.
            raw = os.fsencode(found.name)
            shown = raw.decode(errors="surrogateescape")
            if is_reserved(shown):
                continue
            try:
                result = found.stat(follow_symlinks=False)
            except FileNotFoundError:  # removed since
                continue
            yield Entry(component_on_disk(raw), show_name(shown), Status.of(result))


def check_regular(result: os.stat_result, name: Name) -> None:
    """Refuse, with an error that names its kind, what isn't a regular file."""
    if stat.S_ISDIR(result.st_mode):
        raise IsDirectoryError(f"{_show(name)}: it is a directory")
    if not stat.S_ISREG(result.st_mode):
        raise NotRegularFileError(f"{_show(name)}: it isn't a regular file")


def _show(name: Name) -> str:
    return show_name("/".join(name)) if name else "the root"


@contextmanager
def _typed(*names: Name) -> Iterator[None]:
    """Turn what the kernel says of `names` into our own errors."""
    try:
        yield
    except OSError as error:
        raise from_os_error(error, " to ".join(map(_show, names))) from error
