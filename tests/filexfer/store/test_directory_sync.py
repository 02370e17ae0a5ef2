"""One fsync of a directory for all who wait for it."""

import errno
import os
import threading
from collections.abc import Callable
from types import SimpleNamespace

from tests.filexfer.store.trees import TreeTestCase
from tests.processes import DEADLINE
from twisted_lab.filexfer.store import directory_sync
from twisted_lab.filexfer.store.directory_sync import DirectorySync


class DirectorySyncTests(TreeTestCase):
    """`DirectorySync`, with fsyncs that take until they are let go."""

    def setUp(self) -> None:
        """Put a disk in place that waits for us."""
        super().setUp()
        self.sync = DirectorySync()
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.synced: list[int] = []
        self.error: OSError | None = None
        self.patch(directory_sync, "os", SimpleNamespace(**{**vars(os), "fsync": self.fsync}))
        self.directories = [os.open(self.inside / name, os.O_RDONLY) for name in ("d", "d/b")]
        self.threads: list[threading.Thread] = []
        self.results: list[OSError | None] = []

    def tearDown(self) -> None:
        """See that nothing is kept of what is over."""
        for directory in self.directories:
            os.close(directory)
        self.assertEqual(self.sync._running, {})
        super().tearDown()

    def fsync(self, descriptor: int) -> None:
        """Wait to be let go, and say what went wrong."""
        self.synced.append(descriptor)
        self.begun.release()
        assert self.go.acquire(timeout=DEADLINE)
        if self.error is not None:
            raise self.error

    def start(self, directory: int, count: int = 1) -> None:
        """Have `count` threads want that directory on the disk."""

        def run() -> None:
            try:
                self.sync.sync(directory)
            except OSError as error:
                self.results.append(error)
            else:
                self.results.append(None)

        for _ in range(count):
            self.threads.append(threading.Thread(target=run))
            self.threads[-1].start()

    def wait_until(self, happened: Callable[[], bool]) -> None:
        """Wait for what other threads do."""
        for _ in range(int(DEADLINE / 0.01)):
            if happened():
                return
            threading.Event().wait(0.01)
        self.fail("waited in vain")

    def sharers(self) -> int:
        """Give how many wait for the fsync after the one that runs."""
        (running,) = self.sync._running.values()
        return running.after.sharers if running.after is not None else 0

    def finish(self) -> None:
        """Let all go that wait."""
        for _ in range(10):
            self.go.release()
        for thread in self.threads:
            thread.join(DEADLINE)
            self.assertFalse(thread.is_alive())

    def test_those_who_come_meanwhile_share_the_next(self) -> None:
        """Whoever comes while one fsync runs isn't served by it, for it may have begun too early, but by the next."""
        self.start(self.directories[0])
        assert self.begun.acquire(timeout=DEADLINE)
        self.start(self.directories[0], 5)
        self.wait_until(lambda: self.sharers() == 5)
        self.assertFalse(self.begun.acquire(timeout=0.05))
        self.assertEqual(self.results, [])
        self.go.release()
        assert self.begun.acquire(timeout=DEADLINE)
        self.wait_until(lambda: len(self.results) == 1)
        self.finish()
        self.assertEqual(len(self.synced), 2)
        self.assertEqual(self.results, [None] * 6)

    def test_others_do_not_wait(self) -> None:
        """Another directory is brought to the disk at the same time."""
        self.start(self.directories[0])
        self.start(self.directories[1])
        assert self.begun.acquire(timeout=DEADLINE)
        assert self.begun.acquire(timeout=DEADLINE)
        self.finish()
        self.assertEqual(sorted(self.synced), sorted(self.directories))

    def test_one_after_the_other(self) -> None:
        """One who comes when all is over has a new fsync done."""
        for _ in range(2):
            self.start(self.directories[0])
            self.finish()
        self.assertEqual(len(self.synced), 2)

    def test_an_error_reaches_all_who_shared(self) -> None:
        """Nobody is told that it is on the disk when it isn't; the next try is a new one."""
        self.start(self.directories[0])
        assert self.begun.acquire(timeout=DEADLINE)
        self.start(self.directories[0], 3)
        self.wait_until(lambda: self.sharers() == 3)
        self.error = OSError(errno.EIO, "Input/output error")
        self.finish()
        self.assertEqual([result.errno if result else 0 for result in self.results], [errno.EIO] * 4)
        self.assertEqual(len({id(result) for result in self.results}), 4)
        self.error, self.results = None, []
        self.start(self.directories[0])
        self.finish()
        self.assertEqual(self.results, [None])
