"""A put publishes the whole file or nothing: whatever step fails, and wherever the process dies."""

import errno
import fcntl
import hashlib
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from tests.filexfer.store.faults import KILLED, NEW, TARGET, Fault, faulty_put, put
from tests.filexfer.store.trees import TreeTestCase, names, read
from twisted_lab.filexfer.errors import (
    BusyError,
    ChangedError,
    ExistsError,
    FilexferError,
    InputOutputError,
    IsDirectoryError,
    NoSpaceError,
    NotDirectoryError,
    NotFoundError,
)
from twisted_lab.filexfer.store.staging import Condition, Durability, Staged

ANYWAY = Condition()
DURABLE = Durability.DIRECTORY
MOST_STEPS = 40


class StagedTests(TreeTestCase):
    """`Staged`, when nothing goes wrong, or somebody else is there."""

    def reserved(self) -> list[Path]:
        """Give the staged files that are there."""
        return [path for path in self.inside.rglob(".filexfer-*") if path.is_file()]

    def test_put(self) -> None:
        """A put replaces the file, with its time and permissions, and leaves nothing behind."""
        with Staged(self.root, TARGET, size=len(NEW)) as staged:
            os.write(staged.descriptor, NEW)
            self.assertEqual(read(self.root, TARGET), b"inside")
            self.assertNotIn(".filexfer", "".join(filter(None, names(self.root, ("d",)))))
            status = staged.publish(mtime_ns=1_500_000_000_000_000_007, mode=0o4754)
        self.assertEqual(read(self.root, TARGET), NEW)
        self.assertEqual((status.mode, status.mtime_ns), (0o754, 1_500_000_000_000_000_007))
        self.assertEqual(self.root.stat(TARGET), status)
        self.assertEqual(self.reserved(), [])

    def test_what_is_staged_is_private(self) -> None:
        """Nobody but the server reads what isn't published, whatever the file will allow."""
        with Staged(self.root, TARGET, size=1):
            self.assertEqual([path.stat().st_mode & 0o777 for path in self.reserved()], [0o600])

    def test_resume(self) -> None:
        """What was left behind is found again, by the same owner, target and size only; its digest tells what it is."""
        with Staged(self.root, TARGET, size=len(NEW)) as staged:
            os.write(staged.descriptor, NEW[:7])
        with Staged(self.root, TARGET, size=len(NEW)) as staged:
            self.assertEqual(staged.offset, 7)
            digest = hashlib.sha256()
            staged.feed_left_over(digest.update)
            self.assertEqual(digest.digest(), hashlib.sha256(NEW[:7]).digest())
            os.ftruncate(staged.descriptor, 3)
            self.assertRaises(InputOutputError, staged.feed_left_over, digest.update)
        for target, size, owner in ((TARGET, 99, ""), (("d", "g"), len(NEW), ""), (TARGET, len(NEW), "eve")):
            with Staged(self.root, target, size=size, owner=owner) as staged:
                self.assertEqual(staged.offset, 0)
                staged.discard()
        self.assertEqual(len(self.reserved()), 1)

    def test_too_much_is_nothing(self) -> None:
        """More than the file's size isn't a beginning of it."""
        with Staged(self.root, TARGET, size=3) as staged:
            os.write(staged.descriptor, b"four")
        with Staged(self.root, TARGET, size=3) as staged:
            self.assertEqual((staged.offset, os.fstat(staged.descriptor).st_size), (0, 0))

    def test_one_at_a_time(self) -> None:
        """A second put of the same file is told so; when the first is over, it may."""
        with Staged(self.root, TARGET, size=3):
            self.assertRaises(BusyError, Staged, self.root, TARGET, size=3)
        with Staged(self.root, TARGET, size=3) as staged:
            staged.discard()

    def test_one_that_comes_between(self) -> None:
        """A put that finds, once it has the lock, that another has published the file doesn't write into that one."""
        for again in (False, True):

            def publish_another(descriptor: int, operation: int, again: bool = again) -> None:  # noqa: FBT001
                (staged,) = self.reserved()
                staged.rename(self.inside / "d" / "f")
                if again:
                    staged.touch()
                fcntl.flock(descriptor, operation)

            between = SimpleNamespace(**{**vars(fcntl), "flock": publish_another})
            with mock.patch("twisted_lab.filexfer.store.staging.fcntl", between):
                self.assertRaises(BusyError, Staged, self.root, TARGET, size=3)
            self.assertEqual(read(self.root, TARGET), b"")

    def test_two_of_different_size(self) -> None:
        """Two puts of one name but different files both go through; the last to publish is what stays."""
        with Staged(self.root, TARGET, size=3) as first, Staged(self.root, TARGET, size=4) as second:
            os.write(second.descriptor, b"four")
            os.write(first.descriptor, b"two")
            second.publish(mtime_ns=0, mode=0o644)
            first.publish(mtime_ns=0, mode=0o644)
        self.assertEqual(read(self.root, TARGET), b"two")

    def test_absent(self) -> None:
        """A put that wants the name free replaces nothing, and can be tried again under another name."""
        self.assertRaises(ExistsError, put, self.root, Condition(absent=True), DURABLE)
        self.assertEqual(read(self.root, TARGET), b"inside")
        self.root.remove(TARGET)
        put(self.root, Condition(absent=True), DURABLE)
        self.assertEqual(read(self.root, TARGET), NEW)

    def test_etag(self) -> None:
        """A put that wants a certain file there replaces that one only."""
        etag = self.root.stat(TARGET).etag
        (self.inside / "d" / "f").write_text("another")
        self.assertRaises(ChangedError, put, self.root, Condition(etag=etag), DURABLE)
        self.assertEqual(read(self.root, TARGET), b"another")
        put(self.root, Condition(etag=self.root.stat(TARGET).etag), DURABLE)
        self.root.remove(TARGET)
        self.assertRaises(ChangedError, put, self.root, Condition(etag=etag), DURABLE)

    def test_durability(self) -> None:
        """As much is brought to the disk as was asked for, in the order that is safe: the data before the name."""
        for durability, order in (
            (Durability.MEMORY, ["fchmod", "utime", "rename"]),
            (Durability.FILE, ["fchmod", "utime", "fsync", "rename"]),
            (Durability.DIRECTORY, ["fchmod", "utime", "fsync", "rename", "fsync"]),
        ):
            fault = Fault(0, lambda: None)
            faulty_put(self.root, fault, ANYWAY, durability)
            self.assertEqual([step for step in fault.taken if step in order], order)

    def test_where_nothing_can_be_put(self) -> None:
        """A directory isn't replaced, a missing one isn't made, a link isn't followed."""
        (self.inside / "link").symlink_to(self.outside)
        self.assertRaises(NotFoundError, Staged, self.root, ("no", "f"), size=1)
        self.assertRaises(NotDirectoryError, Staged, self.root, ("link", "f"), size=1)
        with Staged(self.root, ("d", "b"), size=0) as staged:
            self.assertRaises(IsDirectoryError, staged.publish, mtime_ns=0, mode=0o644)
            staged.discard()
        (self.inside / "d" / "to").symlink_to(self.outside / "f")
        with Staged(self.root, ("d", "to"), size=0) as staged:
            staged.publish(mtime_ns=0, mode=0o644)
        self.assertEqual(self.root.stat(("d", "to")).kind, "file")


