"""One user's files: what each operation does, and says when it can't."""

import contextlib
import fcntl
import os
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from tests.filexfer.store.trees import ABSENT, ANYWAY, OPERATIONS, TreeTestCase, get, names
from twisted_lab.filexfer.conditions import Condition
from twisted_lab.filexfer.errors import (
    AccessError,
    BadNameError,
    BusyError,
    ChangedError,
    ExistsError,
    InputOutputError,
    IsDirectoryError,
    NotDirectoryError,
    NotEmptyError,
    NotFoundError,
    UnsupportedError,
)
from twisted_lab.filexfer.store import left_over

OTHER = Condition(etag="0" * 16)


class LookTests(TreeTestCase):
    """Reading and looking."""

    def test_open(self) -> None:
        """A file is read, whole or in part, if it is the one that is meant."""
        etag = self.store.stat(("f",)).etag
        with contextlib.closing(
            self.store.open(("f",), algorithm="blake3", offset=2, count=3, if_match=etag)
        ) as outgoing:
            self.assertEqual((outgoing.length, outgoing.read(99), outgoing.status.etag), (3, b"sid", etag))
        self.assertRaises(ChangedError, self.store.open, ("f",), algorithm="blake3", if_match="0" * 16)
        self.assertRaises(ChangedError, self.store.open, ("f",), algorithm="blake3", offset=7)
        self.assertRaises(UnsupportedError, self.store.open, ("f",), algorithm="md5")
        self.assertRaises(IsDirectoryError, self.store.open, ("d",), algorithm="blake3")

    def test_reserved(self) -> None:
        """What isn't published yet isn't listed, and can't be asked for."""
        (self.inside / ".filexfer-1").mkdir()
        (self.inside / ".filexfer-1" / "f").touch()
        self.assertEqual(names(self.root, ()), ["d", "f", "spare"])
        for name in ((".filexfer-1",), (".filexfer-1", "f"), ("d", ".FILEXFER-1")):
            for operation in OPERATIONS.values():
                self.assertRaises(BadNameError, operation, self.store, name)

    def test_never_half_a_file(self) -> None:
        """What has arrived isn't there under its name before all of it is (rsync#484, filebrowser#3538, dufs#276)."""
        for name in (("new",), ("f",)):
            before = names(self.root, ())
            with contextlib.closing(self.store.receive(name, size=10, algorithm="blake3")) as incoming:
                incoming.write([b"half "])
                self.assertEqual(names(self.root, ()), before)
            self.assertEqual(names(self.root, ()), before)
        self.assertEqual(get(self.store, ("f",)), b"inside")


class DirectoryTests(TreeTestCase):
    """Making directories."""

    def test_make_directory(self) -> None:
        """A directory is made where its parent is; what exists is never taken for made."""
        self.store.make_directory(("d", "new"))
        self.assertTrue((self.inside / "d" / "new").is_dir())
        self.assertRaises(ExistsError, self.store.make_directory, ("d", "new"))
        self.assertRaises(ExistsError, self.store.make_directory, ("f",))
        self.assertRaises(NotFoundError, self.store.make_directory, ("missing", "new"))
        self.assertRaises(NotDirectoryError, self.store.make_directory, ("f", "new"))

    def test_parents(self) -> None:
        """With parents all that is missing is made, and what is there stays; a file in the way is an error."""
        for _ in range(2):
            self.store.make_directory(("d", "b", "x", "y", "z"), parents=True)
            self.assertTrue((self.inside / "d" / "b" / "x" / "y" / "z").is_dir())
        self.store.make_directory((), parents=True)
        self.assertEqual(get(self.store, ("d", "b", "f")), b"inside")
        self.assertRaises(NotDirectoryError, self.store.make_directory, ("f", "new"), parents=True)
        self.assertRaises(NotDirectoryError, self.store.make_directory, ("f",), parents=True)


