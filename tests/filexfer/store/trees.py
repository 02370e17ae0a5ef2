"""A served directory with a neighbour that nobody may reach."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.filexfer.names import Name
from twisted_lab.filexfer.store.root import Root

Operation = Callable[[Root, Name], object]


def read(root: Root, name: Name) -> bytes:
    """Give the content of the file `name`."""
    with open(root.open_file(name), "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        return file.read()


def names(root: Root, name: Name) -> list[str | None]:
    """Give what a client can name in the directory `name`, and None for each thing that it can't."""
    with root.list(name) as entries:
        return [entry.name for entry in entries]


#: Everything that can be asked of a root about one name.
OPERATIONS: dict[str, Operation] = {
    "stat": Root.stat,
    "read": read,
    "list": names,
    "make_directory": Root.make_directory,
    "remove": Root.remove,
    "rename from": lambda root, name: root.rename(name, ("moved",)),
    "rename to": lambda root, name: root.rename(("spare",), name),
    "rename to a free name": lambda root, name: root.rename(("spare",), name, replace=False),
}


def descriptors() -> int:
    """Give how many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def snapshot(path: Path) -> list[object]:
    """Give all that `path` holds: names, kinds, times, contents."""
    found: list[object] = []
    for inner in sorted(path.rglob("*"), key=str):
        facts = inner.lstat()
        found.append((str(inner), facts.st_ino, facts.st_mode, facts.st_mtime_ns, facts.st_nlink))
        if inner.is_file() and not inner.is_symlink():
            found.append(inner.read_bytes())
    return [*found, path.stat().st_mtime_ns]


class TreeTestCase(SynchronousTestCase):
    """
    `self.root` serves `self.inside`; `self.outside` beside it has files of the same names and must stay as it is.

    So must the number of open descriptors, whatever the test did.
    """

    def setUp(self) -> None:
        """Make both directories: each has ``f`` and ``d/b/f``, with its own name as content."""
        self._descriptors = descriptors()
        self._top = top = Path(tempfile.mkdtemp())
        self.inside, self.outside = top / "inside", top / "outside"
        for path in (self.inside, self.outside):
            (path / "d" / "b").mkdir(parents=True)
            for file in (path / "f", path / "d" / "f", path / "d" / "b" / "f"):
                file.write_text(path.name)
        (self.inside / "spare").write_text("spare")
        self._outside = snapshot(self.outside)
        self.root = Root(self.inside)

    def tearDown(self) -> None:
        """Check that nothing outside was touched and no descriptor was left open."""
        self.root.close()
        outside = snapshot(self.outside)
        # Not a cleanup: trial runs those before this.
        shutil.rmtree(self._top)
        self.assertEqual(outside, self._outside)
        self.assertEqual(descriptors(), self._descriptors)
