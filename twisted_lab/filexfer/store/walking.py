"""
All that is in a root, whoever made it and however deep it is.

Two descriptors are open at most, and no path is made, so depth has no limit: clients can nest directories deeper than
any name reaches, by renaming. The way up is ``..``, which leads elsewhere if the directory was moved while it was
looked at, out of the root even; so what it led to is compared with where the way down began.
"""

import errno
import os
from collections.abc import Generator

from twisted_lab.filexfer.store.root import Root, typed

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_Identity = tuple[int, int]


def walk(root: Root) -> Generator[tuple[int, os.DirEntry[str]], None, None]:
    """
    Give each file, link and whatever else isn't a directory, with a descriptor of the directory that it is in.

    The descriptor is for the time until the next one is asked for, and may be locked, read and fsynced. No link is
    followed. What the process may not read isn't looked into; what is changed meanwhile may be given or not. The
    names of a directory's own directories are held while it is looked at.
    """
    with root.open_directory(()) as top, typed(()):
        trail = _Trail(top)
        try:
            while trail.below is not None:
                with os.scandir(trail.here) as scan:
                    for found in scan:
                        if found.is_dir(follow_symlinks=False):
                            trail.below.append(os.fsencode(found.name))
                        else:
                            yield trail.here, found
                trail.go_on()
        finally:
            os.close(trail.here)


class _Trail:
    """Where the walk is, `here`, and what is left to be seen `below` it; that is None when there is no more."""

    def __init__(self, top: int) -> None:
        self._top = top
        self.here = os.open(b".", _DIRECTORY, dir_fd=top)
        self.below: list[bytes] | None = []
        # From the top on: the name by which the way went on down, where it did, and what is left there.
        self._above: list[tuple[bytes, _Identity, list[bytes]]] = []

    def go_on(self) -> None:
        """Go to the next directory that wasn't seen: down from here, or from the nearest above that has one left."""
        while self.below is not None:
            if self.below:
                last = self.below.pop()
                there = _enter(self.here, last)
                if there is not None:
                    self._above.append((last, _identify(self.here), self.below))
                    self._move(there)
                    self.below = []
                    return
            elif self._above:
                self._go_up()
            else:
                self.below = None

    def _go_up(self) -> None:
        _, expected, self.below = self._above.pop()
        there = _enter(self.here, b"..")
        if there is None or _identify(there) != expected:
            if there is not None:
                os.close(there)
            there = self._find()
        if there is None:  # it is gone from where it was, and what was left in it with it
            self.below = []
        else:
            self._move(there)

    def _find(self) -> int | None:
        """Go down from the top again, by the names of the trail: what has them now is in the root as well."""
        here = os.open(b".", _DIRECTORY, dir_fd=self._top)
        for last, _, _ in self._above:
            there = _enter(here, last)
            os.close(here)
            if there is None:
                return None
            here = there
        return here

    def _move(self, there: int) -> None:
        os.close(self.here)
        self.here = there


def _enter(here: int, last: bytes) -> int | None:
    """Open a directory in `here`; None if there is none any more, or none that may be read."""
    try:
        return os.open(last, _DIRECTORY, dir_fd=here)
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES}:
            raise
        return None


def _identify(directory: int) -> _Identity:
    result = os.fstat(directory)
    return result.st_dev, result.st_ino
