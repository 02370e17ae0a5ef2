"""What broken puts left behind goes after a day; what is in use, or isn't ours, stays."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from tests.filexfer.store.trees import TreeTestCase, snapshot
from twisted_lab.filexfer.store import cleaning
from twisted_lab.filexfer.store.cleaning import LEFT_OVER, remove_stale
from twisted_lab.filexfer.store.staging import Staged

TARGET = ("d", "f")
LATER = 2 * LEFT_OVER


class CleaningTests(TreeTestCase):
    """`remove_stale`."""

    def leave(self, content: bytes = b"left", target: tuple[str, ...] = TARGET) -> Path:
        """Have a put broken off, and give what it left."""
        before = self.reserved()
        with Staged(self.root, target, size=99) as staged:
            os.write(staged.descriptor, content)
        (path,) = self.reserved() - before
        return path

    def reserved(self) -> set[Path]:
        """Give what is staged."""
        return {*self.inside.rglob(".filexfer-*")}

    def clean(self, later: float = LATER) -> tuple[int, int]:
        """Clean, that many seconds later."""
        return remove_stale(self.root, time.time() + later)

    def test_old(self) -> None:
        """What is older than a day is removed, wherever it is, and counted; nothing else is touched."""
        self.leave()
        self.leave(b"other", ("d", "b", "g"))
        self.leave(b"", ("f",))
        visible = sorted(str(path) for path in self.inside.rglob("[!.]*"))
        self.assertEqual(self.clean(), (3, 9))
        self.assertEqual(sorted(str(path) for path in self.inside.rglob("*")), visible)
        self.assertEqual(self.clean(), (0, 0))

    def test_young(self) -> None:
        """For a day a put may go on, whatever time its file says; a clock that was set back removes nothing."""
        os.utime(self.leave(), (0, 0))
        link = self.inside / (".filexfer-" + "0" * 32)
        link.symlink_to("f")
        for later in (0, LEFT_OVER - 60, -LATER):
            self.assertEqual(self.clean(later), (0, 0))
        self.assertTrue(link.is_symlink())
        self.assertEqual(self.clean(LEFT_OVER + 60), (2, 4))

    def test_in_use(self) -> None:
        """However long a put takes, its file stays."""
        with Staged(self.root, TARGET, size=99) as staged:
            os.write(staged.descriptor, b"slow")
            self.assertEqual(self.clean(), (0, 0))
            staged.publish()
        self.assertEqual((self.inside / "d" / "f").read_bytes(), b"slow")

    def test_what_is_not_ours(self) -> None:
        """Names that only look like ours, and directories, stay; a link that wasn't published goes, not its target."""
        kept = [".filexfer-1", ".FILEXFER-" + "0" * 32, ".filexfer-" + "g" * 32, ".filexfer-" + "0" * 33]
        for name in kept:
            (self.inside / name).touch()
        (self.inside / (".filexfer-" + "1" * 32)).mkdir()
        (self.inside / "d" / (".filexfer-" + "0" * 32)).symlink_to(self.outside / "f")
        os.mkfifo(self.inside / "d" / (".filexfer-" + "2" * 32))
        self.assertEqual(self.clean(), (2, 0))
        self.assertEqual({*os.listdir(self.inside)}, {"d", "f", "spare", ".filexfer-" + "1" * 32, *kept})  # noqa: PTH208

    def test_links_are_not_followed(self) -> None:
        """What is left over outside the root is none of our business."""
        left = self.outside / (".filexfer-" + "0" * 32)
        left.touch()
        (self.inside / "link").symlink_to(self.outside)
        self.assertEqual(self.clean(), (0, 0))
        left.unlink()
        self._outside = snapshot(self.outside)

    def at_open(self, act: Callable[[], object], *, before: bool) -> None:
        """Have `act` happen right before, or right after, the cleaning opens a file."""

        def opened(last: bytes, flags: int, *, dir_fd: int) -> int:
            if before:
                act()
            descriptor = os.open(last, flags, dir_fd=dir_fd)
            if not before:
                act()
            return descriptor

        self.patch(cleaning, "os", SimpleNamespace(**{**vars(os), "open": opened}))

    def test_races(self) -> None:
        """What is published, gone on with, replaced or gone while it is looked at isn't removed, and stops nothing."""

        def publish() -> None:
            with Staged(self.root, TARGET, size=99) as staged:
                staged.publish()

        def go_on() -> None:
            with Staged(self.root, TARGET, size=99) as staged:
                time.sleep(0.02)  # for the clock of the file system
                os.write(staged.descriptor, b"more")

        def replace() -> None:
            path.unlink()
            time.sleep(0.02)
            path.write_bytes(b"another")

        def remove() -> None:
            path.unlink()

        for before in (False, True):
            for act, stays in ((publish, False), (go_on, True), (replace, True), (remove, False)):
                path = self.leave()
                old = path.stat().st_ctime
                self.at_open(act, before=before)
                # As old as it was is old enough; as old as it is after `act`, or another in its place, isn't.
                self.assertEqual(remove_stale(self.root, old + 0.001, 0), (0, 0))
                self.assertEqual(path.exists(), stays)
                path.unlink(missing_ok=True)

    def test_other_puts_go_on(self) -> None:
        """One that can't be removed doesn't keep the others."""
        kept = self.leave()
        self.leave(b"12", ("g",))
        real = os.unlink

        def unlink(last: bytes, *, dir_fd: int) -> None:
            if last == kept.name.encode():
                raise PermissionError(13, "Permission denied")
            real(last, dir_fd=dir_fd)

        self.patch(os, "unlink", unlink)
        self.assertEqual(self.clean(), (1, 2))
        self.assertEqual(self.reserved(), {kept})
