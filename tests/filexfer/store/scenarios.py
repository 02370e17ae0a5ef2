"""Everything that changes a root, once in each of its ways, to be tried with faults at every step."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from twisted_lab.filexfer.conditions import ANYWAY, Condition, Durability
from twisted_lab.filexfer.errors import DigestMismatchError, FilexferError
from twisted_lab.filexfer.names import Name
from twisted_lab.filexfer.receipt import Receipt
from twisted_lab.filexfer.small_file import SmallFile
from twisted_lab.filexfer.store import exclusive
from twisted_lab.filexfer.store.quota import Ledger
from twisted_lab.filexfer.store.root import Root
from twisted_lab.filexfer.store.store import Store

ALGORITHM = "sha-256"
TARGET = ("d", "f")
OLD = b"old"
NEW = b"new content, longer than the old one"
LARGE = bytes(2**20) + NEW
ABSENT = Condition(absent=True)
QUOTA = 2**30


@dataclass(frozen=True)
class Scenario:
    """
    `prepare` makes what is there before, in an empty directory; `run` does something to it.

    What is `atomic` is there as before or as after, and nothing else; of the rest, that holds for each file by itself.
    """

    prepare: Callable[[Path], object]
    act: Callable[[Store], object]
    atomic: bool = True

    def run(self, root: Root, ledger: Ledger) -> None:
        """Do it, and raise what it raises."""
        self.act(Store(root, ledger=ledger))


def counted(root: Root) -> Ledger:
    """Give a ledger of what is in `root` now."""
    ledger = Ledger(root, QUOTA)
    ledger.count()
    return ledger


def digest(content: bytes) -> str:
    """Give the digest of `content`, as text."""
    return f"{ALGORITHM}:{hashlib.sha256(content).hexdigest()}"


def put(  # noqa: PLR0913 - each is a way to put
    store: Store,
    content: bytes = NEW,
    target: Name = TARGET,
    *,
    size: int | None = -1,
    condition: Condition = ANYWAY,
    durability: Durability = Durability.DIRECTORY,
    claimed: bytes | None = None,
) -> Receipt:
    """Put `content` as a session does: compare what is left over, go on or begin again, write two pieces, finish."""
    incoming = store.receive(target, size=len(content) if size == -1 else size, algorithm=ALGORITHM)
    try:
        while incoming.hash_left_over(2**16):
            pass
        if incoming.digest != digest(content[: incoming.offset]):
            incoming.restart()
        middle = max(incoming.received, len(content) // 2)
        incoming.write([content[incoming.received : middle]])
        incoming.write([content[middle:-1], content[max(middle, len(content) - 1) :]])
        expected = digest(content if claimed is None else claimed)
        receipt = incoming.finish(expected, mtime_ns=0, mode=0o640, condition=condition, durability=durability)
    finally:
        incoming.close()
    assert (receipt.path, receipt.digest, receipt.size) == ("/".join(target), expected, len(content))
    return receipt


def put_in_two_steps(store: Store) -> None:
    """Put where the kernel has no exclusive rename."""
    with mock.patch.object(exclusive, "_libc", object()):
        put(store, condition=ABSENT)


def put_damaged(store: Store) -> None:
    """Put what doesn't arrive as it was sent."""
    try:
        put(store, claimed=b"something else")
    except DigestMismatchError:
        return
    raise AssertionError


GROUP: Sequence[tuple[Name, bytes]] = (
    (TARGET, NEW),
    (("d", "new"), b""),
    (("made", "below", "a"), b"a"),
    (("made", "below", "b"), b"b"),
)


def put_group(store: Store, files: Sequence[tuple[Name, bytes]] = GROUP, condition: Condition = ANYWAY) -> None:
    """Put a group, and raise the first of its errors."""
    group = [SmallFile(name, content, digest(content), 0, 0o640) for name, content in files]
    for (name, content), outcome in zip(
        files, store.receive_small(group, Durability.DIRECTORY, condition), strict=True
    ):
        if isinstance(outcome, FilexferError):
            raise outcome
        assert (outcome.path, outcome.digest, outcome.size) == ("/".join(name), digest(content), len(content))


