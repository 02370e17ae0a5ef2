"""The served directory: what each operation does, and says when it can't."""

import os
import threading
import tracemalloc

from tests.filexfer.store.trees import OPERATIONS, TreeTestCase, names, read
from twisted_lab.filexfer.errors import (
    AccessError,
    BadNameError,
    ExistsError,
    FilexferError,
    InputOutputError,
    IsDirectoryError,
    NotDirectoryError,
    NotEmptyError,
    NotFoundError,
)
from twisted_lab.filexfer.store.root import Root


class OperationTests(TreeTestCase):
    """Each operation on a tree of files and directories."""

    def test_stat(self) -> None:
        """A client learns kind, size, time and permissions of a file, and that a directory is one."""
        path = self.inside / "d" / "f"
        os.utime(path, ns=(1, 1_234_567_890_123_456_789))
        path.chmod(0o640)
        status = self.root.stat(("d", "f"))
        self.assertEqual((status.kind, status.size, status.mode), ("file", 6, 0o640))
        self.assertEqual(status.mtime_ns, 1_234_567_890_123_456_789)
        self.assertEqual(self.root.stat(("d",)).kind, "directory")
        self.assertEqual(self.root.stat(()).kind, "directory")

    def test_open_file(self) -> None:
        """A file's content is read; a directory's isn't, and it is said why."""
        self.assertEqual(read(self.root, ("d", "b", "f")), b"inside")
        self.assertRaises(IsDirectoryError, self.root.open_file, ("d",))

    def test_list(self) -> None:
        """A listing has all there is, in the root as below it, with the same facts as stat."""
        self.assertCountEqual(names(self.root, ()), ["d", "f", "spare"])
        with self.root.list(("d",)) as entries:
            for entry in entries:
                assert entry.name is not None
                self.assertEqual(entry.shown, entry.name)
                self.assertEqual(entry.status, self.root.stat(("d", entry.name)))

    def test_list_shows_no_staging(self) -> None:
        """What isn't published yet isn't listed, and can't be asked for."""
        (self.inside / ".filexfer-1").mkdir()
        (self.inside / ".filexfer-1" / "f").touch()
        self.assertCountEqual(names(self.root, ()), ["d", "f", "spare"])
        for name in ((".filexfer-1",), (".filexfer-1", "f"), ("d", ".FILEXFER-1")):
            for operation in OPERATIONS.values():
                self.assertRaises(BadNameError, operation, self.root, name)

    def test_list_of_many(self) -> None:
        """A directory of 2,000 entries is listed in the memory of a few."""
        for number in range(2_000):
            os.mkfifo(self.inside / "d" / "b" / str(number))
        count = 0
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        with self.root.list(("d", "b")) as entries:
            for _ in entries:
                count += 1
        self.assertEqual(count, 2_001)
        self.assertLess(tracemalloc.get_traced_memory()[1], 100_000)

    def test_list_while_it_changes(self) -> None:
        """Entries that vanish while they are listed are left out; the listing goes on."""
        with self.root.list(()) as entries:
            first = next(entries).name
            for name in {"f", "spare"} - {first}:
                (self.inside / name).unlink()
            self.assertLessEqual({entry.name for entry in entries}, {"d"})

    def test_list_left_early(self) -> None:
        """A listing that isn't read to its end, or ends with an error of its reader, leaves nothing open."""
        with self.root.list(()) as entries:
            next(entries)
        with self.assertRaises(ConnectionError), self.root.list(()):
            raise ConnectionError

    def test_errors_of_the_caller_stay_its_own(self) -> None:
        """An error of what the caller does meanwhile isn't blamed on the file."""
        with self.assertRaises(ConnectionError), self.root.open_parent(("d", "f")):
            raise ConnectionError

    def test_make_directory(self) -> None:
        """A directory is made where its parent is; what exists is never taken for made."""
        self.root.make_directory(("d", "new"))
        self.assertTrue((self.inside / "d" / "new").is_dir())
        self.assertRaises(ExistsError, self.root.make_directory, ("d", "new"))
        self.assertRaises(ExistsError, self.root.make_directory, ("f",))
        self.assertRaises(NotFoundError, self.root.make_directory, ("missing", "new"))
        self.assertRaises(NotDirectoryError, self.root.make_directory, ("f", "new"))

    def test_rename(self) -> None:
        """A file moves between directories and replaces what was there; without `replace` it doesn't."""
        self.assertRaises(ExistsError, self.root.rename, ("spare",), ("d", "f"), replace=False)
        self.assertEqual(read(self.root, ("d", "f")), b"inside")
        self.root.rename(("spare",), ("d", "f"))
        self.assertEqual(read(self.root, ("d", "f")), b"spare")
        self.root.rename(("d", "f"), ("d", "g"), replace=False)
        self.assertEqual(read(self.root, ("d", "g")), b"spare")
        self.assertRaises(NotFoundError, self.root.rename, ("d", "f"), ("d", "h"))

    def test_rename_of_directories(self) -> None:
        """A directory moves with all that is in it, and replaces nothing that isn't an empty directory."""
        self.root.rename(("d", "b"), ("c",), replace=False)
        self.assertEqual(read(self.root, ("c", "f")), b"inside")
        self.assertRaises(NotEmptyError, self.root.rename, ("c",), ("d",))
        self.assertRaises(NotDirectoryError, self.root.rename, ("c",), ("f",))
        self.assertRaises(IsDirectoryError, self.root.rename, ("f",), ("c",))
        for replace in (False, True):
            self.assertRaises(BadNameError, self.root.rename, ("d",), ("d", "d"), replace=replace)

    def test_remove(self) -> None:
        """A file or an empty directory is removed; a directory with files in it stays."""
        self.assertRaises(NotEmptyError, self.root.remove, ("d", "b"))
        self.root.remove(("d", "b", "f"))
        self.root.remove(("d", "b"))
        self.assertFalse((self.inside / "d" / "b").exists())
        self.assertRaises(NotFoundError, self.root.remove, ("d", "b"))

    def test_no_permission(self) -> None:
        """What the server isn't allowed to do is called that, and not missing or broken."""
        (self.inside / "d").chmod(0o500)
        user = os.geteuid()
        if user == 0:  # is allowed everything
            os.seteuid(65534)
        try:
            self.assertRaises(AccessError, self.root.make_directory, ("d", "new"))
            self.assertRaises(AccessError, self.root.rename, ("d", "f"), ("d", "g"))
        finally:
            os.seteuid(user)
            (self.inside / "d").chmod(0o700)

    def test_the_root_itself(self) -> None:
        """The root can be listed and looked at; it can't be read, made, moved or removed."""
        for label in OPERATIONS.keys() - {"stat", "list"}:
            self.assertRaises(BadNameError, OPERATIONS[label], self.root, ())

    def test_nothing_there(self) -> None:
        """What is missing is called missing, and by its name, whatever is asked of it."""
        for operation in (Root.stat, read, names, Root.remove):
            error = self.assertRaises(NotFoundError, operation, self.root, ("d", "a b\u202e"))
            self.assertEqual(str(error), r"d/a b\u202e: there is nothing of that name")


