"""The served directory, against those who want out of it."""

import contextlib
import os
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, strategies

from tests.filexfer.store.trees import OPERATIONS, TreeTestCase, names, read
from twisted_lab.filexfer.errors import (
    BadNameError,
    ExistsError,
    FilexferError,
    NotDirectoryError,
    NotFoundError,
    NotRegularFileError,
)
from twisted_lab.filexfer.names import MAX_NAME, Name

#: How often each operation is tried while the tree is changed under it.
ATTEMPTS = 2000
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
                self.assertRaises(BadNameError, operation, self.root, name)

    def test_longest(self) -> None:
        """A component of 255 bytes and a name of 4096 work in every operation, though no path of them would."""
        name: Name = ()
        for _ in range(15):
            name = (*name, "a" * 255)
            self.root.make_directory(name)
        file = (*name, "é" * 127 + "b")
        self.assertEqual(len("/".join(file).encode()), MAX_NAME - 1)
        self.root.rename(("spare",), file)
        self.assertEqual(read(self.root, file), b"spare")
        self.assertEqual(self.root.stat(file).size, 5)
        self.assertEqual(names(self.root, name), [file[-1]])
        self.root.remove(file)

    def test_deepest(self) -> None:
        """A name of 2048 components costs two descriptors, not 2048."""
        name = ("d",) * 2048
        self.assertRaises(NotFoundError, self.root.stat, name)
        for depth in range(1, 300):
            self.root.make_directory(("x",) * depth)
        with self.root.open_directory(("x",) * 299) as directory:
            self.assertLess(directory, 100)

    def test_twins(self) -> None:
        """Names that differ in case or normal form are different files, and none replaces another."""
        for number, text in enumerate(("é", "e\u0301", "É", "E\u0301", "a", "A")):
            (self.inside / "d" / "b" / text).write_text(str(number))
        for number, text in enumerate(("é", "e\u0301", "É", "E\u0301", "a", "A")):
            self.assertEqual(read(self.root, ("d", "b", text)), str(number).encode())
        self.assertEqual(len(names(self.root, ("d", "b"))), 7)

    def test_unspeakable(self) -> None:
        """A file whose name can't be said is listed as there, fit to print, and can't be reached."""
        directory = os.fsencode(self.inside / "d" / "b")
        for raw in (b"caf\xe9", b"\x1b[2J", b"a\nb"):
            Path(os.fsdecode(directory + b"/" + raw)).touch()
        with self.root.list(("d", "b")) as entries:
            shown = {entry.shown: entry.name for entry in entries}
        self.assertEqual(shown, {"f": "f", r"caf\xe9": None, r"\x1b[2J": None, r"a\x0ab": None})
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
                self.assertRaises(NotDirectoryError, operation, self.root, name)

    def test_at_the_end(self) -> None:
        """A link is shown as a link; it isn't read, listed or written through, only moved or removed itself."""
        for target in (self.outside / "f", self.outside / "d", self.outside / "new", Path("link")):
            link = self.inside / "link"
            link.symlink_to(target)
            status = self.root.stat(("link",))
            self.assertEqual((status.kind, status.size), ("symlink", 0))
            with self.root.list(()) as entries:
                self.assertIn(status, [entry.status for entry in entries if entry.name == "link"])
            self.assertRaises(NotRegularFileError, self.root.open_file, ("link",))
            self.assertRaises(NotDirectoryError, names, self.root, ("link",))
            self.assertRaises(ExistsError, self.root.make_directory, ("link",))
            self.assertRaises(ExistsError, self.root.rename, ("spare",), ("link",), replace=False)
            self.root.rename(("link",), ("d", "link"))
            self.assertEqual(self.root.stat(("d", "link")).kind, "symlink")
            self.root.remove(("d", "link"))

    def test_replaced(self) -> None:
        """A file put where a link is replaces the link, not what it leads to."""
        (self.inside / "link").symlink_to(self.outside / "f")
        self.root.rename(("spare",), ("link",))
        self.assertEqual(read(self.root, ("link",)), b"spare")

    def test_parent_swapped_while_held(self) -> None:
        """A directory that is swapped with a link while it is worked in stays the one that is worked in."""
        with self.root.open_parent(("d", "new")) as (parent, last):
            (self.inside / "d").rename(self.inside / "moved")
            (self.inside / "d").symlink_to(self.outside)
            os.mkdir(last, dir_fd=parent)
        self.assertTrue((self.inside / "moved" / "new").is_dir())


