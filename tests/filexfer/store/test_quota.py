"""A user's share of the disk: what counts, and that the sum holds whatever is done at once."""

import os
import threading
from pathlib import Path
from unittest import mock

from tests.filexfer.store.trees import TreeTestCase
from tests.processes import DEADLINE
from twisted_lab.filexfer.errors import BusyError, InputOutputError, QuotaExceededError
from twisted_lab.filexfer.store.quota import Ledger
from twisted_lab.filexfer.store.root import Root


class CountTests(TreeTestCase):
    """What is used to begin with: 23 bytes in four files."""

    def test_used(self) -> None:
        """The files count, at any depth, the staged ones and those that no client can name too."""
        self.assertEqual(Ledger(self.root, 100).used, 23)
        (self.inside / "d" / "b" / ".filexfer-1").write_text("staged")
        Path(os.fsdecode(os.fsencode(self.inside) + b"/\xff")).write_text("1")
        self.assertEqual(Ledger(self.root, 100).used, 30)

    def test_links(self) -> None:
        """A link counts nothing, nor does what it leads to; a file with two names counts once."""
        (self.inside / "link").symlink_to(self.outside / "f")
        (self.inside / "out").symlink_to(self.outside)
        os.link(self.inside / "f", self.inside / "d" / "twin")
        self.assertEqual(Ledger(self.root, 100).used, 23)

    def test_special(self) -> None:
        """A FIFO counts nothing, and isn't waited for."""
        os.mkfifo(self.inside / "fifo")
        self.assertEqual(Ledger(self.root, 100).used, 23)

    def test_unreadable(self) -> None:
        """A directory that the server may not read, as lost+found, is left out; all else counts."""
        (self.inside / "d" / "b").chmod(0)
        user = os.geteuid()
        if user == 0:  # may read everything
            os.seteuid(65534)
        try:
            self.assertEqual(Ledger(self.root, 100).used, 17)
        finally:
            os.seteuid(user)
            (self.inside / "d" / "b").chmod(0o700)

    def test_vanishing(self) -> None:
        """Files that go while they are counted don't count."""
        scan = os.scandir

        def scan_and_remove(directory: int) -> object:
            found = scan(directory)
            for name in ("f", "spare"):
                (self.inside / name).unlink(missing_ok=True)
            return found

        patch = self.patch(os, "scandir", scan_and_remove)
        used = Ledger(self.root, 100).used
        patch.restore()
        self.assertEqual(used, 12)

    def test_counted_once(self) -> None:
        """The root is walked when it is first asked for, and not again; without a limit never."""
        walks = 0
        scan = os.scandir

        def count(directory: int) -> object:
            nonlocal walks
            walks += 1
            return scan(directory)

        self.patch(os, "scandir", count)
        limited, unlimited = Ledger(self.root, 100), Ledger(self.root)
        self.assertEqual(walks, 0)
        for ledger in (unlimited, limited):
            ledger.count()
            ledger.reserve(1)
            ledger.release(1)
            ledger.commit(5)
            self.assertEqual(ledger.used, 0 if ledger is unlimited else 28)
        self.assertEqual(walks, 3)

    def test_disk_fails(self) -> None:
        """If the root can't be counted nothing is reserved; it is counted when that goes again."""

        def fail(_directory: int) -> None:
            raise OSError(5, "Input/output error")

        ledger = Ledger(self.root, 100)
        patch = self.patch(os, "scandir", fail)
        self.assertRaises(InputOutputError, ledger.reserve, 1)
        patch.restore()
        self.assertEqual(ledger.used, 23)
        ledger.reserve(77)


class ReserveTests(TreeTestCase):
    """A share of 100 bytes, of which 23 are used."""

    def setUp(self) -> None:
        """Open the account."""
        super().setUp()
        self.ledger = Ledger(self.root, 100)

    def test_limit(self) -> None:
        """As much can be reserved as is left, to the byte; who wants more is told how much that is."""
        error = self.assertRaises(QuotaExceededError, self.ledger.reserve, 78)
        self.assertEqual(str(error), "78 bytes would be needed, and 77 of 100 are left of the quota")
        self.ledger.reserve(77)
        self.assertRaises(QuotaExceededError, self.ledger.reserve, 1)
        self.ledger.reserve(0)
        self.ledger.release(77)
        self.ledger.reserve(77)

    def test_commit(self) -> None:
        """What was reserved and written is used; what is removed can be reserved again."""
        self.ledger.reserve(50)
        self.ledger.commit(50)
        self.ledger.release(50)
        self.assertEqual(self.ledger.used, 73)
        self.assertRaises(QuotaExceededError, self.ledger.reserve, 28)
        self.ledger.commit(-70)
        self.ledger.reserve(97)

    def test_limit_below_what_is_there(self) -> None:
        """A limit lower than what is there already takes nothing more, but an empty file."""
        ledger = Ledger(self.root, 5)
        error = self.assertRaises(QuotaExceededError, ledger.reserve, 1)
        self.assertIn("0 of 5 are left", str(error))
        ledger.reserve(0)

    def test_counted_by_one(self) -> None:
        """While one thread counts a large root the others are told so, and don't wait for it all at once."""
        begun, go_on = threading.Event(), threading.Event()

        def count(_root: Root) -> int:
            begun.set()
            go_on.wait(DEADLINE)
            return 7

        with mock.patch("twisted_lab.filexfer.store.quota._count", count):
            ledger = Ledger(self.root, 100)
            thread = threading.Thread(target=ledger.count)
            thread.start()
            begun.wait(DEADLINE)
            self.assertRaises(BusyError, ledger.reserve, 1)
            self.assertRaises(BusyError, ledger.count)
            go_on.set()
            thread.join(DEADLINE)
            self.assertEqual(ledger.used, 7)

    def test_threads(self) -> None:
        """Threads that reserve at once never have more in all than there is, and the sum is right afterwards."""
        most = threading.Semaphore(7)  # times 10 bytes are left
        exceeded = list[None]()
        self.ledger.count()

        def take() -> None:
            for _ in range(500):
                try:
                    self.ledger.reserve(10)
                except QuotaExceededError:
                    continue
                if most.acquire(blocking=False):
                    self.ledger.commit(1)
                    self.ledger.commit(-1)
                    most.release()
                else:
                    exceeded.append(None)
                self.ledger.release(10)

        threads = [threading.Thread(target=take) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((exceeded, self.ledger.used), ([], 23))
        self.ledger.reserve(77)
