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
from twisted_lab.filexfer.names import Name, check_name, show_name
from twisted_lab.filexfer.status import Status, target_on_disk
from twisted_lab.filexfer.store.directory_sync import DirectorySync
from twisted_lab.filexfer.store.os_errors import from_os_error

# O_PATH asks for no permission to read, only to pass through, as paths do.
_PASS = (os.O_PATH if sys.platform == "linux" else os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: to open a FIFO would wait for its writer, for ever.
_READ_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC


class Root:
    """
    A directory by its descriptor: all names are relative to it, wherever it is moved to.

    Names are checked again here, so that one that wasn't parsed leads nowhere. Every operation raises `FilexferError`,
    in its kinds, and no other; none follows a symbolic link. What is reserved is refused.
    """

    def __init__(self, path: str | bytes | os.PathLike[str]) -> None:
        """Open `path`, which may lead through symbolic links: it is the administrator's, not a client's."""
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise from_os_error(error, show_name(os.fsdecode(path))) from error
        self._open = True
        #: What all who change this root share, so that its directories are brought to the disk for many at once.
        self.directory_sync = DirectorySync()
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
        with typed(name):
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
        with typed(name[:-1]):
            parent = self._walk(name[:-1])
        try:
            yield parent, name[-1].encode()
        finally:
            os.close(parent)

    def stat(self, name: Name) -> Status:
        """Give the facts of `name`, of the link itself if it is one."""
        if not name:
            with self.open_directory(name) as directory, typed(name):
                return Status.of(os.fstat(directory))
        with self.open_parent(name) as (parent, last), typed(name):
            return status_at(parent, last)

    def open_file(self, name: Name) -> int:
        """Open the regular file `name` for reading and give its descriptor, which is the caller's to close."""
        with self.open_parent(name) as (parent, last), typed(name):
            return open_regular(parent, last, name)[0]

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


def status_at(directory: int, last: bytes) -> Status:
    """Give the facts of what has the name `last` in the directory with that descriptor; `OSError` if nothing has."""
    result = os.stat(last, dir_fd=directory, follow_symlinks=False)
    if not stat.S_ISLNK(result.st_mode):
        return Status.of(result)
    try:
        target = target_on_disk(os.readlink(last, dir_fd=directory))
    except OSError:  # replaced since by something else, or removed
        target = None
    return Status.of(result, target)


def open_regular(directory: int, last: bytes, name: Name) -> tuple[int, os.stat_result]:
    """
    Open the regular file that has the name `last` in the directory with that descriptor; give its own, and its facts.

    `name` is what it is called in an error; `OSError` for what the kernel says.
    """
    # To open a device can do something (rewind a tape), so what isn't a file is refused before ...
    check_regular(os.stat(last, dir_fd=directory, follow_symlinks=False), show(name))
    descriptor = os.open(last, _READ_FILE, dir_fd=directory)
    try:
        # ... and after, for it may have been swapped in between.
        result = os.fstat(descriptor)
        check_regular(result, show(name))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, result


def check_regular(result: os.stat_result, shown: str) -> None:
    """Refuse, with an error that says what it is, what isn't a regular file; `shown` is its name, fit to print."""
    if stat.S_ISDIR(result.st_mode):
        raise IsDirectoryError(f"{shown}: it is a directory")
    if not stat.S_ISREG(result.st_mode):
        raise NotRegularFileError(f"{shown}: it isn't a regular file")


def show(name: Name) -> str:
    """Give `name` fit to print, the root's own too."""
    return show_name("/".join(name)) if name else "the root"


@contextmanager
def typed(*names: Name) -> Iterator[None]:
    """Turn what the kernel says of `names` into our own errors."""
    try:
        yield
    except OSError as error:
        raise from_os_error(error, " to ".join(map(show, names))) from error
