"""Two walks side by side, name by name."""

from collections.abc import AsyncIterator

from twisted_lab.filexfer.trees.items import Event

#: What the one side has of a name, and what the other.
Pair = tuple[Event | None, Event | None]


async def merged(source: AsyncIterator[Event], target: AsyncIterator[Event]) -> AsyncIterator[Pair]:
    """
    Give what both sides have, in their common order; None for the side that doesn't have that name.

    That a directory can't be listed is met when both sides are in it: its name comes before theirs, so it is given at
    once, by itself.
    """
    left, right = _Side(source), _Side(target)
    await left.go_on()
    await right.go_on()
    while True:
        pair = left.take_if(right), right.take_if(left)
        if pair == (None, None):
            return
        yield pair
        for side, met in zip((left, right), pair, strict=True):
            if met is not None:
                await side.go_on()


class _Side:
    """One walk, and what it met last."""

    def __init__(self, events: AsyncIterator[Event]) -> None:
        self._events = events
        self.head: Event | None = None

    async def go_on(self) -> None:
        self.head = await anext(self._events, None)

    def take_if(self, other: "_Side") -> Event | None:
        """Give what was met, unless the other side's name comes first."""
        if self.head is None or (other.head is not None and other.head.name < self.head.name):
            return None
        return self.head
