"""
What is to be done so that one tree becomes like another: found lazily, from two walks side by side.

The same plan is shown by a dry run and followed by a real one. Its order: directories before what is in them, removals
at the end, from the inside out.

Nothing is removed for which there may be a counterpart that isn't known: below a directory that couldn't be listed
whole, under the name of something that was skipped, or where a filter leaves it out. More removals than a cap, and
none is done: an empty disk that was to be mounted isn't a reason to empty its copy.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from twisted_lab.filexfer.conditions import ANYWAY, Condition, Durability
from twisted_lab.filexfer.errors import FilexferError
from twisted_lab.filexfer.links import Links
from twisted_lab.filexfer.names import Name
from twisted_lab.filexfer.status import Status
from twisted_lab.filexfer.trees.filters import EVERYTHING, Filters
from twisted_lab.filexfer.trees.items import Event, Excluded, Failed, Item, Skipped


class Why(Enum):
    """Why a file is transferred."""

    NEW = "new"
    SIZE = "size"
    MTIME = "mtime"
    CONTENT = "content"
    KIND = "kind"


@dataclass(frozen=True, slots=True)
class Make:
    """Make a directory."""

    name: Name


@dataclass(frozen=True, slots=True)
class Transfer:
    """Transfer a file."""

    item: Item
    why: Why


@dataclass(frozen=True, slots=True)
class Keep:
    """Make a link that says what `item` says."""

    item: Item
    why: Why


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove what is there: a file, a link, an empty directory, of that `status`."""

    name: Name
    status: Status


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Leave a file or link as it is: it is the same on both sides."""

    name: Name


@dataclass(frozen=True, slots=True)
class Skip:
    """Leave out what isn't carried."""

    name: Name
    why: str


@dataclass(frozen=True, slots=True)
class Fail:
    """Say what can't be done."""

    name: Name
    error: FilexferError


Action = Make | Transfer | Keep | Remove | Unchanged | Skip | Fail


@dataclass(frozen=True, slots=True)
class TreeOptions:
    """
    How a tree is transferred.

    `condition` holds for each of its files by itself: `absent` replaces none. `durability` is what is asked for each.
    """

    filters: Filters = EVERYTHING
    links: Links = Links.SKIP
    condition: Condition = ANYWAY
    durability: Durability = Durability.DIRECTORY


@dataclass(frozen=True, slots=True)
class SyncOptions(TreeOptions):
    """
    How trees are made equal: files are the same if size and mtime are, or, with `checksum`, size and digest.

    With `delete` what the source doesn't have is removed, unless that is more than `max_delete` names; and what is of
    another kind makes way.
    """

    checksum: bool = False
    delete: bool = False
    max_delete: int = 1000


class Tree(Protocol):
    """One side, here or there."""

    def walk(self, filters: Filters, links: Links, *, as_it_is: bool = False) -> AsyncIterator[Event]:
        """Give what takes part, in the order of `items`."""

    async def digest(self, item: Item, algorithm: str) -> str:
        """Give the digest of a file's content."""


async def plan_copy(source: Tree, options: TreeOptions) -> AsyncIterator[Action]:
    """Give what is to be done to transfer a tree, whatever is there of it already."""
    async for met in source.walk(options.filters, options.links):
        action = act_alone(met)
        if action is not None:
            yield action


def act_alone(met: Event) -> Action | None:
    """Give what is to be done about what the other side doesn't have."""
    match met:
        case Item(name, status):
            if status.kind == "directory":
                return Make(name)
            return Keep(met, Why.NEW) if status.kind == "symlink" else Transfer(met, Why.NEW)
        case Skipped(name, why):
            return Skip(name, why)
        case Failed(name, error):
            return Fail(name, error)
        case Excluded():
            return None
