"""The served directory: what is in it, by name, and what is said when it isn't."""

import os
import threading

from tests.filexfer.store.trees import OPERATIONS, TreeTestCase, read
from twisted_lab.filexfer.errors import (
    BadNameError,
    FilexferError,
    InputOutputError,
    IsDirectoryError,
    NotDirectoryError,
    NotFoundError,
)
from twisted_lab.filexfer.store.root import Root


class LookTests(TreeTestCase):
    """What is there."""

    def test_stat(self) -> None:
        """A client learns kind, size, time and permissions of a file, and that a directory is one."""
        path = self.inside / "d" / "f"
        os.utime(path, ns=(1, 1_234_567_890_123_456_789))
        path.chmod(0o640)
        status = self.root.stat(("d", "f"))
        self.assertEqual((status.kind, status.size, status.mode, status.target), ("file", 6, 0o640, None))
        self.assertEqual(status.mtime_ns, 1_234_567_890_123_456_789)
        self.assertEqual(self.root.stat(("d",)).kind, "directory")
        self.assertEqual(self.root.stat(()).kind, "directory")

    def test_target(self) -> None:
        """A link says where it points, even to nowhere or outside; what can't be said is left out."""
        for raw, target in (
            (b"../d", "../d"),
            (b"/etc/passwd", "/etc/passwd"),
            ("é".encode(), "é"),
            *((raw, None) for raw in (b"\xff", b"\x1b[2J", b"a\nb", "\x85".encode())),
        ):
            (self.inside / "link").symlink_to(os.fsdecode(raw))
            self.assertEqual(self.root.stat(("link",)).target, target)
            (self.inside / "link").unlink()

    def test_target_of_a_link_that_goes(self) -> None:
        """A link that is replaced by a file just as it is read is told of without a target."""
        look = os.stat

        def look_and_swap(*args: object, **options: object) -> os.stat_result:
            result = look(*args, **options)  # type: ignore[arg-type]
            (self.inside / "link").unlink()
            (self.inside / "link").touch()
            return result

        (self.inside / "link").symlink_to("f")
        patch = self.patch(os, "stat", look_and_swap)
        status = self.root.stat(("link",))
        patch.restore()
        self.assertEqual((status.kind, status.target), ("symlink", None))

    def test_open_file(self) -> None:
        """A file's content is read; a directory's isn't, and it is said why."""
        self.assertEqual(read(self.root, ("d", "b", "f")), b"inside")
        self.assertRaises(IsDirectoryError, self.root.open_file, ("d",))

    def test_errors_of_the_caller_stay_its_own(self) -> None:
        """An error of what the caller does meanwhile isn't blamed on the file."""
        with self.assertRaises(ConnectionError), self.root.open_parent(("d", "f")):
            raise ConnectionError

    def test_the_root_itself(self) -> None:
        """The root can be listed and looked at; it can't be read, made, moved or removed."""
        for label in OPERATIONS.keys() - {"stat", "page", "make_directory with parents"}:
            self.assertRaises(BadNameError, OPERATIONS[label], self.store, ())

    def test_nothing_there(self) -> None:
        """What is missing is called missing, and by its name, whatever is asked of it."""
        for label in ("stat", "get", "digest", "page", "remove"):
            error = self.assertRaises(NotFoundError, OPERATIONS[label], self.store, ("d", "a b\u202e"))
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
        """After close, which may come twice, nothing more is served; what is under way ends in peace."""
        with self.root.open_directory(()) as directory:
            with self.root:
                pass
            self.root.close()
            self.assertEqual(len(os.listdir(directory)), 3)  # noqa: PTH208
        for operation in OPERATIONS.values():
            self.assertRaises(InputOutputError, operation, self.store, ("f",))

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
