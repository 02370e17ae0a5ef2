"""A file on its way out: read and hashed piece by piece, and watched for change."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from twisted_lab.filexfer.digests import Digest
from twisted_lab.filexfer.errors import ChangedError, SourceChangedError
from twisted_lab.filexfer.status import Status
from twisted_lab.filexfer.store.os_errors import from_os_error
from twisted_lab.filexfer.store.root import check_regular
from twisted_lab.net.flow import Outflow
from twisted_lab.net.layer import Pause

#: Bytes read at once to be hashed only: enough for BLAKE3's speed, and it stays in the processor's cache.
_PIECE = 2**18

#: How many bytes were given, and their digest.
Mark = tuple[int, Digest]


class Outgoing:
    """
    A part of a regular file that is read once, from its beginning to its end; for one thread at a time.

    `status` is what the file was when it was opened. `length` bytes from `offset` on are given.

    A file isn't mapped into memory to be hashed: if it became shorter, the process would die of SIGBUS.
    """

    def __init__(self, descriptor: int, shown: str, algorithm: str, offset: int = 0, count: int | None = None) -> None:
        """
        Take over `descriptor`, open for reading, of the file that is `shown`, a name fit to print.

        `count` is the most bytes that are given; None for all. Raises `ChangedError` if the file ends before `offset`,
        `IsDirectoryError` or `NotRegularFileError` for what has no content, `UnsupportedError` for an `algorithm` that
        isn't known; the descriptor is closed then.
        """
        self.descriptor = descriptor
        self.offset = offset
        self._shown = shown
        self._given = 0
        self._buffer: memoryview | None = None
        self._closed = False
        try:
            self._digest = Digest(algorithm)
            self.status = self._look()
            self.length = self._measure(count)
        except BaseException:
            self.close()
            raise

    def read(self, most: int) -> bytes:
        """
        Give the next bytes, at most `most` (one or more) of them, hashed; none only at the end.

        Raises `SourceChangedError` if the file became shorter, and what reading raises.
        """
        wanted = min(most, self.length - self._given)
        if not wanted:
            return b""
        with self._typed():
            data = os.pread(self.descriptor, wanted, self.offset + self._given)
        self._take(data, len(data))
        return data

    def hash(self, most: int) -> bool:
        """Hash the next bytes, at most `most` (one or more), without giving them; tell whether more follow."""
        if self._buffer is None:
            self._buffer = memoryview(bytearray(min(_PIECE, self.length)))
        end = min(self._given + most, self.length)
        while self._given < end:
            piece = self._buffer[: end - self._given]
            with self._typed():
                count = os.preadv(self.descriptor, [piece], self.offset + self._given)
            self._take(piece[:count], count)
        return self._given < self.length

    def mark(self) -> Mark:
        """Give what leads `back` to here."""
        return self._given, self._digest.copy()

    def back(self, mark: Mark) -> int:
        """Go back, as if nothing after the mark had been given; give how many bytes were. A mark is used once."""
        self._given, self._digest = mark
        return self._given

    def outflow(self, count: int) -> Outflow:
        """Give what sends the next `count` bytes to a socket, and hashes them; its `move` raises as `read` does."""
        return _Content(self._shown, self._gone, self.descriptor, self.offset + self._given, count, self._digest.update)

    @property
    def digest(self) -> str:
        """The digest of what was given so far, as text."""
        return self._digest.text

    def finish(self) -> str:
        """
        Give the digest of all that was given, as text.

        `SourceChangedError` if the file isn't what it was when it was opened: it was written to, replaced, renamed or
        removed, or its permissions or times were changed. Then what was given may be of no one state of it.
        """
        if self._look().etag != self.status.etag:
            raise SourceChangedError(f"{self._shown}: it changed while it was read")
        return self.digest

    def close(self) -> None:
        """Let go of the file, if that wasn't done yet."""
        if not self._closed:
            self._closed = True
            with self._typed():
                os.close(self.descriptor)

    def _look(self) -> Status:
        with self._typed():
            result = os.fstat(self.descriptor)
        check_regular(result, self._shown)
        return Status.of(result)

    def _measure(self, count: int | None) -> int:
        left = self.status.size - self.offset
        if left < 0:
            raise ChangedError(f"{self._shown}: it ends after {self.status.size} bytes, before {self.offset}")
        return left if count is None else min(count, left)

    def _gone(self, count: int) -> None:
        self._given += count

    def _take(self, data: bytes | memoryview, count: int) -> None:
        if not count:
            raise _shorter(self._shown)
        self._digest.update(data)
        self._given += count

    def _typed(self) -> AbstractContextManager[None]:
        return _typed(self._shown)


class _Content(Outflow):
    """What goes to a socket, as if it were read: `gone` is told how many bytes a go has taken."""

    def __init__(self, shown: str, gone: Callable[[int], None], *flow: Any) -> None:
        super().__init__(*flow)
        self._shown = shown
        self._gone = gone

    def move(self, connection: int, most: int) -> Pause:
        before = self.done
        try:
            with _typed(self._shown):
                return super().move(connection, most)
        except EOFError:
            raise _shorter(self._shown) from None
        finally:
            self._gone(self.done - before)


def _shorter(shown: str) -> SourceChangedError:
    return SourceChangedError(f"{shown}: it became shorter while it was read")


@contextmanager
def _typed(shown: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise from_os_error(error, shown) from error
