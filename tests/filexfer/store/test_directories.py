"""The directories of a group: made, opened once, fsynced once."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.descriptors import descriptors, opened_since
from tests.filexfer.store.trees import TreeTestCase
from twisted_lab.filexfer.errors import BadNameError, InputOutputError, NotDirectoryError
from twisted_lab.filexfer.store import directories as module
from twisted_lab.filexfer.store.directories import Directories


class DirectoriesTests(TreeTestCase):
    """`Directories`."""

    def setUp(self) -> None:
        """Note each fsync; that of the directory `broken` fails."""
        super().setUp()
        self.synced: list[str] = []
        self.broken: str | None = None
        self.patch(self.root.directory_sync, "sync", self.sync)

    def sync(self, descriptor: int) -> None:
        """Note which directory it is."""
        name = str(Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(self.inside))
        self.synced.append(name)
        if name == self.broken:
            raise OSError(errno.EIO, "Input/output error")

    @contextmanager
    def directories(self) -> Iterator[Directories]:
        """Give a group's directories."""
        with Directories(self.root) as directories:
            yield directories

    def test_opened_once(self) -> None:
        """A directory that is there is opened, once, and not fsynced unless something was changed in it."""
        with self.directories() as directories:
            self.assertEqual(directories.open(("d",)), directories.open(("d",)))
            self.assertTrue(os.path.samestat(os.fstat(directories.open(())), self.inside.stat()))
            directories.sync()
            self.assertEqual(self.synced, [])
            directories.changed(("d",))
            directories.sync()
            directories.sync()
            self.assertEqual(self.synced, ["d"])

    def test_made(self) -> None:
        """What is missing is made; each directory in which that was done is fsynced once, and no other."""
        with self.directories() as directories:
            directories.open(("d", "x", "y"))
            directories.open(("d", "x", "z"))
            self.assertTrue((self.inside / "d" / "x" / "y").is_dir())
            self.assertTrue((self.inside / "d" / "x" / "z").is_dir())
            directories.sync()
        self.assertEqual(sorted(self.synced), ["d", "d/x"])

    def test_refused(self) -> None:
        """No file is taken for a directory, no link followed, no name goes out; what was made on the way stays."""
        (self.inside / "link").symlink_to(self.outside)
        with self.directories() as directories:
            for name in (("f", "x"), ("link", "x"), ("link",), ("d", "f", "x", "y")):
                self.assertRaises(NotDirectoryError, directories.open, name)
            self.assertRaises(BadNameError, directories.open, ("d", ".."))
            self.assertRaises(BadNameError, directories.open, ("new", ".filexfer-x"))
        self.assertFalse((self.inside / "new").exists())

    def test_a_link_comes_between(self) -> None:
        """A directory that is swapped with a link right when it was made isn't gone through."""
        mkdir = os.mkdir

        def swap(last: bytes, *, dir_fd: int) -> None:
            mkdir(last, dir_fd=dir_fd)
            os.rmdir(last, dir_fd=dir_fd)
            os.symlink(self.outside, last, dir_fd=dir_fd)

        self.patch(os, "mkdir", swap)
        with self.directories() as directories:
            self.assertRaises(NotDirectoryError, directories.open, ("new", "x"))

    def test_errors_are_of_all_that_is_below(self) -> None:
        """What couldn't be brought to the disk has taken with it what is below, and nothing else."""
        self.broken = "d"
        with self.directories() as directories:
            directories.open(("d", "x", "y"))
            directories.open(("new",))
            directories.sync()
            self.assertIsInstance(directories.error(("d",)), InputOutputError)
            self.assertIsInstance(directories.error(("d", "x", "y")), InputOutputError)
            self.assertEqual([directories.error(()), directories.error(("new",))], [None, None])

    def test_not_durable(self) -> None:
        """Where nothing has to be on the disk, nothing waits for it."""
        with Directories(self.root, durable=False) as directories:
            directories.open(("new", "x"))
            directories.changed(("new", "x"))
            directories.sync()
        self.assertEqual(self.synced, [])

    def test_deep(self) -> None:
        """However deep a name leads, few descriptors are open; all that was changed gets to the disk."""
        name = ("a",) * 200
        opened = descriptors()
        with self.directories() as directories:
            self.assertRaises(BadNameError, directories.open, name)
            self.assertFalse((self.inside / "a").exists())
            directories.open(name[: module.MOST_MADE])
            directories.open(name)
            self.assertLess(len(opened_since(opened)), module._MOST_ON_THE_WAY + 5)
            directories.sync()
        self.assertEqual(len(set(self.synced)), 200)
        self.broken = "/".join(("b",) * 100)
        with self.directories() as directories:
            directories.open(("b",) * 100)
            directories.open(("b",) * 200)
            directories.sync()
            self.assertIsInstance(directories.error(("b",) * 200), InputOutputError)