class RootTests(TreeTestCase):
    """Opening and closing."""

    def test_no_directory(self) -> None:
        """A root that can't be opened is refused with a typed error, before anything is served."""
        self.assertRaises(NotFoundError, Root, self.inside / "missing")
        self.assertRaises(NotDirectoryError, Root, self.inside / "f")

    def test_moved(self) -> None:
        """A root that is renamed while it is served stays the one that is served."""
        self.inside.rename(self.inside.with_name("elsewhere"))
        self.inside.symlink_to(self.outside)
        self.assertEqual(read(self.root, ("f",)), b"inside")

    def test_closed(self) -> None:
        """After close, which may come twice, nothing more is served; a listing under way ends in peace."""
        with self.root.list(()) as entries:
            with self.root:
                next(entries)
            self.root.close()
            self.assertEqual(len(list(entries)), 2)
        for operation in OPERATIONS.values():
            self.assertRaises(InputOutputError, operation, self.root, ("f",))

    def test_closed_while_in_use(self) -> None:
        """Threads that use a root while it is closed get its files or an error, never another directory's."""
        seen: set[str | type[FilexferError]] = set()

        def use() -> None:
            try:
                for _ in range(1000):
                    seen.add(read(self.root, ("f",)).decode())
            except FilexferError as error:
                seen.add(type(error))

        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        self.root.close()
        for _ in range(200):  # takes the number that the root's descriptor had
            Root(self.outside).close()
        for thread in threads:
            thread.join()
        self.assertLessEqual(seen, {"inside", InputOutputError})

    def test_closed_at_the_last_moment(self) -> None:
        """A root that is closed as an operation begins isn't taken for what is opened next, under its old number."""
        duplicate, others = os.dup, list[Root]()

        def close() -> None:
            self.root.close()
            others.append(Root(self.outside))

        thread = threading.Thread(target=close)

        def duplicate_late(descriptor: int) -> int:
            thread.start()
            thread.join(0.2)
            return duplicate(descriptor)

        patch = self.patch(os, "dup", duplicate_late)
        self.assertEqual(read(self.root, ("f",)), b"inside")
        patch.restore()
        thread.join()
        others[0].close()
