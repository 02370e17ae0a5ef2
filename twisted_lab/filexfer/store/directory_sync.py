"""
Directories brought to the disk, for many at once.

A rename is on the disk for sure once its directory is fsynced, and one fsync is for all renames that were done before
it began. So those who come while one runs share the next: at any load, a directory has at most one fsync running and
one waiting.
"""

import errno
import os
import threading


class DirectorySync:
    """The fsyncs of all directories of one root; any number of threads may use it at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[tuple[int, int], _Turn] = {}

    def sync(self, directory: int) -> None:
        """
        Return once all that was done in `directory` before this call is on the disk.

        `directory` is a descriptor that can be fsynced, so not one of O_PATH. An error of the disk (`OSError`) reaches
        everybody who shared that fsync.
        """
        result = os.fstat(directory)
        identity = result.st_dev, result.st_ino
        with self._lock:
            running = self._running.get(identity)
            if running is None:
                mine = self._running[identity] = _Turn()
            elif running.after is None:
                mine = running.after = _Turn()
            else:
                mine = running.after
            leads = mine.sharers == 0
            mine.sharers += 1
        if leads:
            if running is not None:
                running.over.wait()
            self._run(identity, mine, directory)
        else:
            mine.over.wait()
        if mine.error is not None:
            # One of its own for each thread: to raise it adds to its traceback.
            raise OSError(mine.error, os.strerror(mine.error))

    def _run(self, identity: tuple[int, int], turn: "_Turn", directory: int) -> None:
        try:
            os.fsync(directory)
            turn.error = None
        except OSError as error:
            turn.error = error.errno or errno.EIO
        finally:
            with self._lock:
                if turn.after is None:
                    del self._running[identity]
                else:
                    self._running[identity] = turn.after
            turn.over.set()


class _Turn:
    """One fsync, run by the first of its sharers, and the turn after it, once somebody wants that."""

    def __init__(self) -> None:
        self.sharers = 0
        self.over = threading.Event()
        # A number of errno; None once it is known to have gone well.
        self.error: int | None = errno.EIO
        self.after: _Turn | None = None
