"""The tree on this machine."""

from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import islice

from twisted_lab.filexfer.conditions import Condition, Durability
from twisted_lab.filexfer.errors import ChangedError, FilexferError, NotFoundError, SourceChangedError, TooLargeError
from twisted_lab.filexfer.links import Links
from twisted_lab.filexfer.names import Name, join_name
from twisted_lab.filexfer.receipt import Receipt
from twisted_lab.filexfer.small_file import SmallFile
from twisted_lab.filexfer.store.directories import Directories
from twisted_lab.filexfer.store.listing import read_page
from twisted_lab.filexfer.store.outgoing import Outgoing
from twisted_lab.filexfer.store.root import Root
from twisted_lab.filexfer.store.small_reads import SmallReads
from twisted_lab.filexfer.store.store import Store
from twisted_lab.filexfer.trees.filters import Filters
from twisted_lab.filexfer.trees.items import Event, Item
from twisted_lab.filexfer.trees.walk import PAGE, Answer, Ask, List, Walk, answered
from twisted_lab.net.detached import RunInThread, Worker

#: Events that a thread finds before it hands them over: a hop between threads for each would cost more than they do.
BATCH = 512
#: Small files that are published together.
TOGETHER = 64
#: Bytes hashed before a thread looks whether it is still wanted.
_PIECE = 2**24


class LocalTree:
    """A tree by its `root`; what blocks runs in threads by `run_in_thread`, one call of a walk at a time."""

    def __init__(self, root: Root, run_in_thread: RunInThread) -> None:
        self.root = root
        self.store = Store(root)
        self.run_in_thread = run_in_thread

    async def walk(self, filters: Filters, links: Links, *, as_it_is: bool = False) -> AsyncIterator[Event]:
        """Give what takes part, as `Walk` does."""
        events = answered(Walk(filters, links, as_it_is=as_it_is).steps(), self._answer)
        while batch := await self.run_in_thread(_some, events):
            for event in batch:
                yield event

    async def digest(self, item: Item, algorithm: str) -> str:
        """Hash a file; `SourceChangedError` if it doesn't stay what it is meanwhile."""
        if item.status.size <= _PIECE:
            return str(await self.run_in_thread(self._hash, item, algorithm))
        worker = Worker(self.run_in_thread)
        outgoing = await worker.do(self._open, item, algorithm)
        try:
            while await worker.do(outgoing.hash, _PIECE):
                pass
            return await worker.do(outgoing.finish)
        finally:
            await worker.end(outgoing.close)

    def read_small(self, items: Sequence[Item], algorithm: str) -> list[SmallFile | FilexferError | None]:
        """Read files whole, blocking; None for one that has become larger since it was listed."""
        with SmallReads(self.root, algorithm) as reads:
            return [_read_small(reads, item) for item in items]

    def check_targets(self, items: Sequence[Item], condition: Condition) -> list[FilexferError | None]:
        """Give, blocking, what is against files being got under `condition`, so that they aren't got in vain."""
        return [self._check(item, condition) for item in items]

    def receive_small(
        self, files: Sequence[SmallFile], durability: Durability, condition: Condition
    ) -> list[Receipt | FilexferError]:
        """Publish files, blocking; a descriptor is held for each of `TOGETHER`, and one for its directory."""
        groups = [files[start : start + TOGETHER] for start in range(0, len(files), TOGETHER)]
        return [result for group in groups for result in self.store.receive_small(group, durability, condition)]

    def make_directories(self, names: Sequence[Name]) -> list[FilexferError | None]:
        """Make directories, blocking; one that is there is no error. A descriptor is held for each."""
        errors: dict[Name, FilexferError] = {}
        with Directories(self.root) as directories:
            for name in names:
                try:
                    directories.open(name)
                except FilexferError as error:
                    errors[name] = error
            directories.sync()
            return [errors.get(name) or directories.error(name) for name in names]

    def _check(self, item: Item, condition: Condition) -> FilexferError | None:
        try:
            self.store.check(item.name, condition)
        except FilexferError as error:
            return error
        return None

    def _answer(self, ask: Ask) -> Answer:
        if isinstance(ask, List):
            return read_page(self.root, ask.name, ask.after, PAGE)
        return self.root.stat(ask.name)

    def _open(self, item: Item, algorithm: str) -> Outgoing:
        return Outgoing(self.root.open_file(item.source), join_name(item.name), algorithm)

    def _hash(self, item: Item, algorithm: str) -> str:
        outgoing = self._open(item, algorithm)
        try:
            while outgoing.hash(_PIECE):
                pass
            return outgoing.finish()
        finally:
            outgoing.close()


def _read_small(reads: SmallReads, item: Item) -> SmallFile | FilexferError | None:
    try:
        found = reads.read(item.source, item.status.size)
    except TooLargeError:
        return None
    except (NotFoundError, ChangedError) as error:
        return SourceChangedError(str(error))
    except FilexferError as error:
        return error
    return found.under(item.name)


def _some(events: Iterator[Event]) -> list[Event]:
    return [*islice(events, BATCH)]
