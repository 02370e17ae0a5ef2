"""The tree behind a connection."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from twisted_lab.filexfer.client.sources import FileSource
from twisted_lab.filexfer.client.targets import FileTarget
from twisted_lab.filexfer.client.watch import Watch
from twisted_lab.filexfer.conditions import Condition, Durability
from twisted_lab.filexfer.errors import FilexferError
from twisted_lab.filexfer.links import Links
from twisted_lab.filexfer.messages.replies import Welcome
from twisted_lab.filexfer.names import Name, join_name
from twisted_lab.filexfer.receipt import Receipt
from twisted_lab.filexfer.small_file import SmallFile
from twisted_lab.filexfer.status import Status
from twisted_lab.filexfer.store.listing import Page
from twisted_lab.filexfer.trees.filters import Filters
from twisted_lab.filexfer.trees.items import Event, Item
from twisted_lab.filexfer.trees.walk import PAGE, Answer, Ask, List, Walk, answered_async
from twisted_lab.net.detached import Detached

#: Listings asked for before they are needed, so that a tree of small directories doesn't wait for each of them.
AHEAD = 16
#: Directories remembered to be asked for so.
REMEMBERED = 4 * PAGE


class Files(Protocol):
    """What of a client's `Files` is needed here."""

    @property
    def welcome(self) -> Welcome:
        """What the server said of itself."""

    async def stat(self, path: str) -> Status:
        """Give the facts of `path`."""

    async def page(self, path: str, after: str = "", count: int | None = None) -> Page:
        """Give a page of a directory."""

    async def digest(self, path: str) -> str:
        """Give the digest of a file."""

    async def put(
        self,
        source: FileSource,
        path: str,
        *,
        condition: Condition,
        durability: Durability,
        watch: Watch | None = None,
    ) -> Receipt:
        """Put a file."""

    async def get(self, path: str, target: FileTarget, *, watch: Watch | None = None) -> Receipt:
        """Get a file."""

    async def put_small(
        self, files: Sequence[SmallFile], *, condition: Condition, durability: Durability
    ) -> list[Receipt | FilexferError]:
        """Put small files."""

    async def get_small(self, paths: Sequence[str]) -> list[SmallFile | FilexferError]:
        """Get small files."""

    async def mkdir(self, path: str, *, parents: bool = False) -> None:
        """Make a directory."""

    async def symlink(self, path: str, target: str, condition: Condition) -> None:
        """Make a link."""

    async def remove(self, path: str, *, if_match: str | None = None) -> None:
        """Remove a file, link or empty directory."""


class RemoteTree:
    """The tree below `top` on the server that `files` talks to."""

    def __init__(self, files: Files, top: Name) -> None:
        self.files = files
        self.top = top

    def path(self, name: Name) -> str:
        """Give what the server calls `name`; `BadNameError` if it can't be called so there."""
        return join_name((*self.top, *name))

    def walk(self, filters: Filters, links: Links, *, as_it_is: bool = False) -> AsyncIterator[Event]:
        """Give what takes part, as `Walk` does."""
        return answered_async(Walk(filters, links, as_it_is=as_it_is).steps(), _Asker(self).answer)

    async def digest(self, item: Item, algorithm: str) -> str:
        """Let the server hash a file, by the one algorithm that the connection has."""
        return await self.files.digest(self.path(item.source))

    async def page(self, name: Name, after: str) -> Page:
        """Give a page of the directory `name`."""
        return await self.files.page(self.path(name), after, min(PAGE, self.files.welcome.limits.page))


class _Asker:
    """Answers a walk, and asks for the first pages of the directories that come next before it does."""

    def __init__(self, tree: RemoteTree) -> None:
        self._tree = tree
        self._asked: dict[Name, Detached[Page]] = {}
        #: Directories to come; the next one is the last.
        self._coming: list[Name] = []

    async def answer(self, ask: Ask) -> Answer:
        """Give what `ask` asks for."""
        if not isinstance(ask, List):
            return await self._tree.files.stat(self._tree.path(ask.name))
        for passed in [name for name in self._asked if name < ask.name]:  # left out by a filter
            del self._asked[passed]
        ahead = None if ask.after else self._asked.pop(ask.name, None)
        page = await (self._tree.page(ask.name, ask.after) if ahead is None else ahead.result())
        self._look_ahead(ask.name, page)
        return page

    def _look_ahead(self, here: Name, page: Page) -> None:
        found = [(*here, entry.name) for entry in page.entries if entry.name and entry.status.kind == "directory"]
        self._coming += reversed(found[:REMEMBERED])
        del self._coming[:-REMEMBERED]
        while self._coming and len(self._asked) < AHEAD:
            name = self._coming.pop()
            if name > here and name not in self._asked:
                self._asked[name] = Detached(self._tree.page(name, ""))
