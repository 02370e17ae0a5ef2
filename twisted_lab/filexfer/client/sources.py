"""What a client puts: a local file, or a stream whose size nobody knows. All of this blocks, and runs in threads."""

import os
import select
import stat
import threading
from collections import deque
from pathlib import Path
from typing import Any, BinaryIO

from twisted_lab.filexfer.digests import Digest
from twisted_lab.filexfer.errors import InputOutputError
from twisted_lab.filexfer.names import show_name
from twisted_lab.filexfer.store.os_errors import from_os_error
from twisted_lab.filexfer.store.outgoing import Mark, Outgoing
from twisted_lab.net.flow import Outflow

# O_NONBLOCK: to open a FIFO would wait for its writer, for ever.
_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
#: Seconds after which a thread that waits for a silent stream looks whether it is still wanted.
_LOOK = 0.2
#: Places that are remembered of what was hashed ahead, the last ones.
_MARKS = 64


class FileSource:
    """
    A regular file, opened once; of all that is said of it nothing is believed later that isn't checked at the end.

    After `open`: `size` in bytes, `mtime_ns`, and `mode`, its nine permission bits.
    """

    size: int
    mtime_ns: int
    mode: int

    def __init__(self, path: str | os.PathLike[str], algorithm: str) -> None:
        self._path = path
        self._shown = show_name(os.fspath(path))
        self._algorithm = algorithm
        self._outgoing: Outgoing | None = None
        self._marks: deque[Mark] = deque(maxlen=_MARKS)

    def open(self) -> None:
        """Open it; `NotFoundError`, `AccessError`, `IsDirectoryError`, `NotRegularFileError` if that can't be."""
        self._outgoing = Outgoing(self._open(), self._shown, self._algorithm)
        status = self._outgoing.status
        self.size, self.mtime_ns, self.mode = status.size, status.mtime_ns, status.mode & 0o777

    def pass_over(self, most: int) -> str:
        """Hash the next bytes, at most `most`, that the server has already; give the digest of all so far."""
        self._opened().hash(most)
        return self._opened().digest

    def hash_ahead(self, most: int) -> bool:
        """Hash the next bytes, at most `most`, that the server may have already; tell whether more follow."""
        self._marks.append(self._opened().mark())
        return self._opened().hash(most)

    def go_back(self, offset: int) -> int:
        """Go back to `offset`, or to a place before it from which on all is hashed again; give the place."""
        while self._marks:
            mark = self._marks.pop()
            if mark[0] <= offset:
                return self._opened().back(mark)
        return self._opened().back((0, Digest(self._algorithm)))

    def read(self, most: int) -> bytes:
        """Give the next bytes, none only at the end; `SourceChangedError` if it became shorter."""
        return self._opened().read(most)

    def outflow(self, count: int) -> Outflow:
        """Give what sends the next `count` bytes to a socket."""
        return self._opened().outflow(count)

    def finish(self) -> str:
        """Give the digest of the whole file; `SourceChangedError` if it isn't what it was when it was opened."""
        return self._opened().finish()

    def stop(self) -> None:
        """Do nothing: a file never keeps a thread waiting for long."""

    def close(self) -> None:
        """Let go of it, if it was opened."""
        if self._outgoing is not None:
            self._outgoing.close()

    def _open(self) -> int:
        """Give a descriptor of it."""
        try:
            return os.open(self._path, _OPEN)
        except OSError as error:
            raise from_os_error(error, self._shown) from error

    def _opened(self) -> Outgoing:
        if self._outgoing is None:
            raise RuntimeError("the source isn't open")
        return self._outgoing


class StreamSource:
    """
    What can only be read, once, to its end: a pipe, say. It is the caller's to close.

    A thread that waits in the kernel for a pipe can't be called back. So where there is a descriptor it waits a moment
    at a time, and `stop`, from any thread, ends that.
    """

    size = mtime_ns = mode = None

    def __init__(self, stream: BinaryIO, algorithm: str) -> None:
        self._stream = stream
        self._digest = Digest(algorithm)
        self._stopped = threading.Event()
        # Buffered readers have read1: what is there, instead of as many bytes as were asked for.
        self._read: Any = getattr(stream, "read1", stream.read)

    def open(self) -> None:
        """See whether it may keep a thread waiting; a regular file, or what has no descriptor, doesn't."""
        try:
            descriptor = self._stream.fileno()
            self._poll = None if stat.S_ISREG(os.fstat(descriptor).st_mode) else select.poll()
        except (OSError, AttributeError):
            self._poll = None
        if self._poll is not None:
            self._poll.register(descriptor, select.POLLIN)

    def read(self, most: int) -> bytes:
        """Give what is there, at most `most` bytes, hashed; none only at the end."""
        try:
            while self._poll is not None and not self._poll.poll(_LOOK * 1000):
                if self._stopped.is_set():
                    raise InputOutputError("the stream isn't wanted any more")
            data = self._read(most)
        except OSError as error:
            raise from_os_error(error, "the stream") from error
        if data is None:  # a raw stream in non-blocking mode
            return self.read(most)
        self._digest.update(data)
        return bytes(data)

    def finish(self) -> str:
        """Give the digest of all that was read."""
        return self._digest.text

    def stop(self) -> None:
        """Let a `read` that waits end with an error, within a moment."""
        self._stopped.set()

    def close(self) -> None:
        """Leave it open: it is the caller's."""


Source = FileSource | StreamSource


def source_of(source: "Path | str | BinaryIO | FileSource", algorithm: str) -> Source:
    """Give what reads `source`, and hashes it by `algorithm`."""
    if isinstance(source, FileSource):
        return source
    if isinstance(source, str | os.PathLike):
        return FileSource(source, algorithm)
    return StreamSource(source, algorithm)
