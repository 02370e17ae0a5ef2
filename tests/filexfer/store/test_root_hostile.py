"""The served directory, against those who want out of it."""

import contextlib
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, strategies

from tests.filexfer.store.trees import ABSENT, ANYWAY, OPERATIONS, TreeTestCase, names, put, read
from twisted_lab.filexfer.errors import (
    BadNameError,
    ExistsError,
    FilexferError,
    NotDirectoryError,
    NotFoundError,
    NotRegularFileError,
)
from twisted_lab.filexfer.names import MAX_NAME, Name

HOSTILE = strategies.lists(
    strategies.sampled_from(
        ["..", ".", "", "/", "../outside", "..\0", "d", "link", "f", "d/../..", "\0", "\x1b", "\ud800", "é", "a" * 256]
    )
    | strategies.text(strategies.characters(), max_size=4),
    max_size=5,
).map(tuple)


class NameTests(TreeTestCase):
    """Names that lead elsewhere, or are at the limit."""

    @given(HOSTILE)
    def test_any_tuple(self, name: Name) -> None:
        """Whatever name reaches the root, parsed or not, looking reads nothing but what is inside."""
        if not (self.inside / "link").is_symlink():
            (self.inside / "link").symlink_to(self.outside)
        try:
            self.root.stat(name)
            self.assertNotIn("link", name[:-1])
            self.assertEqual(read(self.root, name), b"inside")
        except FilexferError:
            pass

    def test_refused(self) -> None:
        """Every operation refuses every name that isn't one, before the disk is asked."""
        absolute = str(self.outside / "f")
        bad = ["..", ".", "", "../outside", absolute, "a\0b", "a\nb", "\x7f", "\x9b", "\ud800", "é" * 128]
        for name in [(part,) for part in bad] + [("d", part, "f") for part in bad] + [("a" * 15,) * 257]:
            for operation in OPERATIONS.values():
                self.assertRaises(BadNameError, operation, self.store, name)

    def test_paths(self) -> None:
        """What has led out of other servers by its words alone leads nowhere here (SFTPGo's path CVEs)."""
        for text in (
            "d/../../outside/f",
            "..\\..\\outside",
            "%2e%2e/outside/f",
            "d/..%2f..%2foutside",
            "d//../outside",
        ):
            for name in ((text,), tuple(text.split("/")), ("d", *text.split("/"))):
                for label in ("stat", "get", "page", "remove"):
                    self.assertRaises((BadNameError, NotFoundError), OPERATIONS[label], self.store, name)

    def test_longest(self) -> None:
        """A component of 255 bytes and a name of 4096 work in every operation, though no path of them would."""
        name = ("a" * 255,) * 15
        self.store.make_directory(name, parents=True)
        for last in ("a" * 255, "é" * 127 + "b"):
            file = (*name, last)
            self.assertEqual(len("/".join(file).encode()), MAX_NAME - 1)
            for label, operation in OPERATIONS.items():
                if label.startswith("make") or "rename to" in label:
                    operation(self.store, file)
                    self.assertEqual(names(self.root, name), [last])
                    self.store.remove(file)
                else:
                    put(self.store, file)
                    with contextlib.suppress(NotDirectoryError):  # to list a file
                        operation(self.store, file)
                    with contextlib.suppress(NotFoundError):
                        self.store.remove(file)
                (self.inside / "spare").write_text("spare")

    def test_deepest(self) -> None:
        """A name of 2048 components costs two descriptors, not 2048."""
        name = ("d",) * 2048
        self.assertRaises(NotFoundError, self.root.stat, name)
        for depth in range(1, 300):
            self.store.make_directory(("x",) * depth)
        with self.root.open_directory(("x",) * 299) as directory:
            self.assertLess(directory, 100)

    def test_twins(self) -> None:
        """Names that differ in case or normal form are different files: what is done to one is done to no other."""
        twins = ("é", "e\u0301", "É", "E\u0301", "a", "A")
        for label, operation in OPERATIONS.items():
            for text in twins:
                for number, twin in enumerate(twins):
                    put(self.store, ("d", "b", twin), str(number).encode())
                with contextlib.suppress(NotDirectoryError, ExistsError):
                    operation(self.store, ("d", "b", text))
                for number, twin in enumerate(twins):
                    if twin != text:
                        self.assertEqual(read(self.root, ("d", "b", twin)), str(number).encode(), label)
                (self.inside / "spare").write_text("spare")

    def test_unspeakable(self) -> None:
        """A file whose name can't be said is listed as there, and can't be reached."""
        directory = os.fsencode(self.inside / "d" / "b")
        for raw in (b"caf\xe9", b"\x1b[2J", b"a\nb"):
            Path(os.fsdecode(directory + b"/" + raw)).touch()
        page = self.store.page(("d", "b"), "", 10)
        self.assertEqual(([entry.name for entry in page.entries], page.unnameable), (["f"], 3))
        self.assertRaises(BadNameError, self.root.stat, ("d", "b", "caf\udce9"))