class FaultTests(TreeTestCase):
    """Every step of a put fails, or kills: the old file is there or the new one, whole; a rerun succeeds."""

    def check(self, before: bytes | None) -> None:
        """See that the target is whole, that nothing else can be seen, and that a rerun succeeds."""
        path = self.inside.joinpath(*TARGET)
        self.assertIn(path.read_bytes() if path.exists() else None, (before, NEW))
        self.assertLessEqual({*names(self.root, ("d",))}, {"b", "f"})
        put(self.root, ANYWAY, DURABLE)
        self.assertEqual(path.read_bytes(), NEW)
        self.assertEqual([*self.inside.rglob(".filexfer-*")], [])

    def prepare(self, before: bytes | None, left_over: bytes) -> None:
        """Set the target, and what an earlier put left behind."""
        path = self.inside.joinpath(*TARGET)
        path.unlink(missing_ok=True)
        if before is not None:
            path.write_bytes(before)
        if left_over:
            with Staged(self.root, TARGET, size=len(NEW)) as staged:
                os.write(staged.descriptor, left_over)

    def situations(self) -> list[tuple[bytes | None, bytes]]:
        """Give what may be there before: target and left-over; the last isn't a beginning of the new content."""
        return [(b"old", b""), (None, b""), (b"old", NEW[:5]), (None, NEW[:25]), (b"old", b"other bytes")]

    def test_every_step_fails(self) -> None:
        """For each step of each kind of put, and each error: a typed error, and nothing half done."""
        tried = 0
        for number, expected in ((errno.ENOSPC, NoSpaceError), (errno.EIO, InputOutputError)):
            for before, left_over in self.situations():
                for step in range(1, MOST_STEPS):
                    self.prepare(before, left_over)
                    fault = Fault(step, partial(self.fail_with, number))
                    condition = Condition(absent=before is None)
                    error: Exception | None = None
                    try:
                        faulty_put(self.root, fault, condition, DURABLE)
                    except (FilexferError, OSError) as raised:
                        error = raised
                    self.check(before)
                    if len(fault.taken) < step:
                        self.assertIs(error, None)
                        break
                    # The content is written by the caller, who gets what the kernel says.
                    self.assertIsInstance(error, OSError if fault.taken[step - 1] == "pwrite" else expected)
                    tried += 1
                self.assertLess(step, MOST_STEPS - 1)
        self.assertGreater(tried, 100)

    def test_the_process_dies_at_every_step(self) -> None:
        """For each step: the process is gone there, with all its locks; nothing half done, and a rerun succeeds."""
        for before, left_over in self.situations()[:4]:
            for step in range(1, MOST_STEPS):
                self.prepare(before, left_over)
                command = [sys.executable, "-m", "tests.filexfer.store.faults", str(self.inside), str(step)]
                status = subprocess.run(command, check=False, cwd=Path(__file__).parents[2]).returncode
                self.assertIn(status, (0, KILLED))
                self.check(before)
                if status == 0:
                    break
            self.assertLess(step, MOST_STEPS - 1)

    def fail_with(self, number: int) -> None:
        """Fail as the kernel does."""
        raise OSError(number, os.strerror(number))
