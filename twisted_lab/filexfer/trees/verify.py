"""Two trees compared by their content, with nothing changed."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum

from twisted_lab.filexfer.errors import DisconnectedError, FilexferError
from twisted_lab.filexfer.names import Name, parse_name
from twisted_lab.filexfer.store.root import Root
from twisted_lab.filexfer.trees.comparison import HASHED_AHEAD, same_content
from twisted_lab.filexfer.trees.items import Event, Excluded, Failed, Item, Skipped
from twisted_lab.filexfer.trees.local import LocalTree
from twisted_lab.filexfer.trees.merge import merged
from twisted_lab.filexfer.trees.plan import TreeOptions
from twisted_lab.filexfer.trees.remote import Files, RemoteTree
from twisted_lab.filexfer.trees.window import in_order
from twisted_lab.net.detached import Detached, RunInThread


class Verdict(Enum):
    """What a comparison of one name says; only `SAME` is good."""

    SAME = "same"
    DIFFERS = "differs"
    MISSING_HERE = "missing here"
    MISSING_THERE = "missing there"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Verified:
    """A name, what is to be said of it, and, if it failed or was skipped, why."""

    name: Name
    verdict: Verdict
    why: str = ""
    error: FilexferError | None = None


async def verify(
    files: Files, root: Root, remote: str, options: TreeOptions, run_in_thread: RunInThread
) -> AsyncIterator[Verified]:
    """
    Compare the local directory `root` with the directory `remote`: files by their digests, links by what they say.

    Directories are named only where one is missing or something else is in its place. Of the options, filters and
    links matter.
    """
    local, there = LocalTree(root, run_in_thread), RemoteTree(files, parse_name(remote))
    async for verified in in_order(_found(local, there, options, files.welcome.digest), HASHED_AHEAD):
        if verified is not None:
            yield verified


async def _found(
    local: LocalTree, there: RemoteTree, options: TreeOptions, algorithm: str
) -> AsyncIterator[Verified | Detached[Verified | None] | None]:
    walks = [tree.walk(options.filters, options.links) for tree in (local, there)]
    async for mine, its in merged(*walks):
        if isinstance(mine, Item) and isinstance(its, Item):
            yield Detached(_compare(local, mine, there, its, algorithm))
        else:
            yield _alone(mine, its)


def _alone(mine: Event | None, its: Event | None) -> Verified | None:
    """Give the verdict where not both sides have an item."""
    for met in (mine, its):
        match met:
            case Failed(name, error):
                return Verified(name, Verdict.FAILED, str(error), error)
            case Skipped(name, why):
                return Verified(name, Verdict.SKIPPED, why)
            case Excluded():
                return None
    if mine is not None:
        return Verified(mine.name, Verdict.MISSING_THERE)
    return None if its is None else Verified(its.name, Verdict.MISSING_HERE)


async def _compare(local: LocalTree, mine: Item, there: RemoteTree, its: Item, algorithm: str) -> Verified | None:
    kinds = mine.status.kind, its.status.kind
    same = kinds[0] == kinds[1]
    if kinds == ("directory", "directory"):
        return None
    if kinds == ("symlink", "symlink"):
        same = mine.status.target == its.status.target
    elif kinds == ("file", "file"):
        same = mine.status.size == its.status.size
        try:
            same = same and await same_content(local, mine, there, its, algorithm)
        except DisconnectedError:
            raise
        except FilexferError as error:
            return Verified(mine.name, Verdict.FAILED, str(error), error)
    return Verified(mine.name, Verdict.SAME if same else Verdict.DIFFERS)