def nothing(directory: Path) -> None:
    """Nothing is there but the directory that the target is in."""
    (directory / "d").mkdir()


def old(directory: Path) -> None:
    """The target has other content."""
    nothing(directory)
    directory.joinpath(*TARGET).write_bytes(OLD)


def left_over(content: bytes, size: int = len(NEW)) -> Callable[[Path], None]:
    """A put of the target was broken off when `content` had arrived."""

    def prepare(directory: Path) -> None:
        old(directory)
        with Root(directory) as root:
            incoming = Store(root).receive(TARGET, size=size, algorithm=ALGORITHM)
            incoming.write([content])
            incoming.close()

    return prepare


def link(directory: Path) -> None:
    """The target is a symbolic link."""
    nothing(directory)
    directory.joinpath(*TARGET).symlink_to("elsewhere")


def empty_directory(directory: Path) -> None:
    """There is a directory with nothing in it."""
    old(directory)
    (directory / "d" / "empty").mkdir()


def full_of_left_over(directory: Path) -> None:
    """There is a directory with nothing in it but what a broken put left."""
    empty_directory(directory)
    with Root(directory) as root:
        incoming = Store(root).receive(("d", "empty", "f"), size=9, algorithm=ALGORITHM)
        incoming.write([b"part"])
        incoming.close()
    os.symlink("x", directory / "d" / "empty" / f".filexfer-{'0' * 32}")  # noqa: PTH211


SCENARIOS = {
    "put": Scenario(nothing, put),
    "put, replacing": Scenario(old, put),
    "put, replacing a link": Scenario(link, put),
    "put, if absent": Scenario(nothing, lambda store: put(store, condition=ABSENT)),
    "put, if absent, in two steps": Scenario(nothing, put_in_two_steps),
    "put, if unchanged": Scenario(old, lambda store: put(store, condition=Condition(etag=store.stat(TARGET).etag))),
    "put, resumed": Scenario(left_over(NEW[:5]), put),
    "put, resumed at its end": Scenario(left_over(NEW), put),
    "put, resumed with other content": Scenario(left_over(b"other bytes"), put),
    "put, large": Scenario(old, lambda store: put(store, LARGE)),
    "put, large, begun again": Scenario(left_over(b"other", len(LARGE)), lambda store: put(store, LARGE)),
    "put, empty": Scenario(old, lambda store: put(store, b"")),
    "put, of unknown size": Scenario(old, lambda store: put(store, size=None)),
    "put, to memory": Scenario(old, lambda store: put(store, durability=Durability.MEMORY)),
    "put, to the file": Scenario(old, lambda store: put(store, durability=Durability.FILE)),
    "put, damaged": Scenario(old, put_damaged),
    "group": Scenario(old, put_group, atomic=False),
    "group, if absent": Scenario(nothing, lambda store: put_group(store, condition=ABSENT), atomic=False),
    "group of one": Scenario(nothing, lambda store: put_group(store, GROUP[:1])),
    "mkdir": Scenario(nothing, lambda store: store.make_directory(("d", "new"))),
    "mkdir, with parents": Scenario(
        nothing, lambda store: store.make_directory(("d", "new", "below"), parents=True), atomic=False
    ),
    "symlink": Scenario(nothing, lambda store: store.make_symlink(TARGET, "g", ABSENT)),
    "symlink, replacing": Scenario(old, lambda store: store.make_symlink(TARGET, "g", Condition())),
    "rename": Scenario(old, lambda store: store.rename(TARGET, ("d", "g"), Condition())),
    "rename, if absent": Scenario(old, lambda store: store.rename(TARGET, ("g",), ABSENT)),
    "rename, if unchanged": Scenario(
        old, lambda store: store.rename(TARGET, ("g",), Condition(etag=store.stat(TARGET).etag))
    ),
    "rename, of a directory": Scenario(old, lambda store: store.rename(("d",), ("e",), Condition())),
    "remove": Scenario(old, lambda store: store.remove(TARGET)),
    "remove, of a directory": Scenario(empty_directory, lambda store: store.remove(("d", "empty"))),
    "remove, of left-over": Scenario(full_of_left_over, lambda store: store.remove(("d", "empty"))),
}
