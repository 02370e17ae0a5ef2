"""Many small files at once: each whole or not there, each for itself."""

import errno
import fcntl
import os
from types import SimpleNamespace

from tests.descriptors import descriptors, opened_since
from tests.filexfer.store.faults import Fault, injected
from tests.filexfer.store.trees import ABSENT, TreeTestCase, read, sha256
from twisted_lab.filexfer.conditions import Durability
from twisted_lab.filexfer.errors import (
    BadNameError,
    BusyError,
    DigestMismatchError,
    ExistsError,
    FilexferError,
    InputOutputError,
    IsDirectoryError,
    NotDirectoryError,
    QuotaExceededError,
    UnsupportedError,
)
from twisted_lab.filexfer.names import Name
from twisted_lab.filexfer.receipt import Receipt
from twisted_lab.filexfer.small_file import SmallFile
from twisted_lab.filexfer.store import locking
from twisted_lab.filexfer.store import small_files as module
from twisted_lab.filexfer.store.quota import Ledger
from twisted_lab.filexfer.store.small_files import receive_small

DURABLE = Durability.DIRECTORY


def small(name: Name, content: bytes = b"new") -> SmallFile:
    """Give a file."""
    return SmallFile(name, content, sha256(content), 7, 0o4640)


def kinds(outcomes: list[Receipt | FilexferError]) -> list[type]:
    """Tell receipts and errors apart."""
    return [type(outcome) for outcome in outcomes]