class RenameTests(TreeTestCase):
    """Renaming."""

    def test_rename(self) -> None:
        """A file moves between directories and replaces what was there; not if the name was to be free."""
        self.assertRaises(ExistsError, self.store.rename, ("spare",), ("d", "f"), ABSENT)
        self.assertEqual(get(self.store, ("d", "f")), b"inside")
        self.store.rename(("spare",), ("d", "f"), ANYWAY)
        self.assertEqual(get(self.store, ("d", "f")), b"spare")
        self.store.rename(("d", "f"), ("d", "g"), ABSENT)
        self.assertEqual(get(self.store, ("d", "g")), b"spare")
        self.assertRaises(NotFoundError, self.store.rename, ("d", "f"), ("d", "h"), ANYWAY)
        self.assertRaises(NotFoundError, self.store.rename, ("f",), ("missing", "f"), ANYWAY)

    def test_etag(self) -> None:
        """Only the file that is meant is moved."""
        for source in (("spare",), ("missing",)):
            self.assertRaises(ChangedError, self.store.rename, source, ("f",), OTHER)
        self.assertEqual(get(self.store, ("f",)), b"inside")
        self.store.rename(("spare",), ("f",), Condition(etag=self.store.stat(("spare",)).etag))
        self.assertEqual(get(self.store, ("f",)), b"spare")

    def test_directories(self) -> None:
        """A directory moves with all that is in it, and replaces nothing that isn't an empty directory."""
        self.store.rename(("d", "b"), ("c",), ABSENT)
        self.assertEqual(get(self.store, ("c", "f")), b"inside")
        self.store.make_directory(("empty",))
        self.store.rename(("c",), ("empty",), ANYWAY)
        self.assertEqual(get(self.store, ("empty", "f")), b"inside")
        self.assertRaises(NotEmptyError, self.store.rename, ("empty",), ("d",), ANYWAY)
        self.assertRaises(NotDirectoryError, self.store.rename, ("empty",), ("f",), ANYWAY)
        self.assertRaises(IsDirectoryError, self.store.rename, ("f",), ("empty",), ANYWAY)

    def test_into_itself(self) -> None:
        """A directory doesn't move into itself, or onto the one it is in."""
        for condition in (ABSENT, ANYWAY):
            self.assertRaises(BadNameError, self.store.rename, ("d",), ("d", "d"), condition)
            self.assertRaises(BadNameError, self.store.rename, ("d",), ("d", "b", "d"), condition)
        self.assertRaises(NotEmptyError, self.store.rename, ("d", "b"), ("d",), ANYWAY)
        self.assertEqual(get(self.store, ("d", "b", "f")), b"inside")

    def test_to_itself(self) -> None:
        """What is renamed to its own name stays, and so does a second name of the same file."""
        os.link(self.inside / "f", self.inside / "d" / "twin")
        for source, target in ((("f",), ("f",)), (("f",), ("d", "twin")), (("d",), ("d",))):
            self.store.rename(source, target, ANYWAY)
            self.assertRaises(ExistsError, self.store.rename, source, target, ABSENT)
        self.assertEqual([get(self.store, name) for name in (("f",), ("d", "twin"))], [b"inside", b"inside"])
        self.assertRaises(NotFoundError, self.store.rename, ("no",), ("no",), ANYWAY)


