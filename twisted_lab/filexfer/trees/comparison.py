"""The plan of a sync: what differs between two trees, and what is to be done about it."""

from collections.abc import AsyncIterator, Iterator

from twisted_lab.filexfer.errors import DisconnectedError, ExistsError, FilexferError, NotEmptyError, NotFoundError
from twisted_lab.filexfer.names import Name, show_name
from twisted_lab.filexfer.status import Status
from twisted_lab.filexfer.trees.items import Event, Excluded, Failed, Item, Skipped
from twisted_lab.filexfer.trees.merge import Pair, merged
from twisted_lab.filexfer.trees.plan import (
    Action,
    Fail,
    Keep,
    Make,
    Remove,
    Skip,
    SyncOptions,
    Transfer,
    Tree,
    Unchanged,
    Why,
    act_alone,
)
from twisted_lab.filexfer.trees.removals import Removals, covers
from twisted_lab.filexfer.trees.window import in_order
from twisted_lab.net.detached import Detached

#: Files whose digests are asked for before they are needed.
HASHED_AHEAD = 16
#: An action, or the work that finds out which.
Found = Action | Detached[Action]


async def plan_sync(source: Tree, target: Tree, options: SyncOptions, algorithm: str) -> AsyncIterator[Action]:
    """Give what is to be done so that `target` becomes as `source`; lazily, while it is done."""
    found = _found(_Comparison(source, target, options, algorithm))
    actions: AsyncIterator[Action] = in_order(found, HASHED_AHEAD)
    async for action in actions:
        yield action


async def _found(comparison: "_Comparison") -> AsyncIterator[Found]:
    async for mine, its in comparison.pairs():
        for action in comparison.compare(mine, its):
            yield action
    for action in comparison.end():
        yield action


class _Comparison:
    def __init__(self, source: Tree, target: Tree, options: SyncOptions, algorithm: str) -> None:
        self._source = source
        self._target = target
        self._options = options
        self._algorithm = algorithm
        self._removals = Removals(options.max_delete)
        #: Files that directories make way for.
        self._waiting: dict[Name, Item] = {}
        #: What is in the way of a directory: nothing in it can be transferred.
        self._blocked: Name | None = None

    def pairs(self) -> AsyncIterator[Pair]:
        """Give what both sides have of each name."""
        filters, links = self._options.filters, self._options.links
        return merged(self._source.walk(filters, links), self._target.walk(filters, links, as_it_is=True))

    def compare(self, mine: Event | None, its: Event | None) -> list[Found]:
        """Give what is to be done about one name."""
        if isinstance(mine, Excluded | Skipped | Failed):
            self._removals.shield(mine.name)
        actions: list[Found] = [*self._keep_what_holds(its)]
        if isinstance(mine, Item) and self._blocked is not None and covers(self._blocked, mine.name):
            return [*actions, Skip(mine.name, "its directory can't be made")]
        match mine, its:
            case Item(), Item():
                actions += self._compare(mine, its)
            case Item(), Excluded():
                self._blocked = mine.name
                actions.append(Fail(mine.name, ExistsError(f"{_show(mine.name)}: what is in its place is left out")))
            case None, Item(name, status):
                if self._options.delete:
                    self._removals.add(name, status)
            case None, _:
                pass
            case _, _:
                action = act_alone(mine)
                actions += [] if action is None else [action]
        return actions

    def end(self) -> Iterator[Action]:
        """Give the removals, and what had to wait for them."""
        removals = self._removals
        if removals.too_many:
            sentence = f"more than {self._options.max_delete} names would be removed, so none is"
            yield Fail((), FilexferError(sentence))
        for name, status in removals.inside_out():
            yield Remove(name, status)
        for name, item in self._waiting.items():
            if name in removals:
                yield Transfer(item, Why.KIND) if item.status.kind == "file" else Keep(item, Why.KIND)
            else:
                yield Fail(name, NotEmptyError(f"{_show(name)}: a directory is in its place, and stays"))

    def _keep_what_holds(self, its: Event | None) -> Iterator[Action]:
        """Leave the directories that something must stay in, or may be in."""
        if isinstance(its, Failed) and not (its.name == () and isinstance(its.error, NotFoundError)):
            yield Fail(its.name, its.error)
        if isinstance(its, Failed | Excluded):
            for held in self._removals.hold(its.name):
                yield Skip(held, "not removed: not all that is in it may be")

    def _compare(self, mine: Item, its: Item) -> list[Found]:
        kinds = mine.status.kind, its.status.kind
        if kinds == ("directory", "directory"):
            return []
        if kinds == ("file", "file"):
            return [self._compare_files(mine, its)]
        if kinds == ("symlink", "symlink"):
            same = mine.status.target == its.status.target
            return [Unchanged(mine.name) if same else Keep(mine, Why.CONTENT)]
        return [*self._replace(mine, its.status)]

    def _replace(self, mine: Item, status: Status) -> Iterator[Action]:
        if not self._options.delete:
            self._blocked = mine.name
            yield Fail(mine.name, ExistsError(f"{_show(mine.name)}: a {status.kind} is in its place"))
        elif mine.status.kind == "directory":
            yield Remove(mine.name, status)
            yield Make(mine.name)
        elif status.kind != "directory":
            yield Transfer(mine, Why.KIND) if mine.status.kind == "file" else Keep(mine, Why.KIND)
        elif self._removals.add(mine.name, status):
            self._waiting[mine.name] = mine
        else:
            yield Fail(mine.name, NotEmptyError(f"{_show(mine.name)}: a directory is in its place, and stays"))

    def _compare_files(self, mine: Item, its: Item) -> Found:
        if mine.status.size != its.status.size:
            return Transfer(mine, Why.SIZE)
        if not self._options.checksum:
            same_time = mine.status.mtime_ns == its.status.mtime_ns
            return Unchanged(mine.name) if same_time else Transfer(mine, Why.MTIME)
        return Detached(self._compare_content(mine, its))

    async def _compare_content(self, mine: Item, its: Item) -> Action:
        try:
            same = await same_content(self._source, mine, self._target, its, self._algorithm)
        except DisconnectedError:
            raise
        except FilexferError as error:
            return Fail(mine.name, error)
        return Unchanged(mine.name) if same else Transfer(mine, Why.CONTENT)


async def same_content(one: Tree, mine: Item, other: Tree, its: Item, algorithm: str) -> bool:
    """Tell whether two files have the same digest; both sides hash at the same time."""
    hashing = Detached(one.digest(mine, algorithm))
    theirs = await other.digest(its, algorithm)
    return await hashing.result() == theirs


def _show(name: Name) -> str:
    return show_name("/".join(name))
