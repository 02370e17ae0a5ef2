"""One put on its way: what is reserved, hashed, written, published, and left over."""

import contextlib
import errno
import os
from functools import partial
from pathlib import Path

from tests.filexfer.store.faults import Fault, fail_with, injected
from tests.filexfer.store.trees import TreeTestCase, read, sha256
from twisted_lab.filexfer.conditions import ANYWAY, Condition, Durability
from twisted_lab.filexfer.errors import (
    BadRequestError,
    ChangedError,
    DigestMismatchError,
    InputOutputError,
    NoSpaceError,
    NotFoundError,
    QuotaExceededError,
    UnsupportedError,
)
from twisted_lab.filexfer.names import Name
from twisted_lab.filexfer.receipt import Receipt
from twisted_lab.filexfer.store import incoming as module
from twisted_lab.filexfer.store.incoming import Incoming
from twisted_lab.filexfer.store.quota import Ledger

TARGET = ("d", "f")
NEW = b"new content"
QUOTA = 1000
MEBIBYTE = 2**20


class IncomingTests(TreeTestCase):
    """`Incoming`, with a ledger; when the test ends nothing may be reserved, and what is used be right."""

    def setUp(self) -> None:
        """Count what is there."""
        super().setUp()
        self.ledger = Ledger(self.root, QUOTA)
        self.ledger.count()
        self.before = self.ledger.used

    def tearDown(self) -> None:
        """Check the ledger."""
        self.assertEqual(self.ledger._reserved, 0)
        self.assertEqual(self.ledger.used, Ledger(self.root, QUOTA).used)
        super().tearDown()

    def open(self, size: int | None = len(NEW), target: Name = TARGET, algorithm: str = "sha-256") -> Incoming:
        """Begin a put."""
        return Incoming(self.root, target, size=size, algorithm=algorithm, ledger=self.ledger)

    def finish(self, incoming: Incoming, digest: str = sha256(NEW), condition: Condition = ANYWAY) -> Receipt:
        """End a put."""
        return incoming.finish(digest, mtime_ns=7, mode=0o600, condition=condition, durability=Durability.DIRECTORY)

    def leave(self, content: bytes, size: int = len(NEW)) -> None:
        """Break a put off when `content` has arrived."""
        incoming = self.open(size)
        incoming.write([content])
        incoming.close()

    def reserved(self) -> list[Path]:
        """Give the staged files that are there."""
        return [*self.inside.rglob(".filexfer-*")]

    def test_receipt(self) -> None:
        """The receipt tells what is there, as a look at it tells too."""
        incoming = self.open()
        incoming.write([NEW[:4], b"", NEW[4:]])
        self.assertEqual((incoming.offset, incoming.received), (0, len(NEW)))
        receipt = self.finish(incoming)
        status = self.root.stat(TARGET)
        self.assertEqual(receipt, Receipt("d/f", sha256(NEW), len(NEW), status.etag, Durability.DIRECTORY))
        self.assertEqual((status.mtime_ns, status.mode), (7, 0o600))
        self.assertEqual(read(self.root, TARGET), NEW)
        incoming.close()

    def test_both_digests(self) -> None:
        """A put is hashed as was agreed on, and ended by a digest of that kind."""
        incoming = self.open(0, algorithm="blake3")
        self.assertRaises(BadRequestError, self.finish, incoming, sha256(b""))
        self.finish(incoming, "blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262")
        self.assertRaises(UnsupportedError, self.open, algorithm="md5")

    def test_resume(self) -> None:
        """A put goes on with what is left over, which is hashed again: by the way, or a piece at a time."""
        self.patch(module, "_PIECE", 4)
        for asked in (False, True):
            self.leave(NEW[:6])
            incoming = self.open()
            self.assertEqual((incoming.offset, incoming.received), (6, 6))
            if asked:
                self.assertEqual([incoming.hash_left_over(4), incoming.hash_left_over(4)], [True, False])
                self.assertFalse(incoming.hash_left_over(4))
                self.assertEqual(incoming.digest, sha256(NEW[:6]))
            incoming.write([NEW[6:]])
            self.finish(incoming)
            self.assertEqual(read(self.root, TARGET), NEW)

    def test_resume_at_the_end(self) -> None:
        """A put of which all had arrived needs no byte more, but is hashed all the same."""
        self.leave(NEW)
        self.finish(self.open())
        self.leave(NEW[::-1])
        with contextlib.closing(self.open()) as incoming:
            self.assertRaises(DigestMismatchError, self.finish, incoming)

    def test_restart(self) -> None:
        """What is left over and isn't wanted makes place for what is; as much is reserved as before."""
        self.leave(b"something")
        incoming = self.open()
        incoming.hash_left_over(99)
        incoming.restart()
        self.assertEqual((incoming.offset, incoming.received, incoming.digest), (0, 0, sha256(b"")))
        incoming.write([NEW])
        self.finish(incoming)
        self.assertEqual(read(self.root, TARGET), NEW)

    def test_left_over(self) -> None:
        """A put that is broken off leaves what has arrived, and one of which nothing has, nothing."""
        self.leave(b"")
        self.assertEqual(self.reserved(), [])
        self.leave(NEW[:6])
        self.assertEqual([path.read_bytes() for path in self.reserved()], [NEW[:6]])
        self.assertEqual(self.ledger.used, self.before + 6)

    def test_abandon(self) -> None:
        """A put whose source changed leaves nothing."""
        self.leave(NEW[:6])
        incoming = self.open()
        incoming.write([b"more"])
        incoming.abandon()
        incoming.close()
        incoming.close()
        self.assertEqual(self.reserved(), [])

    def test_damaged(self) -> None:
        """What isn't what was sent isn't published, nor kept."""
        incoming = self.open()
        incoming.write([NEW])
        self.assertRaises(DigestMismatchError, self.finish, incoming, sha256(b"other"))
        incoming.close()
        self.assertEqual((self.reserved(), read(self.root, TARGET)), ([], b"inside"))

    def test_incomplete(self) -> None:
        """A put can't end early, nor go on past its size; what it has is kept."""
        incoming = self.open()
        incoming.write([NEW[:6]])
        self.assertRaises(BadRequestError, self.finish, incoming, sha256(NEW[:6]))
        self.assertRaises(BadRequestError, incoming.write, [NEW[6:], b"!"])
        incoming.write([NEW[6:]])
        self.finish(incoming)

    def test_condition(self) -> None:
        """Where the condition doesn't hold, all that has arrived stays, for another try."""
        incoming = self.open()
        incoming.write([NEW])
        self.assertRaises(ChangedError, self.finish, incoming, condition=Condition(etag="0" * 16))
        incoming.close()
        self.assertEqual(read(self.root, TARGET), b"inside")
        self.finish(self.open())
        self.assertEqual(read(self.root, TARGET), NEW)

    def test_unknown_size(self) -> None:
        """A stream is taken until it ends; broken off, nothing of it is kept, for it can't be gone on with."""
        incoming = self.open(None)
        incoming.write([NEW[:3]])
        incoming.write([NEW[3:]])
        self.finish(incoming)
        self.assertEqual(read(self.root, TARGET), NEW)
        incoming = self.open(None)
        incoming.write([NEW])
        incoming.close()
        self.assertEqual((self.reserved(), incoming.offset), ([], 0))

    def test_two_streams(self) -> None:
        """Two streams to one name don't meet."""
        first, second = self.open(None), self.open(None)
        first.write([b"1"])
        second.write([NEW])
        self.finish(second)
        self.finish(first, sha256(b"1"))
        self.assertEqual(read(self.root, TARGET), b"1")

    def test_quota(self) -> None:
        """The whole size is reserved before the first byte, less what is left over; two puts share what there is."""
        left = QUOTA - self.before
        self.assertRaises(QuotaExceededError, self.open, left + 1)
        first = self.open(left - 10)
        self.assertRaises(QuotaExceededError, self.open, 11, ("d", "g"))
        second = self.open(10, ("d", "g"))
        second.write([b"12345"])
        for incoming in (first, second):
            incoming.close()
        self.assertEqual(self.reserved()[0].read_bytes(), b"12345")
        self.open(left - 5).close()
        self.assertRaises(QuotaExceededError, self.open, left - 4)

    def test_quota_of_what_is_left_over(self) -> None:
        """What is left over has its place already: a file that fills the quota can be gone on with."""
        left = QUOTA - self.before
        self.leave(bytes(300), left)
        incoming = self.open(left)
        self.assertRaises(QuotaExceededError, self.open, 1, ("d", "g"))
        incoming.write([bytes(left - 300)])
        self.finish(incoming, sha256(bytes(left)))

    def test_quota_of_a_stream(self) -> None:
        """A stream takes what is free as it comes, and what doesn't fit isn't taken."""
        left = QUOTA - self.before
        incoming = self.open(None)
        incoming.write([bytes(left)])
        self.assertRaises(QuotaExceededError, incoming.write, [b"!"])
        self.finish(incoming, sha256(bytes(left)))

    def test_without_a_ledger(self) -> None:
        """Who counts nothing, as a client, may put anything."""
        incoming = Incoming(self.root, TARGET, size=None, algorithm="sha-256")
        incoming.write([b"inside"])
        self.finish(incoming, sha256(b"inside"))

    def test_disk_full(self) -> None:
        """What the disk can't hold is refused before a byte is taken (localsend#2440); nothing is left, nor blocks."""
        self.patch(module, "_WORTH_RESERVING", 5)
        self.leave(NEW[:6])
        for first in (True, False):
            fault = Fault()
            with injected(fault):
                self.open().close()
            self.assertEqual(fault.taken.count("_reserve"), 1)
            fault = Fault(fault.taken.index("_reserve") + 1, partial(fail_with, errno.ENOSPC))
            with injected(fault):
                self.assertRaises(NoSpaceError, self.open)
            self.assertEqual(self.ledger._reserved, 0)
            self.assertEqual([path.stat().st_size for path in self.reserved()], [6] if first else [])
            for path in self.reserved():
                path.unlink()
            self.ledger.commit(-6 * first)

    def test_blocks(self) -> None:
        """Blocks are reserved for a large file, anew when it begins again, and those that aren't used given back."""
        self.ledger.limit = 2**30
        with injected(fault := Fault()):
            self.open(MEBIBYTE - 1).close()
        self.assertNotIn("_reserve", fault.taken)
        incoming = self.open(4 * MEBIBYTE)
        self.assertGreaterEqual(os.fstat(incoming._staged.descriptor).st_blocks * 512, 4 * MEBIBYTE)
        incoming.write([b"some"])
        incoming.close()
        (path,) = self.reserved()
        self.assertLess(path.stat().st_blocks * 512, MEBIBYTE)
        incoming = self.open(4 * MEBIBYTE)
        incoming.restart()
        self.assertGreaterEqual(os.fstat(incoming._staged.descriptor).st_blocks * 512, 4 * MEBIBYTE)
        incoming.close()
        self.assertEqual(self.reserved(), [])

    def test_failed_write(self) -> None:
        """Of a write that fails midway nothing counts as arrived; it may be tried again."""
        incoming = self.open()
        incoming.write([NEW[:4]])
        os.pwrite(incoming._staged.descriptor, b"half of it", 4)
        with injected(Fault(1, partial(fail_with, errno.EIO))):
            self.assertRaises(InputOutputError, incoming.write, [NEW[4:]])
        self.assertEqual(incoming.received, 4)
        incoming.close()
        self.assertEqual([path.read_bytes() for path in self.reserved()], [NEW[:4]])
        incoming = self.open()
        incoming.write([NEW[4:]])
        self.finish(incoming)

    def test_no_directory(self) -> None:
        """Directories that are missing aren't made, and nothing stays reserved."""
        self.assertRaises(NotFoundError, self.open, target=("no", "f"))
