"""What the operations of one session share, and what is known of the request that is being answered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from twisted_lab.filexfer.messages.content import ContentStream
from twisted_lab.filexfer.server.accounts import Account
from twisted_lab.filexfer.server.audit import FileRecord

InThread = Callable[..., "Deferred[Any]"]


@dataclass
class Turn:
    """
    One request: its `id`, and what the log will say of it, as far as it is known.

    `size` is in bytes; `result` is "ok", or the code of what went wrong.
    """

    identity: int
    path: str | None = None
    to: str | None = None
    size: int | None = None
    digest: str | None = None
    result: str = "ok"


@dataclass(frozen=True)
class Exchange:
    """
    A client whose hello was answered: its `stream`, its `account`, and the digest that was agreed on.

    `in_thread(function, *arguments)` runs what blocks. What it opens must be closed, even if the connection is lost
    meanwhile: so it doesn't look at that, and who works in pieces calls `stream.check_connected` between them.
    `tell_files(what, files)` writes to the log what became of files that were put, or got, in a bundle.
    """

    stream: ContentStream
    account: Account
    algorithm: str
    in_thread: InThread
    clock: IReactorTime
    tell_files: Callable[[str, Sequence[FileRecord]], None]
