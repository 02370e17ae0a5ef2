"""
What a walk through a tree meets, in the order that both sides of a transfer share.

That order is a directory, then what is in it, then its next sibling; siblings by their names' code points. It is the
order of the names as tuples, so two walks are merged by comparing names.
"""

from dataclasses import dataclass

from twisted_lab.filexfer.errors import FilexferError
from twisted_lab.filexfer.names import Name
from twisted_lab.filexfer.status import Status


@dataclass(frozen=True, slots=True)
class Item:
    """
    Something that takes part: `name` in the tree, and `status`.

    `source` is where it is read: another name in the same tree, and `status` the facts there, if `name` is a link
    that is followed.
    """

    name: Name
    status: Status
    source: Name


@dataclass(frozen=True, slots=True)
class Excluded:
    """`name` doesn't take part, by a filter; nor does what is in it."""

    name: Name


@dataclass(frozen=True, slots=True)
class Skipped:
    """`name` is there and isn't carried: a link, FIFO, socket or device; `why` is a few words."""

    name: Name
    why: str


@dataclass(frozen=True, slots=True)
class Failed:
    """
    What is at `name`, or something in that directory, can't be known: its absence here says nothing.

    A failure to list a directory comes when it is met: before, between or after what is in it.
    """

    name: Name
    error: FilexferError


Event = Item | Excluded | Skipped | Failed
