"""All that is in a root, whatever shape it has, and whatever is moved meanwhile."""

import os
from collections.abc import Callable
from pathlib import Path

from tests.descriptors import descriptors, opened_since
from tests.filexfer.store.trees import TreeTestCase
from twisted_lab.filexfer.store import walking
from twisted_lab.filexfer.store.walking import walk

#: So many directories of that name are deeper than any name or path reaches, and Python's stack.
DEPTH = 1100
DEEP = "directory"


class WalkTests(TreeTestCase):
    """`walk`."""

    def found(self, between: Callable[[str], object] = lambda _: None) -> list[str]:
        """Give the content of all files found, or their names, where they aren't files; do `between` after each."""
        found = []
        for directory, entry in walk(self.root):
            if entry.is_file(follow_symlinks=False):
                descriptor = os.open(entry.name, os.O_RDONLY, dir_fd=directory)
                found.append(os.read(descriptor, 100).decode())
                os.close(descriptor)
            else:
                found.append(entry.name)
            between(found[-1])
        return found

    def write(self, path: Path, content: str) -> None:
        """Make a file, and the directories that it is in."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def test_all(self) -> None:
        """Files at any depth and links are found, each once; what a link leads to isn't."""
        for depth in range(4):
            self.write(self.inside.joinpath(*"abcd"[:depth], "x", "y", "file"), str(depth))
        (self.inside / "x" / "link").symlink_to(self.outside)
        self.assertCountEqual(self.found(), ["inside"] * 3 + ["spare", "0", "1", "2", "3", "link"])

    def test_deep(self) -> None:
        """Directories nested deeper than any name reaches, as renaming makes them, are walked in a few descriptors."""
        here = os.open(self.inside, os.O_RDONLY)
        for _ in range(DEPTH):
            os.mkdir(DEEP, dir_fd=here)
            above, here = here, os.open(DEEP, os.O_RDONLY, dir_fd=here)
            os.close(above)
        os.mkfifo("deepest", dir_fd=here)
        before = descriptors()
        found = self.found(lambda _: self.assertLess(len(opened_since(before)), 6))
        os.unlink("deepest", dir_fd=here)
        for _ in range(DEPTH):  # for shutil it would be too deep
            below, here = here, os.open("..", os.O_RDONLY, dir_fd=here)
            os.close(below)
            os.rmdir(DEEP, dir_fd=here)
        os.close(here)
        self.assertCountEqual(found, ["inside"] * 3 + ["spare", "deepest"])

    def check_move(self, target: Path) -> None:
        """Move the directory that is walked to `target`; see that the walk goes on where it was."""
        for name in ("x", "y"):
            self.write(self.inside / "a" / name / "file", name)
        moved = list[str]()

        def move(found: str) -> None:
            if found in {"x", "y"} and not moved:
                moved.append(found)
                (self.inside / "a" / found).rename(target)

        found = self.found(move)
        self.assertLessEqual({"x", "y", "spare", "inside"}, {*found})
        self.assertNotIn("wrong", found)

    def test_moved_out(self) -> None:
        """A directory that is moved out of the root while it is walked doesn't lead the walk out after it."""
        elsewhere = self.outside.parent / "elsewhere"
        self.write(elsewhere / "beside" / "file", "wrong")
        self.check_move(elsewhere / "moved")

    def test_moved_inside(self) -> None:
        """A directory that is moved within the root while it is walked doesn't keep its neighbours from being found."""
        self.check_move(self.inside / "d" / "moved")

    def test_branch_moved(self) -> None:
        """When the way back is gone for several steps, the walk goes on at the first one that is still there."""
        self.write(self.inside / "a" / "b" / "c" / "file", "c")

        def move(found: str) -> None:
            if found == "c":
                (self.inside / "a" / "b" / "c").rename(self.inside.parent / "c")
                (self.inside / "a").rename(self.inside.parent / "a")

        self.assertLessEqual({"c", "spare"}, {*self.found(move)})
        self.assertEqual(self.found().count("inside"), 3)

    def test_replaced_on_the_way_back(self) -> None:
        """Another directory in the place of the one that the way back leads to doesn't lead the walk astray."""
        for name in ("x", "y"):
            self.write(self.inside / "a" / name / "file", name)
            self.write(self.inside.parent / "other" / name / "file", f"other {name}")
        moved = list[str]()

        def move(found: str) -> None:
            if found in {"x", "y"} and not moved:
                moved.append(found)
                (self.inside / "a" / found).rename(self.inside.parent / found)
                (self.inside / "a").rename(self.inside.parent / "a")
                (self.inside.parent / "other").rename(self.inside / "a")

        found = self.found(move)
        self.assertEqual((found.count("inside"), found.count("spare")), (3, 1))

    def test_left_early(self) -> None:
        """A walk that is given up leaves nothing open."""
        steps = walk(self.root)
        next(steps)
        steps.close()

    def test_swapped(self) -> None:
        """A directory that is swapped for a link before it is entered isn't entered."""
        enter = walking._enter

        def swap_and_enter(here: int, last: bytes) -> int | None:
            if last == b"b":
                (self.inside / "d" / "b").rename(self.inside / "aside")
                (self.inside / "d" / "b").symlink_to(self.outside / "d" / "b")
            return enter(here, last)

        self.patch(walking, "_enter", swap_and_enter)
        self.assertNotIn("outside", self.found())
