"""
Which descriptors this process has open.

Not how many: what earlier tests have left for garbage may be closed at any time, and nothing is to be had from
collecting it first but a suite that takes twice as long.
"""

import os

Descriptors = frozenset[tuple[int, int, int]]


def descriptors() -> Descriptors:
    """Give what is open: each descriptor's number, with its file's device and inode, for numbers are used again."""
    found = set()
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - nothing but the names
        try:
            facts = os.fstat(int(name))
        except OSError:  # the one that the list was read from
            continue
        found.add((int(name), facts.st_dev, facts.st_ino))
    return frozenset(found)


def opened_since(before: Descriptors) -> Descriptors:
    """Give what is open now and wasn't `before`."""
    return descriptors() - before
