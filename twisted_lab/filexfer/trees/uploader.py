"""
A tree on its way to a server.

Small files go in lots, each read while `LOTS` before it are sent; so `READ_BYTES` for each of these, and for the one
that is read, are in memory at most. Larger ones go one after the other, and go on where they were broken off.
"""

from twisted_lab.filexfer.client.watch import Watch
from twisted_lab.filexfer.errors import FilexferError
from twisted_lab.filexfer.names import Name
from twisted_lab.filexfer.receipt import Receipt
from twisted_lab.filexfer.small_file import SmallFile
from twisted_lab.filexfer.trees.endpoints import TreeSource
from twisted_lab.filexfer.trees.failing import fail, reported
from twisted_lab.filexfer.trees.items import Item
from twisted_lab.filexfer.trees.local import LocalTree
from twisted_lab.filexfer.trees.plan import TreeOptions
from twisted_lab.filexfer.trees.remote import RemoteTree
from twisted_lab.filexfer.trees.report import Report, path_of
from twisted_lab.filexfer.trees.window import Window

#: How many files, and bytes of them, are read together, and how many such lots are sent meanwhile: enough that the
#: server has something to do while the next is encoded.
READ_FILES = 256
READ_BYTES = 2**21
LOTS = 2
#: Requests without an answer yet, for directories and removals.
PIPELINED = 32


class Uploader:
    """Does what a plan says, from `local` to `remote`; what is done is told to `report`, and so is what isn't."""

    def __init__(self, local: LocalTree, remote: RemoteTree, options: TreeOptions, report: Report) -> None:
        self._local = local
        self._remote = remote
        self._files = remote.files
        self._options = options
        self._report = report
        self._requests = Window(PIPELINED)
        self._bundles = Window(LOTS)
        self._limits = self._files.welcome.limits
        self._most = min(READ_FILES, self._limits.bundle_files)
        self._small: list[Item] = []
        self._small_bytes = 0

    async def make(self, name: Name) -> None:
        """Make a directory; that is asked for before anything in it is sent, but not waited for."""
        await self._requests.start(self._make(name))

    async def transfer(self, item: Item) -> None:
        """Put a file, or gather it to be put with others."""
        size = item.status.size
        if size > self._limits.bundle_file:
            await self._put(item)
            return
        if self._small_bytes + size > READ_BYTES or len(self._small) == self._most:
            await self._send_small()
        self._small.append(item)
        self._small_bytes += size

    async def keep(self, item: Item) -> None:
        """Make a link."""
        await self._requests.start(self._keep(item))

    async def remove(self, name: Name, etag: str | None) -> None:
        """Remove what has that `etag`."""
        await self._requests.start(self._remove(name, etag))

    async def settle(self) -> None:
        """Wait until all is done."""
        await self._send_small()
        await self._bundles.drain()
        await self._requests.drain()

    def cancel(self) -> None:
        """Stop what is under way."""
        self._bundles.cancel()
        self._requests.cancel()

    async def _send_small(self) -> None:
        """Read what was gathered, and send it once the bundle before has been answered."""
        items, self._small, self._small_bytes = self._small, [], 0
        if not items:
            return
        read = await self._local.run_in_thread(self._local.read_small, items, self._files.welcome.digest)
        files: list[tuple[SmallFile, Watch | None]] = []
        for item, found in zip(items, read, strict=True):
            path = path_of(item.name)
            if found is None:  # it has grown since
                await self._put(item)
            elif isinstance(found, FilexferError):
                self._report.failed(path, found)
            else:
                watch = self._report.watch(path, len(found.content))
                if watch is not None:
                    await watch.allow(len(found.content))
                files.append((found, watch))
        if files:
            await self._bundles.start(self._put_small(files))

    async def _put_small(self, files: "list[tuple[SmallFile, Watch | None]]") -> None:
        there = [file.under((*self._remote.top, *file.name)) for file, _ in files]
        results = await self._files.put_small(
            there, condition=self._options.condition, durability=self._options.durability
        )
        for (file, watch), result in zip(files, results, strict=True):
            if isinstance(result, Receipt):
                if watch is not None:
                    watch.moved(result.size)
                self._report.done(path_of(file.name), result)
            else:
                fail(self._report, file.name, result)

    async def _put(self, item: Item) -> None:
        source = TreeSource(self._local.root, item.source, self._files.welcome.digest)
        with reported(self._report, item.name):
            receipt = await self._files.put(
                source,
                self._remote.path(item.name),
                condition=self._options.condition,
                durability=self._options.durability,
                watch=self._report.watch(path_of(item.name), item.status.size),
            )
            self._report.done(path_of(item.name), receipt)

    async def _make(self, name: Name) -> None:
        with reported(self._report, name):
            await self._files.mkdir(self._remote.path(name), parents=True)
            self._report.made(path_of(name))

    async def _keep(self, item: Item) -> None:
        with reported(self._report, item.name):
            target = item.status.target or ""
            await self._files.symlink(self._remote.path(item.name), target, self._options.condition)
            self._report.linked(path_of(item.name), target)

    async def _remove(self, name: Name, etag: str | None) -> None:
        with reported(self._report, name):
            await self._files.remove(self._remote.path(name), if_match=etag)
            self._report.removed(path_of(name))