class SpecialTests(TreeTestCase):
    """FIFOs, sockets and devices, there from the start or put there at the worst moment."""

    def test_not_opened(self) -> None:
        """A FIFO doesn't block, a socket and a device aren't opened; each can be seen, moved and removed."""
        os.mkfifo(self.inside / "fifo")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.inside / "socket"))
        special = ["fifo", "socket"]
        with contextlib.suppress(PermissionError):  # takes a privilege
            os.mknod(self.inside / "device", stat.S_IFCHR | 0o600, os.makedev(1, 5))  # /dev/zero
            special.append("device")
        for name in special:
            self.assertRaises(NotRegularFileError, self.root.open_file, (name,))
            self.assertRaises(NotDirectoryError, names, self.root, (name,))
            self.assertEqual(self.root.stat((name,)).kind, "other")
            self.root.rename((name,), ("d", name), replace=False)
            self.root.remove(("d", name))

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


class RaceTests(TreeTestCase):
    """A neighbour on the machine swaps part of the tree with a link to the outside, as fast as it can."""

    def race(self, swapped: str, attempt: Callable[[int], None]) -> None:
        """Call `attempt` while `swapped` changes between itself and a link to its like outside; see it go both ways."""
        place = self.inside / swapped
        link, aside = self.inside / "link", self.inside / "aside"
        link.symlink_to(self.outside / swapped)
        stop = threading.Event()

        def swap() -> None:
            while not stop.is_set():
                place.rename(aside)
                link.rename(place)
                place.rename(link)
                aside.rename(place)

        thread = threading.Thread(target=swap)
        thread.start()
        done = refused = number = 0
        try:
            while number < ATTEMPTS or (not (done and refused) and number < 50 * ATTEMPTS):
                number += 1
                try:
                    attempt(number)
                    done += 1
                except (NotDirectoryError, NotRegularFileError):
                    refused += 1
                except (NotFoundError, ExistsError):
                    pass
        finally:
            stop.set()
            thread.join()
            link.unlink()
        self.assertGreater(done, 0)
        self.assertGreater(refused, 0)

    def test_read(self) -> None:
        """What is read is from the inside, wherever in the name the link is swapped in."""
        for swapped, name in (("d", ("d", "b", "f")), ("d/b", ("d", "b", "f")), ("d/b/f", ("d", "b", "f"))):
            contents = set[bytes]()
            self.race(swapped, lambda _, name=name, contents=contents: contents.add(read(self.root, name)))  # type: ignore[misc]
            self.assertEqual(contents, {b"inside"})

    def test_look(self) -> None:
        """What is seen and listed is from the inside."""
        expected = self.root.stat(("d", "b", "f"))
        (self.inside / "d" / "own").touch()

        def attempt(_: int) -> None:
            self.assertEqual(self.root.stat(("d", "b", "f")), expected)
            self.assertIn("own", names(self.root, ("d",)))

        self.race("d", attempt)

    def test_change(self) -> None:
        """What is made, moved and removed is inside; the outside isn't touched."""

        def attempt(number: int) -> None:
            self.root.make_directory(("d", "b", str(number)))
            self.root.rename(("d", "b", str(number)), ("d", "b", "moved"), replace=number % 2 == 0)
            self.root.remove(("d", "b", "moved"))

        self.race("d", attempt)

    def test_change_of_the_swapped(self) -> None:
        """What is moved in the very directory that is swapped is inside."""

        def attempt(number: int) -> None:
            source, target = ("b", "moved") if number % 2 else ("moved", "b")
            self.root.rename(("d", source), ("d", target), replace=number % 4 < 2)

        self.race("d", attempt)