class SymlinkTests(TreeTestCase):
    """Symbolic links in the tree."""

    def test_on_the_way(self) -> None:
        """A link is followed at no place in a name: not to the outside, and not to the inside either."""
        (self.inside / "out").symlink_to(self.outside)
        (self.inside / "d" / "up").symlink_to("../../outside")
        (self.inside / "in").symlink_to("d")
        (self.inside / "loop").symlink_to("loop")
        for name in (("out", "f"), ("out", "new"), ("d", "up", "d", "f"), ("in", "f"), ("loop", "f")):
            for operation in OPERATIONS.values():
                self.assertRaises(NotDirectoryError, operation, self.store, name)

    def test_at_the_end(self) -> None:
        """A link is shown as a link; it isn't read, listed or written through, only moved or removed itself."""
        for target in (self.outside / "f", self.outside / "d", self.outside / "new", Path("link")):
            link = self.inside / "link"
            link.symlink_to(target)
            status = self.root.stat(("link",))
            self.assertEqual((status.kind, status.size), ("symlink", 0))
            self.assertEqual(status.target, str(target))
            page = self.store.page((), "", 10)
            self.assertIn(status, [entry.status for entry in page.entries if entry.name == "link"])
            self.assertRaises(NotRegularFileError, self.root.open_file, ("link",))
            self.assertRaises(NotDirectoryError, names, self.root, ("link",))
            self.assertRaises(ExistsError, self.store.make_directory, ("link",))
            self.assertRaises(ExistsError, self.store.rename, ("spare",), ("link",), ABSENT)
            self.store.rename(("link",), ("d", "link"), ANYWAY)
            self.assertEqual(self.root.stat(("d", "link")).kind, "symlink")
            self.store.remove(("d", "link"))

    def test_replaced(self) -> None:
        """A file put where a link is replaces the link, not what it leads to."""
        (self.inside / "link").symlink_to(self.outside / "f")
        self.store.rename(("spare",), ("link",), ANYWAY)
        self.assertEqual(read(self.root, ("link",)), b"spare")

    def test_parent_swapped_while_held(self) -> None:
        """A directory swapped with a link while it is worked in stays the one worked in (rsync's CVEs of 3.5.0)."""
        with self.root.open_parent(("d", "new")) as (parent, last):
            (self.inside / "d").rename(self.inside / "moved")
            (self.inside / "d").symlink_to(self.outside)
            os.mkdir(last, dir_fd=parent)
        self.assertTrue((self.inside / "moved" / "new").is_dir())


class SpecialTests(TreeTestCase):
    """FIFOs, sockets and devices, there from the start or put there at the worst moment."""

    def make(self, kind: str) -> None:
        """Make something special, called ``x``."""
        path = self.inside / "x"
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "socket":
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(path))
        elif kind == "device":
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))  # /dev/zero
        else:
            targets = {"link out": str(self.outside / "f"), "link to nowhere": "no", "link to itself": "x"}
            path.symlink_to(targets[kind])

    def test_every_operation(self) -> None:
        """A FIFO doesn't block, nothing special is opened or followed; all can be seen, replaced, moved and removed."""
        refused = {
            "get": NotRegularFileError,
            "digest": NotRegularFileError,
            "page": NotDirectoryError,
            "make_directory": ExistsError,
            "make_directory with parents": NotDirectoryError,
            "make_symlink at a free name": ExistsError,
            "rename to a free name": ExistsError,
        }
        for kind in ("fifo", "socket", "device", "link out", "link to nowhere", "link to itself"):
            for label, operation in OPERATIONS.items():
                with contextlib.suppress(PermissionError):  # a device takes a privilege
                    self.make(kind)
                    self.assertRaises(NotDirectoryError, operation, self.store, ("x", "f"))
                    before = (self.inside / "x").lstat()
                    if label in refused:
                        self.assertRaises(refused[label], operation, self.store, ("x",))
                        self.assertEqual((self.inside / "x").lstat(), before)
                    else:
                        operation(self.store, ("x",))
                for name in ("x", "moved"):
                    with contextlib.suppress(NotFoundError):
                        self.store.remove((name,))
                (self.inside / "spare").write_text("spare")

    def swap_before_open(self, put: Callable[[Path], object]) -> None:
        """Have `put` replace ``f`` after it was found to be a regular file."""
        look = os.stat

        def look_and_swap(*args: object, **options: object) -> os.stat_result:
            result = look(*args, **options)  # type: ignore[arg-type]
            (self.inside / "f").unlink()
            put(self.inside / "f")
            return result

        patch = self.patch(os, "stat", look_and_swap)
        self.assertRaises(NotRegularFileError, self.root.open_file, ("f",))
        patch.restore()

    def test_fifo_swapped_in(self) -> None:
        """A FIFO that takes a file's place at the last moment doesn't block, and isn't served."""
        self.swap_before_open(os.mkfifo)

    def test_link_swapped_in(self) -> None:
        """A link that takes a file's place at the last moment isn't followed."""
        self.swap_before_open(lambda path: path.symlink_to(self.outside / "f"))

    def test_socket_swapped_in(self) -> None:
        """A socket that takes a file's place at the last moment is refused."""
        with socket.socket(socket.AF_UNIX) as listener:
            self.swap_before_open(lambda path: listener.bind(str(path)))
