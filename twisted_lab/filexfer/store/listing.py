"""
The entries of a directory, a page at a time, in the order of their names.

Between two pages nothing is held: the next one begins after the name that the last one ended with, on any connection,
after any time. So an entry that is there all the while is listed exactly once, whatever comes and goes around it. The
price is that each page reads the names of the whole directory, of which it keeps no more than it gives.
"""

import heapq
import os
from collections.abc import Iterator
from dataclasses import dataclass

from twisted_lab.filexfer.names import RESERVED, Name, check_name, component_on_disk, is_reserved, show_name
from twisted_lab.filexfer.status import Entry
from twisted_lab.filexfer.store.locking import open_readable
from twisted_lab.filexfer.store.root import Root, status_at, typed


@dataclass(frozen=True, slots=True)
class Page:
    """
    Some entries of a directory, in the order of their names.

    `next` is the name after which the next page begins, None if there are no more. `unnameable` is how many entries the
    directory has, on all pages together, that no client can name.
    """

    entries: list[Entry]
    next: str | None
    unnameable: int


def read_page(root: Root, name: Name, after: str, count: int) -> Page:
    """
    Give the `count` (one or more) entries of the directory `name` that come first after the name `after`.

    Names are in the order of their code points, which is that of their bytes. With ``""`` the first page is given.
    What is reserved isn't listed; entries that go while they are looked at are left out.
    """
    if after:
        check_name((after,))
    with root.open_directory(name) as directory, typed(name):
        found = _Names(directory)
        # One more than is given tells whether there are more.
        names = heapq.nsmallest(count + 1, (candidate for candidate in found if candidate > after))
        entries = []
        for candidate in names[:count]:
            try:
                status = status_at(directory, candidate.encode())
            except FileNotFoundError:
                continue
            entries.append(Entry(candidate, show_name(candidate), status))
    # Not that of the last entry: all that were found may have gone since.
    return Page(entries, names[count - 1] if len(names) > count else None, found.unnameable)


class _Names:
    """The names in a directory that clients can say, in the disk's order; how many others there are is counted."""

    def __init__(self, directory: int) -> None:
        self._directory = directory
        self.unnameable = 0

    def __iter__(self) -> Iterator[str]:
        reader = open_readable(self._directory)
        try:
            with os.scandir(reader) as scan:
                for found in scan:
                    text = found.name
                    # Most names are plain, and there may be many.
                    if text.isascii() and text.isprintable() and text[0] != RESERVED[0]:
                        yield text
                        continue
                    # The bytes on the disk: Python decoded them by the locale, which needn't be UTF-8.
                    raw = os.fsencode(text)
                    name = component_on_disk(raw)
                    if name is not None:
                        yield name
                    elif not is_reserved(raw.decode(errors="surrogateescape")):
                        self.unnameable += 1
        finally:
            os.close(reader)