class SmallFilesTests(TreeTestCase):
    """`receive_small`; when the test ends, nothing staged may be there."""

    def tearDown(self) -> None:
        """Look for what wasn't removed."""
        self.assertEqual([*self.inside.rglob(".filexfer-*")], [])
        super().tearDown()

    def test_receipts(self) -> None:
        """The receipts tell, in order, what is there, as a look at it tells too."""
        files = [small(("f",)), small(("d", "new"), b""), small(("x", "y", "z"), b"deep")]
        for file, receipt in zip(files, receive_small(self.root, files, DURABLE), strict=True):
            status = self.root.stat(file.name)
            expected = Receipt("/".join(file.name), file.digest, len(file.content), status.etag, DURABLE)
            self.assertEqual(receipt, expected)
            self.assertEqual(read(self.root, file.name), file.content)
            self.assertEqual((status.mtime_ns, status.mode), (7, 0o640))

    def test_the_usual_facts(self) -> None:
        """A file that comes without time and permissions gets those of a new one."""
        receive_small(self.root, [SmallFile(("f",), b"", sha256(b""))], DURABLE)
        status = self.root.stat(("f",))
        self.assertEqual(status.mode, 0o644)
        self.assertGreater(status.mtime_ns, 7)

    def test_each_for_itself(self) -> None:
        """What is wrong with one file is said of that one; the others are published."""
        (self.inside / "link").symlink_to(self.outside)
        files = [
            small(("one",)),
            SmallFile(("two",), b"damaged", sha256(b"sent"), 0, 0),
            SmallFile(("three",), b"", "md5:00", 0, 0),
            small(("..", "four")),
            small(()),
            small(("d", "b")),
            small(("f", "five")),
            small(("link", "six")),
            small(("d", ".filexfer-seven")),
            small(("last",)),
        ]
        expected = [
            Receipt,
            DigestMismatchError,
            UnsupportedError,
            *[BadNameError] * 2,
            IsDirectoryError,
            *[NotDirectoryError] * 2,
            BadNameError,
            Receipt,
        ]
        self.assertEqual(kinds(receive_small(self.root, files, DURABLE)), expected)
        self.assertEqual({*os.listdir(self.inside)}, {"d", "f", "spare", "link", "one", "last"})  # noqa: PTH208
        self.assertEqual(read(self.root, ("f",)), b"inside")

    def test_links_are_replaced(self) -> None:
        """A link that has the name is replaced; what it leads to isn't touched."""
        (self.inside / "link").symlink_to(self.outside / "f")
        receive_small(self.root, [small(("link",))], DURABLE)
        self.assertEqual(self.root.stat(("link",)).kind, "file")

    def test_one_name_twice(self) -> None:
        """Of two files of one name the later is what stays, and both are told so."""
        outcomes = receive_small(self.root, [small(("f",), b"1"), small(("f",), b"22"), small(("g",))], DURABLE)
        self.assertEqual(kinds(outcomes), [Receipt] * 3)
        self.assertEqual(read(self.root, ("f",)), b"22")

    def test_absent(self) -> None:
        """Where nothing may be replaced, the earlier of two stays, and what was there before."""
        files = [small(("f",)), small(("g",), b"1"), small(("g",), b"2")]
        outcomes = receive_small(self.root, files, DURABLE, ABSENT)
        self.assertEqual(kinds(outcomes), [ExistsError, Receipt, ExistsError])
        self.assertEqual([read(self.root, (name,)) for name in "fg"], [b"inside", b"1"])

    def test_absent_to_the_last(self) -> None:
        """Another program, which knows no lock, can't come between the look and the rename either."""
        self.patch(module, "check_condition", lambda *_: None)
        self.assertEqual(kinds(receive_small(self.root, [small(("f",))], DURABLE, ABSENT)), [ExistsError])
        self.assertEqual(read(self.root, ("f",)), b"inside")

    def test_directory_not_on_the_disk(self) -> None:
        """Nobody is told that a file is on the disk if a directory that was made for it isn't."""
        sync = self.root.directory_sync.sync

        def fail(directory: int) -> None:
            if os.path.samestat(os.fstat(directory), (self.inside / "d").stat()):
                raise OSError(errno.EIO, "Input/output error")
            sync(directory)

        self.patch(self.root.directory_sync, "sync", fail)
        files = [small(("d", "new", "f")), small(("f",)), small(("d", "f"))]
        outcomes = receive_small(self.root, files, DURABLE)
        self.assertEqual(kinds(outcomes), [InputOutputError, Receipt, InputOutputError])

    def test_durability(self) -> None:
        """All data are on the disk before the first name; each directory is waited for once (syncthing#5568)."""
        files = [small(("d", "a")), small(("d", "b2")), small(("d", "c")), small(("x",))]
        for durability, order in (
            (Durability.MEMORY, ["rename"] * 4),
            (Durability.FILE, ["fsync"] * 4 + ["rename"] * 4),
            (Durability.DIRECTORY, ["fsync"] * 4 + ["rename"] * 4 + ["fsync"] * 2),
        ):
            fault = Fault()
            with injected(fault):
                outcomes = receive_small(self.root, files, durability)
            self.assertEqual([step for step in fault.taken if step in {"fsync", "rename"}], order)
            self.assertEqual({outcome.durability for outcome in outcomes if isinstance(outcome, Receipt)}, {durability})

    def test_quota(self) -> None:
        """Each file takes its own share; what doesn't fit is refused, what is replaced becomes free."""
        ledger = Ledger(self.root, 100)
        left = 100 - ledger.used
        files = [small(("f",), bytes(left - 5)), small(("g",), bytes(6)), small(("h",), bytes(5))]
        outcomes = receive_small(self.root, files, DURABLE, ledger=ledger)
        self.assertEqual(kinds(outcomes), [Receipt, QuotaExceededError, Receipt])
        self.assertEqual((ledger.used, ledger._reserved), (Ledger(self.root, 100).used, 0))
        self.assertEqual(ledger.used, 100 - len(b"inside"))

    def test_descriptors(self) -> None:
        """A group holds two descriptors a file at most, while it is published."""
        most = 0
        opened = descriptors()
        rename = os.rename

        def look(source: bytes, target: bytes, *, src_dir_fd: int, dst_dir_fd: int) -> None:
            nonlocal most
            most = max(most, len(opened_since(opened)))
            rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

        self.patch(os, "rename", look)
        files = [small((str(number), "f")) for number in range(64)]
        self.assertEqual(kinds(receive_small(self.root, files, DURABLE)), [Receipt] * 64)
        self.assertGreater(most, 63)
        self.assertLessEqual(most, 2 * 64 + 5)

    def test_nothing(self) -> None:
        """A group of none is no matter."""
        self.assertEqual(receive_small(self.root, [], DURABLE), [])

    def test_locked_while_staged(self) -> None:
        """What is staged is locked, so that the cleaning doesn't take it for left over."""
        fault = Fault()
        with injected(fault):
            receive_small(self.root, [small(("f",))], DURABLE)
        self.assertLess(fault.taken.index("flock"), fault.taken.index("pwritev"))

    def test_busy_directory(self) -> None:
        """A directory that another program keeps locked is the error of its files, not of the group."""
        seconds = iter(range(1000))
        self.patch(locking, "time", SimpleNamespace(monotonic=lambda: next(seconds), sleep=lambda _: None))
        other = os.open(self.inside / "d", os.O_RDONLY)
        try:
            fcntl.flock(other, fcntl.LOCK_EX)
            outcomes = receive_small(self.root, [small(("d", "f")), small(("f",))], DURABLE)
        finally:
            os.close(other)
        self.assertEqual(kinds(outcomes), [BusyError, Receipt])
        self.assertEqual(read(self.root, ("d", "f")), b"inside")
