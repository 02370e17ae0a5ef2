"""A neighbour on the machine swaps parts of the tree for links, FIFOs and others, as fast as it can."""

import contextlib
import ctypes
import errno
import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.filexfer.store.trees import (
    ABSENT,
    ANYWAY,
    MAKERS,
    OPERATIONS,
    TreeTestCase,
    digest,
    get,
    names,
    put,
    put_small,
    sha256,
)
from twisted_lab.filexfer.errors import (
    ExistsError,
    FilexferError,
    NotDirectoryError,
    NotFoundError,
    NotRegularFileError,
    SourceChangedError,
)
from twisted_lab.filexfer.store import exclusive

#: How often each operation is tried while the tree is changed under it.
ATTEMPTS = 1000
#: After so many, what should have happened by then doesn't happen.
MOST_ATTEMPTS = 50 * ATTEMPTS


def exchange(one: Path, other: Path) -> None:
    """Exchange two names, in one step."""
    here, exchanging = -100, 2  # as in fcntl.h and linux/fs.h
    if exclusive._libc.renameat2(here, bytes(one), here, bytes(other), exchanging) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


class RaceTestCase(TreeTestCase):
    """A tree with a neighbour at work."""

    def setUp(self) -> None:
        """Leave the disk out of it: there is more to try in the same time."""
        super().setUp()
        self.patch(os, "fsync", lambda _: None)

    def race(self, swapped: str, attempt: Callable[[int], None], *, gaps: bool = True) -> None:
        """
        Call `attempt` while `swapped` changes between itself and a link to its like outside; see it go both ways.

        With `gaps` there is nothing of that name for a moment each time.
        """
        place = self.inside / swapped
        link, aside = self.inside / "link", self.inside / "aside"
        link.symlink_to(self.outside / swapped)
        stop = threading.Event()

        def swap() -> None:
            while not stop.is_set():
                if not gaps:
                    exchange(place, link)
                    exchange(place, link)
                    continue
                place.rename(aside)
                link.rename(place)
                place.rename(link)
                aside.rename(place)

        thread = threading.Thread(target=swap)
        thread.start()
        done = refused = number = 0
        try:
            while number < ATTEMPTS or (not (done and refused) and number < MOST_ATTEMPTS):
                number += 1
                try:
                    attempt(number)
                    done += 1
                except (NotDirectoryError, NotRegularFileError):
                    refused += 1
                except (NotFoundError, ExistsError, SourceChangedError):
                    pass
        finally:
            stop.set()
            thread.join()
            link.unlink()
        self.assertGreater(done, 0)
        self.assertGreater(refused, 0)


class ReadTests(RaceTestCase):
    """What is read and seen is from the inside."""

    def test_read(self) -> None:
        """What is sent is from the inside, wherever in the name the link is swapped in."""
        for swapped in ("d", "d/b", "d/b/f"):
            contents = set[bytes]()
            self.race(swapped, lambda _, contents=contents: contents.add(get(self.store, ("d", "b", "f"))))  # type: ignore[misc]
            self.assertEqual(contents, {b"inside"})

    def test_digest(self) -> None:
        """What is hashed is from the inside."""
        digests = set[str]()
        self.race("d/b", lambda _: digests.add(digest(self.store, ("d", "b", "f"))))
        self.assertEqual(digests, {sha256(b"inside")})

    def test_stat(self) -> None:
        """A link in the place of an ancestor isn't looked through (filebrowser CVE-2026-54094)."""
        expected = self.store.stat(("d", "b", "f"))
        self.race("d", lambda _: self.assertEqual(self.store.stat(("d", "b", "f")), expected))

    def test_page(self) -> None:
        """What is listed is from the inside: a listing doesn't follow links (miniserve#1568)."""
        (self.inside / "d" / "own").touch()
        own = self.store.stat(("d", "own"))

        def attempt(_: int) -> None:
            page = self.store.page(("d",), "f", 4)
            self.assertEqual([(entry.name, entry.status) for entry in page.entries], [("own", own)])

        self.race("d", attempt)


