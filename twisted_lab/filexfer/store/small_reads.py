"""
Small files on their way out: each read whole, once, in the state in which it was before and after.

Files that are asked for together are mostly in one directory, so that stays open from one file to the next. It was
reached as `Root` reaches it, a component at a time, and what is opened in it is never a link.
"""

import os
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from twisted_lab.filexfer.digests import Digest
from twisted_lab.filexfer.errors import BadNameError, ChangedError, TooLargeError
from twisted_lab.filexfer.names import Name, check_name
from twisted_lab.filexfer.small_file import SmallFile
from twisted_lab.filexfer.status import etag
from twisted_lab.filexfer.store.root import Root, open_regular, show, typed


class SmallReads:
    """Reads files of `root`, for one thread, with two descriptors at most; digests are by `algorithm`."""

    def __init__(self, root: Root, algorithm: str) -> None:
        self._root = root
        self._algorithm = algorithm
        self._opened = ExitStack()
        self._above: Name | None = None
        self._directory = -1

    def read(self, name: Name, most: int, if_match: str | None = None) -> SmallFile:
        """
        Give the file `name`, of at most `most` bytes.

        `TooLargeError` for a larger one; `ChangedError` if its etag isn't `if_match`, or if it changed while it was
        read; what `Root.open_file` raises.
        """
        check_name(name)
        if not name:
            raise BadNameError("that is the root itself; it isn't a file")
        directory = self._open(name[:-1])
        with typed(name):
            descriptor, before = open_regular(directory, name[-1].encode(), name)
            try:
                state = etag(before)
                if if_match not in {None, state}:
                    raise ChangedError(f"{show(name)}: it isn't what it was taken for")
                if before.st_size > most:
                    raise TooLargeError(f"{show(name)}: it is too large for a bundle, get it by itself")
                content = os.read(descriptor, before.st_size)
                after = os.fstat(descriptor)
            finally:
                os.close(descriptor)
        if len(content) != before.st_size or etag(after) != state:
            raise ChangedError(f"{show(name)}: it changed while it was read")
        digest = Digest(self._algorithm)
        digest.update(content)
        return SmallFile(name, content, digest.text, before.st_mtime_ns, before.st_mode & 0o777, state)

    def close(self) -> None:
        """Let go of the directory that is open."""
        self._above = None
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, above: Name) -> int:
        if above != self._above:
            self.close()
            self._directory = self._opened.enter_context(self._root.open_directory(above))
            self._above = above
        return self._directory
