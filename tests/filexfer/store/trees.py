"""A served directory with a neighbour that nobody may reach."""

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.descriptors import descriptors, opened_since
from twisted_lab.filexfer.conditions import Condition, Durability
from twisted_lab.filexfer.errors import FilexferError
from twisted_lab.filexfer.names import Name
from twisted_lab.filexfer.receipt import Receipt
from twisted_lab.filexfer.small_file import SmallFile
from twisted_lab.filexfer.store.listing import read_page
from twisted_lab.filexfer.store.root import Root
from twisted_lab.filexfer.store.store import Store

Operation = Callable[[Store, Name], object]

ANYWAY = Condition()
ABSENT = Condition(absent=True)


def read(root: Root, name: Name) -> bytes:
    """Give the content of the file `name`."""
    with open(root.open_file(name), "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        return file.read()


def names(root: Root, name: Name) -> list[str | None]:
    """Give what a client can name in the directory `name`, and None for each thing that it can't."""
    page = read_page(root, name, "", 4096)
    return [*(entry.name for entry in page.entries), *[None] * page.unnameable]


def get(store: Store, name: Name) -> bytes:
    """Give the content of the file `name`, as it is sent."""
    with contextlib.closing(store.open(name, algorithm="sha-256")) as outgoing:
        content = b"".join(iter(lambda: outgoing.read(4), b""))
        outgoing.finish()
        return content


def digest(store: Store, name: Name) -> str:
    """Give the digest of the file `name`."""
    with contextlib.closing(store.open(name, algorithm="sha-256")) as outgoing:
        while outgoing.hash(4):
            pass
        return outgoing.finish()


def sha256(content: bytes) -> str:
    """Give the digest of `content`."""
    return f"sha-256:{hashlib.sha256(content).hexdigest()}"


def put(store: Store, name: Name, content: bytes = b"put", condition: Condition = ANYWAY) -> Receipt:
    """Put a file."""
    with contextlib.closing(store.receive(name, size=len(content), algorithm="sha-256")) as incoming:
        incoming.restart()
        incoming.write([content])
        return incoming.finish(
            sha256(content), mtime_ns=0, mode=0o644, condition=condition, durability=Durability.MEMORY
        )


def put_small(store: Store, name: Name, content: bytes = b"put") -> Receipt:
    """Put a file as one of a group."""
    (outcome,) = store.receive_small([SmallFile(name, content, sha256(content), 0, 0o644)], Durability.MEMORY)
    if isinstance(outcome, FilexferError):
        raise outcome
    return outcome


#: Everything that can be asked of a store about one name.
OPERATIONS: dict[str, Operation] = {
    "stat": Store.stat,
    "get": get,
    "digest": digest,
    "page": lambda store, name: store.page(name, "", 10),
    "make_directory": Store.make_directory,
    "make_directory with parents": lambda store, name: store.make_directory(name, parents=True),
    "make_symlink": lambda store, name: store.make_symlink(name, "spare", ANYWAY),
    "make_symlink at a free name": lambda store, name: store.make_symlink(name, "spare", ABSENT),
    "remove": Store.remove,
    "rename from": lambda store, name: store.rename(name, ("moved",), ANYWAY),
    "rename to": lambda store, name: store.rename(("spare",), name, ANYWAY),
    "rename to a free name": lambda store, name: store.rename(("spare",), name, ABSENT),
    "put": put,
    "put small": put_small,
}
#: Those that make the directories on the way.
MAKERS = ("make_directory with parents", "put small")


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
    `self.root`, and `self.store` with it, serves `self.inside`; `self.outside` beside it has files of the same names
    and must stay as it is.

    No descriptor may be left open, whatever the test did.
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
        self.store = Store(self.root)

    def tearDown(self) -> None:
        """Check that nothing outside was touched and no descriptor was left open."""
        self.root.close()
        outside = snapshot(self.outside)
        # Not a cleanup: trial runs those before this.
        shutil.rmtree(self._top)
        self.assertEqual(outside, self._outside)
        self.assertEqual(opened_since(self._descriptors), set())
