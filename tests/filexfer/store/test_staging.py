"""Files are staged beside their target, and published whole, in one step."""

import contextlib
import fcntl
import os
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from tests.filexfer.store.faults import Fault, injected
from tests.filexfer.store.trees import TreeTestCase, names, read
from twisted_lab.filexfer.conditions import ANYWAY, Condition, Durability
from twisted_lab.filexfer.errors import (
    AccessError,
    BusyError,
    ChangedError,
    ExistsError,
    InputOutputError,
    IsDirectoryError,
    NotDirectoryError,
    NotFoundError,
    NotRegularFileError,
)
from twisted_lab.filexfer.names import Name
from twisted_lab.filexfer.store import locking, staging
from twisted_lab.filexfer.store.root import Root
from twisted_lab.filexfer.store.staging import Staged, write_at

TARGET = ("d", "f")
NEW = b"new content, longer than the old one"
FACTS = {"mtime_ns": 0, "mode": 0o644}


def put(
    root: Root, condition: Condition = ANYWAY, durability: Durability = Durability.DIRECTORY, target: Name = TARGET
) -> None:
    """Put NEW at `target`."""
    with Staged(root, target, size=len(NEW)) as staged:
        write_at(staged.descriptor, [NEW], 0)
        staged.publish(mtime_ns=0, mode=0o644, condition=condition, durability=durability)


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
            self.assertEqual((staged.found, staged.offset), (7, 7))
            self.assertEqual([staged.read_left_over(position, 4) for position in (0, 4, 7)], [NEW[:4], NEW[4:7], b""])
            os.ftruncate(staged.descriptor, 3)
            self.assertRaises(InputOutputError, staged.read_left_over, 3, 4)
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
            self.assertEqual((staged.found, staged.offset, os.fstat(staged.descriptor).st_size), (4, 0, 0))

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
        self.assertRaises(ExistsError, put, self.root, Condition(absent=True))
        self.assertEqual(read(self.root, TARGET), b"inside")
        self.store.remove(TARGET)
        put(self.root, Condition(absent=True))
        self.assertEqual(read(self.root, TARGET), NEW)

    def test_absent_to_the_last(self) -> None:
        """Another program, which knows no lock, can't come between the look and the rename either."""
        self.patch(staging, "check_condition", lambda *_: None)
        self.assertRaises(ExistsError, put, self.root, Condition(absent=True))
        self.assertEqual(read(self.root, TARGET), b"inside")

    def test_locked(self) -> None:
        """Nothing is published while another holds the directory; the file stays staged."""
        seconds = iter(range(1000))
        self.patch(locking, "time", SimpleNamespace(monotonic=lambda: next(seconds), sleep=lambda _: None))
        other = os.open(self.inside / "d", os.O_RDONLY)
        try:
            fcntl.flock(other, fcntl.LOCK_EX)
            self.assertRaises(BusyError, put, self.root)
        finally:
            os.close(other)
        self.assertEqual(read(self.root, TARGET), b"inside")
        self.assertEqual([path.read_bytes() for path in self.reserved()], [NEW])

    def test_etag(self) -> None:
        """A put that wants a certain file there replaces that one only."""
        etag = self.root.stat(TARGET).etag
        (self.inside / "d" / "f").write_text("another")
        self.assertRaises(ChangedError, put, self.root, Condition(etag=etag))
        self.assertEqual(read(self.root, TARGET), b"another")
        put(self.root, Condition(etag=self.root.stat(TARGET).etag))
        self.store.remove(TARGET)
        self.assertRaises(ChangedError, put, self.root, Condition(etag=etag))

    def test_durability(self) -> None:
        """As much is brought to the disk as was asked for, in the order that is safe: the data before the name."""
        for durability, order in (
            (Durability.MEMORY, ["fchmod", "utime", "rename"]),
            (Durability.FILE, ["fchmod", "utime", "fsync", "rename"]),
            (Durability.DIRECTORY, ["fchmod", "utime", "fsync", "rename", "fsync"]),
        ):
            fault = Fault()
            with injected(fault):
                put(self.root, ANYWAY, durability)
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

    def test_the_usual_facts(self) -> None:
        """A file that comes without time and permissions gets those of a new one."""
        with Staged(self.root, TARGET, size=0) as staged:
            os.utime(staged.descriptor, (0, 0))
            status = staged.publish()
        self.assertEqual(status.mode, 0o644)
        self.assertGreater(status.mtime_ns, 0)

    def test_half_an_exclusive_rename(self) -> None:
        """Where a process died between link and unlink, the staged file is the published one: it isn't written to."""
        with Staged(self.root, TARGET, size=6) as staged:
            os.write(staged.descriptor, b"secret")
        (half,) = self.reserved()
        (self.inside / "d" / "f").unlink()
        os.link(half, self.inside / "d" / "f")
        with Staged(self.root, TARGET, size=6) as staged:
            self.assertEqual(staged.found, 0)
            os.write(staged.descriptor, b"public")
            self.assertEqual(read(self.root, TARGET), b"secret")
            staged.publish()
        self.assertEqual(read(self.root, TARGET), b"public")

    def test_left_over_of_a_read_only_file(self) -> None:
        """A put that died when it had set the permissions already, which forbid to write, can be gone on with."""
        with Staged(self.root, TARGET, size=4) as staged:
            os.write(staged.descriptor, b"half")
            os.fchmod(staged.descriptor, 0o400)
            self.patch(staging, "os", SimpleNamespace(**{**vars(os), "open": self.obey_permissions}))
            self.assertRaises(BusyError, Staged, self.root, TARGET, size=4)
            self.assertEqual([path.stat().st_mode & 0o777 for path in self.reserved()], [0o400])
        with Staged(self.root, TARGET, size=4) as staged:
            self.assertEqual(staged.found, 4)
            staged.discard()

    def test_directory_that_is_read_only(self) -> None:
        """Where no file may be made, that is what is said."""

        def refuse(path: bytes, flags: int, *arguments: int, **options: int) -> int:
            if flags & os.O_CREAT:
                raise PermissionError(13, "Permission denied")
            return os.open(path, flags, *arguments, **options)

        self.patch(staging, "os", SimpleNamespace(**{**vars(os), "open": refuse}))
        self.assertRaises(AccessError, Staged, self.root, TARGET, size=4)

    def obey_permissions(self, path: bytes, flags: int, *arguments: int, **options: int) -> int:
        """Open as the kernel does for those who aren't root."""
        with contextlib.suppress(FileNotFoundError):
            mode = os.stat(path, dir_fd=options["dir_fd"]).st_mode
            if flags & os.O_RDWR and not mode & 0o200:
                raise PermissionError(13, "Permission denied")
        return os.open(path, flags, *arguments, **options)

    def test_what_was_put_in_its_place(self) -> None:
        """A link that somebody put where a left-over file would be isn't followed."""
        with Staged(self.root, TARGET, size=4):
            (path,) = self.reserved()
        path.unlink()
        path.symlink_to(self.outside / "f")
        self.assertRaises(NotRegularFileError, Staged, self.root, TARGET, size=4)