class RemoveTests(TreeTestCase):
    """Removing."""

    def test_remove(self) -> None:
        """A file or an empty directory is removed; a directory with files in it stays."""
        self.assertRaises(NotEmptyError, self.store.remove, ("d", "b"))
        self.store.remove(("d", "b", "f"))
        self.store.remove(("d", "b"))
        self.assertFalse((self.inside / "d" / "b").exists())
        self.assertRaises(NotFoundError, self.store.remove, ("d", "b"))

    def test_etag(self) -> None:
        """Only the file that is meant is removed."""
        self.assertRaises(ChangedError, self.store.remove, ("f",), if_match="0" * 16)
        self.assertRaises(ChangedError, self.store.remove, ("missing",), if_match="0" * 16)
        self.store.remove(("f",), if_match=self.store.stat(("f",)).etag)
        self.assertRaises(NotFoundError, self.store.stat, ("f",))

    def test_left_over(self) -> None:
        """What a broken put left over doesn't keep a directory that looks empty; a put that is at work does."""
        self.store.make_directory(("new",))
        incoming = self.store.receive(("new", "f"), size=10, algorithm="blake3")
        incoming.write([b"half "])
        self.assertRaises(BusyError, self.store.remove, ("new",))
        incoming.close()
        (self.inside / "new" / (".filexfer-" + "0" * 32)).symlink_to(self.outside / "f")  # of a killed make_symlink
        self.store.remove(("new",))
        self.assertFalse((self.inside / "new").exists())

    def test_left_over_just_taken(self) -> None:
        """A put that ends, or begins anew, as its directory is removed keeps the directory, and what it has."""
        for again in (False, True):
            self.store.make_directory(("new",))
            with contextlib.closing(self.store.receive(("new", "f"), size=10, algorithm="blake3")) as incoming:
                incoming.write([b"half "])
            (staged,) = (self.inside / "new").iterdir()

            def publish(descriptor: int, operation: int, staged: Path = staged, again: bool = again) -> None:  # noqa: FBT001
                staged.rename(self.inside / "new" / "f")
                if again:
                    staged.touch()
                fcntl.flock(descriptor, operation)

            with mock.patch.object(left_over, "fcntl", SimpleNamespace(**{**vars(fcntl), "flock": publish})):
                self.assertRaises(BusyError, self.store.remove, ("new",))
            self.assertEqual((get(self.store, ("new", "f")), staged.exists()), (b"half ", again))
            self.store.rename(("new",), (f"kept {again}",), ABSENT)

    def test_two_locks_never_wait_for_each_other(self) -> None:
        """Who removes a directory holds its parent's lock, and asks for that of the directory without waiting."""
        (self.inside / "d" / "b" / "f").unlink()
        incoming = self.store.receive(("d", "b", "x"), size=9, algorithm="sha-256")
        incoming.write([b"one"])
        incoming.close()
        directory = os.open(self.inside / "d" / "b", os.O_RDONLY)
        self.addCleanup(os.close, directory)
        fcntl.flock(directory, fcntl.LOCK_EX)
        with mock.patch("twisted_lab.filexfer.store.locking.time.sleep", side_effect=AssertionError):
            self.assertRaises(BusyError, self.store.remove, ("d", "b"))
            self.assertRaises(NotEmptyError, self.store.remove, ("d",))
        fcntl.flock(directory, fcntl.LOCK_UN)
        self.store.remove(("d", "b"))

    def test_left_over_beside_a_file(self) -> None:
        """A directory that isn't empty stays as it is, with what is left over in it; so does what is only similar."""
        with contextlib.closing(self.store.receive(("d", "b", "x"), size=10, algorithm="blake3")) as incoming:
            incoming.write([b"half "])
        self.assertRaises(NotEmptyError, self.store.remove, ("d", "b"))
        with contextlib.closing(self.store.receive(("d", "b", "x"), size=10, algorithm="blake3")) as incoming:
            self.assertEqual(incoming.offset, 5)
            incoming.abandon()
        (self.inside / "d" / "b" / "f").rename(self.inside / "d" / "b" / ".filexfer-notes")
        self.assertRaises(NotEmptyError, self.store.remove, ("d", "b"))


