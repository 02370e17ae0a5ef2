"""
How many connections each of several processes has, in memory that all of them share.

Each process writes its own number and reads those of the others. There is no lock: two that accept at the same instant
may both take the last place, so that a bound on all of them is exceeded by at most one connection a process.
"""

import mmap

#: Bytes of a number.
ITEM = 4
#: How many times the others' connections, and two more, a process may have before it lets them go first.
SLACK = 1.25


class Tally:
    """The numbers of `count` processes, in the file that `descriptor` is open for; this process writes at `slot`."""

    def __init__(self, descriptor: int, count: int, slot: int) -> None:
        self._numbers = memoryview(mmap.mmap(descriptor, count * ITEM)).cast("I")
        self._slot = slot

    def set(self, number: int) -> None:
        """Say how many connections this process has."""
        self._numbers[self._slot] = number

    def elsewhere(self) -> int:
        """Give how many connections the other processes have."""
        return sum(self._numbers) - self._numbers[self._slot]

    def is_ahead(self) -> bool:
        """Tell whether this process has clearly more connections than the others have on average."""
        others = len(self._numbers) - 1
        return self._numbers[self._slot] * others > self.elsewhere() * SLACK + 2 * others
