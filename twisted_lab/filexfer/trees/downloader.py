"""
A tree on its way from a server.

Small files are got side by side, so that the time that an answer takes is waited for once and not for each; larger ones
one after the other, and go on where they were broken off.

What the server calls its files never becomes a path here: names are opened below the destination's descriptor,
component by component, and a link that is there already is an error, not a way.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from twisted_lab.filexfer.errors import ChangedError, NotFoundError, SourceChangedError
from twisted_lab.filexfer.names import Name
from twisted_lab.filexfer.trees.endpoints import TreeTarget
from twisted_lab.filexfer.trees.failing import fail, reported
from twisted_lab.filexfer.trees.items import Item
from twisted_lab.filexfer.trees.local import LocalTree
from twisted_lab.filexfer.trees.plan import TreeOptions
from twisted_lab.filexfer.trees.remote import RemoteTree
from twisted_lab.filexfer.trees.report import Report, path_of
from twisted_lab.filexfer.trees.window import Window

#: Bytes of a file that is got beside others; how many are at a time.
SMALL = 2**18
SIDE_BY_SIDE = 16
#: Directories made in one go of a thread, which holds a descriptor for each.
TOGETHER = 64


class Downloader:
    """Does what a plan says, from `remote` to `local`; what is done is told to `report`, and so is what isn't."""

    def __init__(self, remote: RemoteTree, local: LocalTree, options: TreeOptions, report: Report) -> None:
        self._local = local
        self._remote = remote
        self._options = options
        self._report = report
        self._gets = Window(SIDE_BY_SIDE)
        self._directories: list[Name] = []

    async def make(self, name: Name) -> None:
        """Make a directory, before anything in it is got."""
        self._directories.append(name)
        if len(self._directories) == TOGETHER:
            await self._make_directories()

    async def transfer(self, item: Item) -> None:
        """Get a file: beside others, or alone."""
        await self._make_directories()
        if item.status.size > SMALL:
            await self._gets.drain()
        await self._gets.start(self._get(item))
        if item.status.size > SMALL:
            await self._gets.drain()

    async def keep(self, item: Item) -> None:
        """Make a link, if what it leads to is sure to be in the tree."""
        await self._make_directories()
        with reported(self._report, item.name):
            target = item.status.target or ""
            await self._local.run_in_thread(self._local.store.make_symlink, item.name, target, self._options.condition)
            self._report.linked(path_of(item.name), target)

    async def remove(self, name: Name, etag: str | None) -> None:
        """Remove what has that `etag`."""
        await self.settle()
        with reported(self._report, name):
            await self._local.run_in_thread(partial(self._local.store.remove, name, if_match=etag))
            self._report.removed(path_of(name))

    async def settle(self) -> None:
        """Wait until all is done."""
        await self._make_directories()
        await self._gets.drain()

    def cancel(self) -> None:
        """Stop what is under way."""
        self._gets.cancel()

    async def _make_directories(self) -> None:
        names, self._directories = self._directories, []
        if not names:
            return
        errors = await self._local.run_in_thread(self._local.make_directories, names)
        for name, error in zip(names, errors, strict=True):
            if error is None:
                self._report.made(path_of(name))
            else:
                fail(self._report, name, error)

    async def _get(self, item: Item) -> None:
        path, algorithm = path_of(item.name), self._remote.files.welcome.digest
        target = TreeTarget(self._local.root, item.name, algorithm, self._options.condition, self._options.durability)
        watch = self._report.watch(path, item.status.size)
        with reported(self._report, item.name), _source_of(target):
            receipt = await self._remote.files.get(self._remote.path(item.source), target, watch=watch)
            self._report.done(path, receipt)


@contextmanager
def _source_of(target: TreeTarget) -> Iterator[None]:
    """Tell a source that went or changed from what this side has against it: it was there when it was listed."""
    try:
        yield
    except (NotFoundError, ChangedError) as error:
        if target.refused:
            raise
        raise SourceChangedError(str(error)) from error
