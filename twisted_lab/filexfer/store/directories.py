"""The directories that a group of files goes into: made where they are missing, each opened once and fsynced once."""

import os
from contextlib import suppress
from types import TracebackType
from typing import Self

from twisted_lab.filexfer.errors import BadNameError, FilexferError, NotFoundError
from twisted_lab.filexfer.names import Name
from twisted_lab.filexfer.store.locking import open_readable
from twisted_lab.filexfer.store.root import Root, show, typed

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: How many are kept open that only lead to others; more of them are fsynced one by one.
_MOST_ON_THE_WAY = 32
#: How many are made for one name, at most: each takes a while to be on the disk, and a name may have 2,048.
MOST_MADE = 128


class Directories:
    """
    Directories by name, for one thread; each stays open until all are closed. If not `durable`, none is fsynced.

    An error of a directory's fsync is an error of all that is below it as well: without its own name on the disk a
    file isn't there either.
    """

    def __init__(self, root: Root, *, durable: bool = True) -> None:
        self._root = root
        self._durable = durable
        self._opened: dict[Name, int] = {}
        self._changed: set[Name] = set()
        self._errors: dict[Name, FilexferError] = {}

    def open(self, name: Name) -> int:
        """Give a descriptor of the directory `name`, which is made, with all above it, if it is missing."""
        if name not in self._opened:
            try:
                with self._root.open_directory(name) as directory, typed(name):
                    self._opened[name] = open_readable(directory)
            except NotFoundError:
                self._make(name)
        return self._opened[name]

    def changed(self, name: Name) -> None:
        """Note that something in the directory `name`, which is open, has still to be brought to the disk."""
        if self._durable:
            self._changed.add(name)

    def sync(self) -> None:
        """Bring all that was changed to the disk; `error` tells what went wrong."""
        for name in self._changed:
            self._sync(name, self._opened[name])
        self._changed.clear()

    def error(self, name: Name) -> FilexferError | None:
        """Give what kept the directory `name`, or one above it, from the disk."""
        for depth in range(len(name) + 1):
            if name[:depth] in self._errors:
                return self._errors[name[:depth]]
        return None

    def close(self) -> None:
        """Let go of all of them."""
        while self._opened:
            os.close(self._opened.popitem()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _make(self, name: Name) -> None:
        """Walk down from the deepest one that is open, and make what is missing."""
        start = next((depth for depth in range(len(name) - 1, 0, -1) if name[:depth] in self._opened), 0)
        if len(name) - start > MOST_MADE:
            self._check_there(name[:-MOST_MADE])
        here = self.open(name[:start])
        for depth in range(start, len(name)):
            made = False
            try:
                with typed(name[: depth + 1]):
                    with suppress(FileExistsError):
                        os.mkdir(name[depth].encode(), dir_fd=here)
                        made = self._durable
                    there = os.open(name[depth].encode(), _OPEN, dir_fd=here)
            finally:
                self._pass(name[:depth], here, changed=made)
            here = there
        self._opened[name] = here

    def _check_there(self, name: Name) -> None:
        try:
            with self._root.open_directory(name):
                """It is there, so what is to be made begins below it."""
        except NotFoundError:
            raise BadNameError(f"{show(name)}: more than {MOST_MADE} directories would have to be made") from None

    def _pass(self, name: Name, descriptor: int, *, changed: bool) -> None:
        """Keep one that is on the way, while there is room; otherwise have done with it now."""
        if name in self._opened or len(self._opened) < _MOST_ON_THE_WAY:
            self._opened[name] = descriptor
            if changed:
                self._changed.add(name)
        else:
            if changed:
                self._sync(name, descriptor)
            os.close(descriptor)

    def _sync(self, name: Name, descriptor: int) -> None:
        try:
            with typed(name):
                self._root.directory_sync.sync(descriptor)
        except FilexferError as error:
            self._errors[name] = error