class WriteTests(TreeTestCase):
    """`write_at`."""

    def write(self, pieces: list[bytes], position: int, most: int = 2**20) -> bytes:
        """Write to a file of ten dots, of which the kernel takes `most` bytes at once; give what is in it then."""
        path = self.inside / "f"
        path.write_bytes(b"." * 10)

        def pwritev(descriptor: int, buffers: list[memoryview], offset: int) -> int:
            return os.pwrite(descriptor, b"".join(buffers)[:most], offset)

        system = {**vars(os)} if most == 2**20 else {**vars(os), "pwritev": pwritev}
        descriptor = os.open(path, os.O_WRONLY)
        try:
            with mock.patch.object(staging, "os", SimpleNamespace(**system)):
                write_at(descriptor, pieces, position)
        finally:
            os.close(descriptor)
        return path.read_bytes()

    def test_pieces(self) -> None:
        """All pieces are written, in order, empty ones and as many as one likes among them."""
        self.assertEqual(self.write([b"ab", b"", b"c"], 3), b"...abc....")
        self.assertEqual(self.write([], 3), b"." * 10)
        many = [b"%d" % (number % 10) for number in range(2500)]
        self.assertEqual(self.write(many, 0), b"".join(many))

    def test_short_writes(self) -> None:
        """What the kernel takes in parts, cut anywhere, arrives whole."""
        for most in range(1, 8):
            self.assertEqual(self.write([b"ab", b"cde", b"", b"fg"], 1, most), b".abcdefg..")
