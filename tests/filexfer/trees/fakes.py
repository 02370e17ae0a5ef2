"""A server's files without a server, and reports that remember."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, ensureDeferred, execute
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.descriptors import descriptors, opened_since
from twisted_lab.filexfer.client.sources import FileSource
from twisted_lab.filexfer.client.targets import FileTarget
from twisted_lab.filexfer.client.watch import Watch
from twisted_lab.filexfer.conditions import ANYWAY, Condition, Durability
from twisted_lab.filexfer.errors import FilexferError
from twisted_lab.filexfer.messages.replies import Limits, Welcome
from twisted_lab.filexfer.names import join_name, parse_name
from twisted_lab.filexfer.receipt import Receipt
from twisted_lab.filexfer.small_file import SmallFile
from twisted_lab.filexfer.status import Status
from twisted_lab.filexfer.store.listing import Page
from twisted_lab.filexfer.store.root import Root
from twisted_lab.filexfer.store.store import Store
from twisted_lab.filexfer.trees.local import LocalTree
from twisted_lab.filexfer.trees.plan import Action
from twisted_lab.filexfer.trees.remote import RemoteTree
from twisted_lab.filexfer.trees.report import Report

Result = TypeVar("Result")
ALGORITHM = "sha-256"


class FakeFiles:
    """
    What `Files` does, at once, in a directory of this machine.

    `asked` has each call, as its name and path; `errors` what is raised for a path instead of doing it.
    """

    def __init__(self, root: Root) -> None:
        self.welcome = Welcome(1, ALGORITHM, "read-write", "", 0, Limits(bundle_file=1000, bundle_files=4))
        self.asked: list[tuple[str, str]] = []
        self.errors: dict[tuple[str, str], FilexferError] = {}
        self.store = Store(root)

    async def stat(self, path: str) -> Status:
        """Look."""
        self.ask("stat", path)
        return self.store.stat(parse_name(path))

    async def page(self, path: str, after: str = "", count: int | None = None) -> Page:
        """List."""
        self.ask("list", path)
        return self.store.page(parse_name(path), after, count or 1)

    async def digest(self, path: str) -> str:
        """Hash."""
        self.ask("digest", path)
        outgoing = self.store.open(parse_name(path), algorithm=ALGORITHM)
        outgoing.hash(2**30)
        outgoing.close()
        return outgoing.digest

    async def put(
        self,
        source: FileSource,
        path: str,
        *,
        condition: Condition = ANYWAY,
        durability: Durability = Durability.MEMORY,
        watch: Watch | None = None,
    ) -> Receipt:
        """Copy a file in."""
        self.ask("put", path)
        source.open()
        try:
            incoming = self.store.receive(parse_name(path), size=source.size, algorithm=ALGORITHM)
            try:
                incoming.write([source.read(2**30)])
                facts = {"mtime_ns": source.mtime_ns, "mode": source.mode}
                return incoming.finish(source.finish(), condition=condition, durability=durability, **facts)
            finally:
                incoming.close()
        finally:
            source.close()

    async def get(self, path: str, target: FileTarget, *, watch: Watch | None = None) -> Receipt:
        """Copy a file out."""
        self.ask("get", path)
        outgoing = self.store.open(parse_name(path), algorithm=ALGORITHM)
        try:
            target.open(outgoing.status, resume=True)
            try:
                target.begin()
                target.write([outgoing.read(2**30)])
                return target.finish(outgoing.finish())
            finally:
                target.close()
        finally:
            outgoing.close()

    async def put_small(
        self, files: Sequence[SmallFile], *, condition: Condition = ANYWAY, durability: Durability = Durability.MEMORY
    ) -> list[Receipt | FilexferError]:
        """Copy files in."""
        results: list[Receipt | FilexferError] = []
        for file in files:
            try:
                self.ask("small", join_name(file.name))
                results += self.store.receive_small([file], durability, condition)
            except FilexferError as error:
                results.append(error)
        return results

    async def get_small(self, paths: Sequence[str]) -> list[SmallFile | FilexferError]:
        """Copy files out."""
        results: list[SmallFile | FilexferError] = []
        with self.store.read_small(ALGORITHM) as reads:
            for path in paths:
                try:
                    self.ask("bundled", path)
                    results.append(reads.read(parse_name(path), self.welcome.limits.bundle_file))
                except FilexferError as error:
                    results.append(error)
        return results

    async def mkdir(self, path: str, *, parents: bool = False) -> None:
        """Make a directory."""
        self.ask("mkdir", path)
        self.store.make_directory(parse_name(path), parents=parents)

    async def symlink(self, path: str, target: str, condition: Condition = ANYWAY) -> None:
        """Make a link."""
        self.ask("symlink", path)
        self.store.make_symlink(parse_name(path), target, condition)

    async def remove(self, path: str, *, if_match: str | None = None) -> None:
        """Remove."""
        self.ask("remove", path)
        self.store.remove(parse_name(path), if_match=if_match)

    def ask(self, what: str, path: str) -> None:
        """Note it, and raise what is in `errors` for it."""
        self.asked.append((what, path))
        if (what, path) in self.errors:
            raise self.errors[what, path]


class Notes(Report):
    """Remembers what it was told: in `planned_actions` the plan, in `told` the rest, as words."""

    def __init__(self) -> None:
        super().__init__()
        self.planned_actions: list[Action] = []
        self.errors: dict[str, FilexferError] = {}
        self.told: list[str] = []

    def planned(self, action: Action) -> None:
        """Remember it."""
        self.planned_actions.append(action)

    def done(self, path: str, receipt: Receipt) -> None:
        """Remember it."""
        super().done(path, receipt)
        self.told.append(f"done {path}")

    def failed(self, path: str, error: FilexferError) -> None:
        """Remember it."""
        super().failed(path, error)
        self.errors[path] = error
        self.told.append(f"failed {path}")

    def skipped(self, path: str, why: str) -> None:
        """Remember it."""
        super().skipped(path, why)
        self.told.append(f"skipped {path}")

    def made(self, path: str) -> None:
        """Remember it."""
        super().made(path)
        self.told.append(f"made {path}")

    def linked(self, path: str, target: str) -> None:
        """Remember it."""
        super().linked(path, target)
        self.told.append(f"linked {path}")

    def removed(self, path: str) -> None:
        """Remember it."""
        super().removed(path)
        self.told.append(f"removed {path}")

    def unchanged(self, path: str) -> None:
        """Remember it."""
        super().unchanged(path)
        self.told.append(f"unchanged {path}")


class TwoTreesTestCase(SynchronousTestCase):
    """
    `self.here` and `self.there`: two directories, the latter behind `self.files`; `self.outside`, beside them.

    Nothing may be left open.
    """

    def setUp(self) -> None:
        """Make them, empty."""
        self._descriptors = descriptors()
        self.top = Path(tempfile.mkdtemp())
        self.here, self.there, self.outside = (self.top / name for name in ("here", "there", "outside"))
        for path in (self.here, self.there, self.outside):
            path.mkdir()
        self.root, self.served = Root(self.here), Root(self.there)
        self.files = FakeFiles(self.served)
        self.notes = Notes()
        self.local = LocalTree(self.root, execute)
        self.remote = RemoteTree(self.files, ())

    def tearDown(self) -> None:
        """Remove them."""
        self.root.close()
        self.served.close()
        shutil.rmtree(self.top)
        self.assertEqual(opened_since(self._descriptors), set())

    def now(self, work: Coroutine[Deferred[Any], Any, Result]) -> Result:
        """Give what `work`, which waits for nothing here, gives, or raise what it raises."""
        results: list[Result | Failure] = []
        ensureDeferred(work).addBoth(results.append)
        self.assertEqual(len(results), 1, "it waits for something")
        if isinstance(results[0], Failure):
            results[0].raiseException()
        return results[0]

    def all(self, results: AsyncIterator[Result]) -> list[Result]:
        """Give all that is given."""

        async def gather() -> list[Result]:
            return [result async for result in results]

        return self.now(gather())


def fill(top: Path, content: Mapping[str, str | bytes | None]) -> None:
    """
    Make a tree: a name that ends with ``/`` is a directory; None as content makes a FIFO; ``-> TARGET`` a link.

    Files have an old mtime, the same everywhere.
    """
    for name, what in content.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        elif what is None:
            os.mkfifo(path)
        elif isinstance(what, str) and what.startswith("-> "):
            path.symlink_to(what[3:])
        else:
            path.write_bytes(what.encode() if isinstance(what, str) else what)
            os.utime(path, ns=(10**18, 10**18 + 7))


def shown(top: Path) -> dict[str, str]:
    """Give what a tree holds, as `fill` takes it; contents as text."""
    found = {}
    for path in sorted(top.rglob("*")):
        name = str(path.relative_to(top))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_dir():
            found[f"{name}/"] = ""
        elif path.is_file():
            found[name] = path.read_text()
        else:
            found[name] = "special"
    return found
