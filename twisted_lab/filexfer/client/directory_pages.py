"""A directory on the server, page by page."""

from collections.abc import AsyncIterator

from twisted_lab.filexfer.client.conversation import Conversation
from twisted_lab.filexfer.errors import BadNameError
from twisted_lab.filexfer.messages.keys import Keys
from twisted_lab.filexfer.messages.replies import entries_from
from twisted_lab.filexfer.messages.requests import List
from twisted_lab.filexfer.names import Name
from twisted_lab.filexfer.status import Entry
from twisted_lab.filexfer.store.listing import Page


class DirectoryPages(AsyncIterator[Entry]):
    """
    The entries of a directory, for ``async for``, in the order of their names; a page of them is in memory.

    `unnameable`: how many entries are passed over, for they have no name that could be asked for.
    """

    def __init__(self, conversation: Conversation, path: Name, page: int) -> None:
        self.unnameable = 0
        self._conversation = conversation
        self._path = path
        self._count = page
        self._entries: list[Entry] = []
        self._after: str | None = ""

    async def __anext__(self) -> Entry:
        while not self._entries:
            if self._after is None:
                raise StopAsyncIteration
            await self._turn_page(self._after)
        return self._entries.pop()

    async def _turn_page(self, after: str) -> None:
        page = await ask_page(self._conversation, self._path, after, self._count)
        self.unnameable = page.unnameable
        self._after = page.next
        self._entries = page.entries[::-1]


async def ask_page(conversation: Conversation, path: Name, after: str, count: int) -> Page:
    """Ask for the page of the directory `path` that follows the name `after`; of at most `count` entries."""
    header, content = await conversation.ask(List(path, after, count))

    def read() -> Page:
        entries = entries_from(content, after=after, count=count)
        keys = Keys(header, lambda sentence: conversation.violated("bad-reply", sentence))
        try:
            following = keys.optional("next", keys.component)
        except BadNameError as error:
            raise conversation.violated("bad-reply", str(error)) from None
        last = (entries and entries[-1].name) or after
        # It is that of the last entry, unless that went while the server looked at it.
        if following is not None and (following < last or following == after):
            raise conversation.violated("bad-reply", '"next" comes before what is on the page')
        return Page(entries, following, keys.optional("unnameable", keys.integer) or 0)

    return conversation.read_reply(read)