class SymlinkTests(TreeTestCase):
    """Making links."""

    def test_make_symlink(self) -> None:
        """A link is made, says what it was to say, and replaces files and links but not directories."""
        for target in ("f", "../f", "b/missing", "../..f/x", "./b//f/", "é"):
            self.store.make_symlink(("d", "link"), target, ANYWAY)
            status = self.store.stat(("d", "link"))
            self.assertEqual((status.kind, status.target), ("symlink", target))
        self.store.make_symlink(("d", "f"), "b", Condition(etag=self.store.stat(("d", "f")).etag))
        self.assertEqual(self.store.stat(("d", "f")).kind, "symlink")
        self.assertRaises(IsDirectoryError, self.store.make_symlink, ("d", "b"), "f", ANYWAY)
        self.assertEqual([*self.inside.rglob(".filexfer-*")], [])

    def test_condition(self) -> None:
        """A link replaces nothing, or only what is meant, if that was asked for; nothing is left behind."""
        self.assertRaises(ExistsError, self.store.make_symlink, ("f",), "d", ABSENT)
        self.assertRaises(ChangedError, self.store.make_symlink, ("f",), "d", OTHER)
        self.assertEqual(get(self.store, ("f",)), b"inside")
        self.store.make_symlink(("new",), "d", ABSENT)
        self.assertRaises(ExistsError, self.store.make_symlink, ("new",), "d", ABSENT)
        self.assertEqual([*self.inside.rglob(".filexfer-*")], [])

    def test_target(self) -> None:
        """A target that might lead out of the root, or couldn't be told again, is refused."""
        outside = ("", "/f", "..", "../..", "../../outside", "b/../..", "b/..", "../d/../../f", "./../../f")
        unspeakable = ("\0", "a\nb", "\x1b[2J", "\x85", "\udcff", "\ud800")
        for target in (*outside[:2], *outside[3:], *unspeakable, "a" * 5000):
            self.assertRaises(BadNameError, self.store.make_symlink, ("d", "link"), target, ANYWAY)
        for target in outside:
            self.assertRaises(BadNameError, self.store.make_symlink, ("link",), target, ANYWAY)
        self.assertEqual(names(self.root, ("d",)), ["b", "f"])


class DiskTests(TreeTestCase):
    """What the disk is asked, and refuses."""

    def test_on_the_disk(self) -> None:
        """Each directory that is changed is brought to the disk before it is said to be changed."""
        synced: list[Path] = []
        sync = os.fsync

        def note(descriptor: int) -> None:
            synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(self.inside))
            sync(descriptor)

        self.patch(os, "fsync", note)
        for expected, change in (
            ({"d"}, lambda: self.store.make_directory(("d", "new"))),
            ({"d/new", "d/new/x"}, lambda: self.store.make_directory(("d", "new", "x", "y"), parents=True)),
            (set(), lambda: self.store.make_directory(("d", "new", "x", "y"), parents=True)),
            ({"d"}, lambda: self.store.make_symlink(("d", "link"), "f", ABSENT)),
            ({"d"}, lambda: self.store.rename(("d", "link"), ("d", "moved"), ANYWAY)),
            ({"d", "."}, lambda: self.store.rename(("d", "moved"), ("moved",), ANYWAY)),
            ({"."}, lambda: self.store.remove(("moved",))),
        ):
            synced.clear()
            change()
            self.assertEqual(sorted(map(str, synced)), sorted(expected))

    def test_disk_fails(self) -> None:
        """A directory that can't be brought to the disk is no success, whatever was changed in it."""

        def fail(_descriptor: int) -> None:
            raise OSError(5, "Input/output error")

        self.patch(os, "fsync", fail)
        for label in ("make_directory", "make_directory with parents", "make_symlink", "rename to"):
            self.assertRaises(InputOutputError, OPERATIONS[label], self.store, ("d", label))
        self.assertRaises(InputOutputError, self.store.remove, ("d", "f"))

    def test_no_permission(self) -> None:
        """What the server isn't allowed to do is called that, and not missing or broken."""
        (self.inside / "d").chmod(0o500)
        user = os.geteuid()
        if user == 0:  # is allowed everything
            os.seteuid(65534)
        try:
            self.assertRaises(AccessError, self.store.make_directory, ("d", "new"))
            self.assertRaises(AccessError, self.store.make_directory, ("d", "new", "x"), parents=True)
            self.assertRaises(AccessError, self.store.rename, ("d", "f"), ("d", "g"), ANYWAY)
            self.assertRaises(AccessError, self.store.remove, ("d", "f"))
            self.assertRaises(AccessError, self.store.make_symlink, ("d", "link"), "f", ANYWAY)
        finally:
            os.seteuid(user)
            (self.inside / "d").chmod(0o700)