class ChangeTests(RaceTestCase):
    """What is put, made, moved and removed is inside, whatever is swapped on the way to it (rsync's parent swaps)."""

    def test_put(self) -> None:
        """What is put is published inside, and what is staged is staged there."""
        self.race("d", lambda number: self.assertEqual(put(self.store, ("d", "b", "f"), b"%d" % number).path, "d/b/f"))
        self.assertEqual(names(self.root, ("d", "b")), ["f"])

    def test_put_in_the_swapped(self) -> None:
        """What is staged when the directory is swapped is published where it was staged (rsync 3.5.0's CVEs)."""
        self.race("d/b", lambda _: self.assertEqual(put(self.store, ("d", "b", "f")).size, 3))

    def test_put_small(self) -> None:
        """A group's files are published inside, and the directories that are made for them are made there."""

        def attempt(number: int) -> None:
            put_small(self.store, ("d", "b", f"new{number % 50}", "f"))

        self.race("d", attempt, gaps=False)

    def test_make_directories(self) -> None:
        """Directories are made inside, however many are missing."""
        self.race("d", lambda number: self.store.make_directory(("d", "b", str(number), "x"), parents=True), gaps=False)

    def test_change(self) -> None:
        """What is made, moved and removed is inside."""

        def attempt(number: int) -> None:
            match number % 3:  # one step an attempt: all three would have to find the tree unswapped
                case 0:
                    self.store.make_directory(("d", "b", str(number)))
                case 1:
                    condition = ABSENT if number % 2 else ANYWAY
                    self.store.rename(("d", "b", str(number - 1)), ("d", "b", "moved"), condition)
                case _:
                    self.store.remove(("d", "b", "moved"))

        self.race("d", attempt)

    def test_links(self) -> None:
        """A link is made inside, and removed there, not what it leads to."""

        def attempt(number: int) -> None:
            self.store.make_symlink(("d", "b", "to"), "f", ABSENT if number % 2 else ANYWAY)
            self.store.remove(("d", "b", "to"))

        self.race("d", attempt)

    def test_change_of_the_swapped(self) -> None:
        """What is moved in the very directory that is swapped is inside."""

        def attempt(number: int) -> None:
            source, target = ("b", "moved") if number % 2 else ("moved", "b")
            self.store.rename(("d", source), ("d", target), ABSENT if number % 4 < 2 else ANYWAY)

        self.race("d", attempt)

    def test_remove_of_the_swapped(self) -> None:
        """A directory that is swapped for a link as it is removed is refused; the link and where it leads stay."""
        (self.inside / "d" / "b" / "f").unlink()
        remove = os.rmdir

        def swap_and_remove(last: bytes, *, dir_fd: int) -> None:
            (self.inside / "d" / "b").rename(self.inside / "aside")
            (self.inside / "d" / "b").symlink_to(self.outside / "d" / "b")
            remove(last, dir_fd=dir_fd)

        self.patch(os, "rmdir", swap_and_remove)
        self.assertRaises(NotDirectoryError, self.store.remove, ("d", "b"))
        self.assertTrue((self.inside / "d" / "b").is_symlink())

    def test_left_over_of_the_swapped(self) -> None:
        """What looks left over in a directory outside, swapped in as one inside is removed, isn't removed."""
        remove = os.rmdir

        def swap_and_remove(last: bytes, *, dir_fd: int) -> None:
            patch.restore()
            with contextlib.suppress(OSError):
                remove(last, dir_fd=dir_fd)
            (self.inside / "d" / "b").rename(self.inside / "aside")
            (self.inside / "d" / "b").symlink_to(self.outside / "d" / "b")
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))

        patch = self.patch(os, "rmdir", swap_and_remove)
        self.assertRaises(NotDirectoryError, self.store.remove, ("d", "b"))


class EverythingTests(RaceTestCase):
    """Every operation on a name that is one thing now, and another the next moment."""

    def test_every_operation(self) -> None:
        """Whatever is asked while a name changes its kind is done inside, or refused with an error that has a name."""
        place = self.inside / "d" / "b"
        kinds: list[Callable[[Path], object]] = [
            Path.mkdir,
            Path.touch,
            os.mkfifo,
            lambda path: path.symlink_to(self.outside / "d" / "b"),
            lambda path: path.symlink_to("b"),
            lambda path: path.symlink_to("../../outside/f"),
        ]
        stop = threading.Event()
        thread = threading.Thread(target=partial(self.swap, place, kinds, stop))
        thread.start()
        try:
            for label, operation in OPERATIONS.items():
                for name in (("d", "b"), ("d", "b", "f"), *([("d", "b", "x", "f")] if label in MAKERS else [])):
                    for _ in range(ATTEMPTS // 10):
                        with contextlib.suppress(FilexferError):
                            operation(self.store, name)
                        (self.inside / "spare").write_text("spare")
        finally:
            stop.set()
            thread.join()

    def swap(self, place: Path, kinds: list[Callable[[Path], object]], stop: threading.Event) -> None:
        """Put one kind after the other in `place`, moving aside what is there."""
        number = 0
        graves = self.inside / "graves"
        graves.mkdir()
        while not stop.is_set():
            number += 1
            with contextlib.suppress(OSError):
                place.rename(graves / str(number))
            with contextlib.suppress(OSError):
                kinds[number % len(kinds)](place)
