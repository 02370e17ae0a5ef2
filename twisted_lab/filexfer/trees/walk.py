"""
A walk through a tree of any size, in bounded memory, the same for the tree here and the one behind a connection.

`walk` does no I/O: it yields what it wants to know, is sent the answer, and yields what it meets. `answered` and
`answered_async` run it with a function that knows the answers.

It holds what is left of one page for each directory on its way down. Listings go on after a name, so what is held of
directories further up can be dropped and asked for again: past `MAX_HELD` entries it is.
"""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import cast

from twisted_lab.filexfer.errors import BadNameError, BadRequestError, DisconnectedError, FilexferError
from twisted_lab.filexfer.links import Links, Look, check_target, resolve
from twisted_lab.filexfer.names import Name, check_name, show_name
from twisted_lab.filexfer.status import Entry, Status
from twisted_lab.filexfer.store.listing import Page
from twisted_lab.filexfer.trees.filters import Filters
from twisted_lab.filexfer.trees.items import Event, Excluded, Failed, Item, Skipped

#: Entries asked for at once.
PAGE = 4096
#: Entries held in all, but for one page.
MAX_HELD = 16 * PAGE
#: How many links to directories a name may lead through: a tree of links to links multiplies with each.
MAX_NESTED = 8


@dataclass(frozen=True, slots=True)
class List:
    """What `walk` asks: a page of the directory `name`, of the names after `after`."""

    name: Name
    after: str


Ask = List | Look
Answer = Page | Status
Steps = Generator[Ask | Event, Answer | None, None]
_Resolving = Generator[Ask | Event, Answer | None, tuple[Name, Status | None]]


@dataclass(slots=True)
class _Directory:
    """A directory on the way: how far its listing was read, and what of that is still to be met."""

    name: Name
    source: Name
    nested: int = 0
    entries: deque[Entry] = field(default_factory=deque)
    #: The last name met; the last name of the page, if there are more pages.
    after: str = ""
    end: str | None = None
    more: bool = True
    told: bool = False

    def take(self, page: Page) -> None:
        """Hold a page; `BadRequestError` if it isn't what was asked for."""
        before = self.after
        for entry in page.entries:
            if entry.name is None or entry.name <= before:
                raise BadRequestError(f"{_show(self.name)}: its listing isn't in order")
            before = entry.name
        if (page.next is not None and page.next < before) or page.next == self.after:
            raise BadRequestError(f"{_show(self.name)}: its listing doesn't go on")
        self.entries.extend(page.entries)
        self.end = page.next
        self.more = page.next is not None
        self._go_on()

    def meet(self) -> Entry:
        """Give the next entry held; there is one."""
        entry = self.entries.popleft()
        self.after = entry.name or self.after
        self._go_on()
        return entry

    def drop(self) -> int:
        """Let go of what is held, to ask for it again; give how many entries that was."""
        count = len(self.entries)
        if count:
            self.entries.clear()
            self.more = True
        return count

    def _go_on(self) -> None:
        if not self.entries and self.end is not None:
            self.after = self.end


class Walk:
    """
    What takes part of a tree, by `filters` and `links`, in the order of `items`.

    With `as_it_is`, links and all other kinds are items too: so the tree that is written to is looked at.
    """

    def __init__(self, filters: Filters, links: Links, *, as_it_is: bool = False) -> None:
        self._filters = filters
        self._links = links
        self._as_it_is = as_it_is
        self._stack = [_Directory((), ())]
        self._held = 0

    def steps(self) -> Steps:
        """Ask and tell, once; a `DisconnectedError` for an answer ends it."""
        while self._stack:
            here = self._stack[-1]
            if here.entries:
                self._held -= 1
                yield from self._meet(here, here.meet())
            elif here.more:
                yield from self._list(here)
            else:
                self._stack.pop()

    def _list(self, here: _Directory) -> Steps:
        try:
            page = cast("Page", (yield List(here.source, here.after)))
            here.take(page)
        except DisconnectedError:
            raise
        except FilexferError as error:
            here.more = False
            yield Failed(here.name, error)
            return
        self._held += len(page.entries)
        for above in self._stack[:-1]:
            if self._held > MAX_HELD:
                self._held -= above.drop()
        if page.unnameable and not here.more and not here.told:
            here.told = True
            yield Failed(here.name, BadNameError(f"{_show(here.name)}: {page.unnameable} names in it can't be said"))

    def _meet(self, here: _Directory, entry: Entry) -> Steps:
        last = cast("str", entry.name)
        item = Item((*here.name, last), entry.status, (*here.source, last))
        nested = here.nested
        try:
            check_name(item.name)
            if item.status.kind == "symlink" and not self._as_it_is:
                if not self._filters.allow(item.name, directory=False):
                    yield Excluded(item.name)
                    return
                led = yield from self._link(item)
                if isinstance(led, Skipped):
                    yield led
                    return
                item = led
                nested += item.status.kind == "directory"
        except DisconnectedError:
            raise
        except FilexferError as error:
            yield Failed(item.name, error)
            return
        yield from self._take(item, nested)

    def _take(self, item: Item, nested: int) -> Steps:
        directory = item.status.kind == "directory"
        if not self._filters.allow(item.name, directory=directory):
            yield Excluded(item.name)
        elif item.status.kind == "other" and not self._as_it_is:
            yield Skipped(item.name, "neither a file nor a directory")
        elif nested > MAX_NESTED:
            yield Skipped(item.name, f"a link to a directory, through more than {MAX_NESTED} of them")
        else:
            yield item
            if directory:
                self._stack.append(_Directory(item.name, item.source, nested))

    def _link(self, item: Item) -> Generator[Ask | Event, Answer | None, Item | Skipped]:
        if self._links is Links.SKIP:
            return Skipped(item.name, "a symbolic link")
        if self._links is Links.KEEP:
            check_target(item.name, item.status.target)  # here, so that a plan says what will be done
            return item
        source, status = yield from cast("_Resolving", resolve(item.source, item.status.target))
        if status is None or any(above.source == source for above in self._stack):
            return Skipped(item.name, "a link to a directory that it is in")
        return Item(item.name, status, source)


def answered(steps: Steps, answer: Callable[[Ask], Answer]) -> Iterator[Event]:
    """Run a walk where the answers are at hand."""
    reply: Answer | FilexferError | None = None
    while (found := _next(steps, reply)) is not None:
        reply = None
        if not isinstance(found, List | Look):
            yield found
            continue
        try:
            reply = answer(found)
        except FilexferError as error:
            reply = error


async def answered_async(steps: Steps, answer: Callable[[Ask], Awaitable[Answer]]) -> AsyncIterator[Event]:
    """Run a walk where the answers have to be waited for."""
    reply: Answer | FilexferError | None = None
    while (found := _next(steps, reply)) is not None:
        reply = None
        if not isinstance(found, List | Look):
            yield found
            continue
        try:
            reply = await answer(found)
        except FilexferError as error:
            reply = error


def _next(steps: Steps, reply: Answer | FilexferError | None) -> Ask | Event | None:
    try:
        return steps.throw(reply) if isinstance(reply, FilexferError) else steps.send(reply)
    except StopIteration:
        return None


def _show(name: Name) -> str:
    return show_name("/".join(name)) if name else "the top of the tree"
