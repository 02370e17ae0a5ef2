"""
A tree on its way from a server.

Small files are got in bundles: while one is published, the next are on their way. From a server that has no bundles to
give they are got side by side, so that the time that an answer takes is waited for once and not for each. Larger ones
come one after the other, and go on where they were broken off.

What the server calls its files never becomes a path here: names are opened below the destination's descriptor,
component by component, and a link that is there already is an error, not a way.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from twisted_lab.filexfer.client.watch import Watch
from twisted_lab.filexfer.conditions import ANYWAY
from twisted_lab.filexfer.errors import ChangedError, FilexferError, NotFoundError, SourceChangedError, TooLargeError
from twisted_lab.filexfer.names import Name
from twisted_lab.filexfer.receipt import Receipt
from twisted_lab.filexfer.small_file import SmallFile
from twisted_lab.filexfer.trees.endpoints import TreeTarget
from twisted_lab.filexfer.trees.failing import fail, reported
from twisted_lab.filexfer.trees.items import Item
from twisted_lab.filexfer.trees.local import LocalTree
from twisted_lab.filexfer.trees.plan import TreeOptions
from twisted_lab.filexfer.trees.remote import RemoteTree
from twisted_lab.filexfer.trees.report import Report, path_of
from twisted_lab.filexfer.trees.window import Window

#: What a server has that gives bundles.
FEATURE = "get-bundle"
#: How many files, and bytes of them, are asked for in one bundle, and how many bundles are under way.
BUNDLE_FILES = 256
BUNDLE_BYTES = 2**20
BUNDLES = 3
#: Bytes of a file that is got beside others; how many are at a time.
SMALL = 2**18
SIDE_BY_SIDE = 16
#: Directories made in one go of a thread, which holds a descriptor for each.
TOGETHER = 64


#: A file of a bundle, its path there, and who is told of its progress.
_Asked = tuple[Item, str, Watch | None]


class Downloader:
    """Does what a plan says, from `remote` to `local`; what is done is told to `report`, and so is what isn't."""

    def __init__(self, remote: RemoteTree, local: LocalTree, options: TreeOptions, report: Report) -> None:
        self._local = local
        self._remote = remote
        self._options = options
        self._report = report
        self._gets = Window(SIDE_BY_SIDE)
        self._bundles = Window(BUNDLES)
        self._directories: list[Name] = []
        welcome = remote.files.welcome
        self._has_bundles = FEATURE in welcome.features
        self._most = min(BUNDLE_BYTES, welcome.limits.bundle_bytes)
        self._most_files = min(BUNDLE_FILES, welcome.limits.bundle_files)
        self._small: list[Item] = []
        self._small_bytes = 0

    async def make(self, name: Name) -> None:
        """Make a directory, before anything in it is got."""
        self._directories.append(name)
        if len(self._directories) == TOGETHER:
            await self._make_directories()

    async def transfer(self, item: Item) -> None:
        """Get a file, or gather it to be got with others."""
        size = item.status.size
        if self._has_bundles and size <= min(self._remote.files.welcome.limits.bundle_file, self._most):
            if self._small_bytes + size > self._most or len(self._small) == self._most_files:
                await self._get_small()
            self._small.append(item)
            self._small_bytes += size
            return
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
        await self._get_small()
        await self._make_directories()
        await self._bundles.drain()
        await self._gets.drain()

    def cancel(self) -> None:
        """Stop what is under way."""
        self._bundles.cancel()
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

    async def _get_small(self) -> None:
        """Ask for what was gathered, as soon as there is a place for it."""
        items, self._small, self._small_bytes = self._small, [], 0
        if not items:
            return
        await self._make_directories()
        if self._options.condition != ANYWAY:
            items = await self._check(items)
        asked: list[_Asked] = []
        for item in items:
            with reported(self._report, item.name):
                path = self._remote.path(item.source)
                watch = self._report.watch(path_of(item.name), item.status.size)
                if watch is not None:
                    await watch.allow(item.status.size)
                asked.append((item, path, watch))
        if asked:
            await self._bundles.start(self._get_bundle(asked))

    async def _check(self, items: list[Item]) -> list[Item]:
        """Report what is against files before they are asked for; give the others."""
        errors = await self._local.run_in_thread(self._local.check_targets, items, self._options.condition)
        for item, error in zip(items, errors, strict=True):
            if error is not None:
                fail(self._report, item.name, error)
        return [item for item, error in zip(items, errors, strict=True) if error is None]

    async def _get_bundle(self, asked: "list[_Asked]") -> None:
        """Get files and publish them; what is too large by now is got by itself."""
        try:
            found = await self._remote.files.get_small([path for _, path, _ in asked])
        except FilexferError as error:
            found = [error] * len(asked)
        files: list[SmallFile] = []
        watches: list[Watch | None] = []
        for (item, _, watch), answer in zip(asked, found, strict=True):
            if isinstance(answer, SmallFile):
                files.append(answer.under(item.name))
                watches.append(watch)
            elif isinstance(answer, TooLargeError):
                await self._get(item)
            else:
                fail(self._report, item.name, _of_source(answer))
        results = await self._local.run_in_thread(
            self._local.receive_small, files, self._options.durability, self._options.condition
        )
        for file, watch, result in zip(files, watches, results, strict=True):
            if isinstance(result, Receipt):
                if watch is not None:
                    watch.moved(result.size)
                self._report.done(path_of(file.name), result)
            else:
                fail(self._report, file.name, result)

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
        raise _of_source(error) from error


def _of_source(error: FilexferError) -> FilexferError:
    """Give what the server's error means for a file that it has listed."""
    return SourceChangedError(str(error)) if isinstance(error, NotFoundError | ChangedError) else error
