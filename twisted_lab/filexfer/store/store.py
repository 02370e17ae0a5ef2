"""One user's files: everything that can be asked of them."""

import stat
from collections.abc import Sequence

from twisted_lab.filexfer.conditions import ANYWAY, Condition, Durability
from twisted_lab.filexfer.errors import ChangedError, FilexferError, IsDirectoryError
from twisted_lab.filexfer.names import Name
from twisted_lab.filexfer.receipt import Receipt
from twisted_lab.filexfer.small_file import SmallFile
from twisted_lab.filexfer.status import Status
from twisted_lab.filexfer.store import changes
from twisted_lab.filexfer.store.incoming import Incoming
from twisted_lab.filexfer.store.listing import Page, read_page
from twisted_lab.filexfer.store.locking import check_condition
from twisted_lab.filexfer.store.outgoing import Outgoing
from twisted_lab.filexfer.store.quota import Ledger
from twisted_lab.filexfer.store.root import Root, show, typed
from twisted_lab.filexfer.store.small_files import receive_small
from twisted_lab.filexfer.store.small_reads import SmallReads


class Store:
    """
    The files of a root, as its user `owner` has them; any number of threads, and of stores, may use one root at once.

    All of this blocks. Everything raises `FilexferError`, in its kinds, and no other; no symbolic link is followed, and
    no name leads out of the root. What is changed is on the disk when a method returns, but for what a `Durability`
    says. What `ledger` doesn't count, it doesn't limit.
    """

    def __init__(self, root: Root, *, owner: str = "", ledger: Ledger | None = None) -> None:
        self._root = root
        self._owner = owner
        self._ledger = ledger or Ledger(root)

    def stat(self, name: Name) -> Status:
        """Give the facts of `name`, of the link itself if it is one."""
        return self._root.stat(name)

    def page(self, name: Name, after: str, count: int) -> Page:
        """Give the `count` entries of the directory `name` that come first after `after`; see `read_page`."""
        return read_page(self._root, name, after, count)

    def open(
        self, name: Name, *, algorithm: str, offset: int = 0, count: int | None = None, if_match: str | None = None
    ) -> Outgoing:
        """
        Open the regular file `name`, to read at most `count` bytes from `offset` on; it must be closed.

        Raises `ChangedError` if its etag isn't `if_match`, or if it ends before `offset`.
        """
        outgoing = Outgoing(self._root.open_file(name), show(name), algorithm, offset, count)
        if if_match is not None and outgoing.status.etag != if_match:
            outgoing.close()
            raise ChangedError(f"{show(name)}: it isn't what it was taken for")
        return outgoing

    def read_small(self, algorithm: str) -> SmallReads:
        """Give what reads small files whole, for a ``with``; digests are by `algorithm`."""
        return SmallReads(self._root, algorithm)

    def make_directory(self, name: Name, *, parents: bool = False) -> None:
        """Make a directory; with `parents` those above it too, and one that is there already is no error."""
        if parents:
            changes.make_directories(self._root, name)
        else:
            changes.make_directory(self._root, name)

    def make_symlink(self, name: Name, target: str, condition: Condition) -> None:
        """Make a symbolic link, as `condition` says; `BadNameError` if `target` might lead out of the root."""
        self._ledger.count()
        changes.make_symlink(self._root, self._ledger, name, target, condition)

    def rename(self, source: Name, target: Name, condition: Condition) -> None:
        """
        Give a file, directory or link another name, in place of what has that.

        The etag of `condition` is that of `source`: `ChangedError` if it has another. `ExistsError` if `target` is
        there and was to be absent, `BadNameError` if a directory would move into itself.
        """
        self._ledger.count()
        changes.rename(self._root, self._ledger, source, target, condition)

    def remove(self, name: Name, *, if_match: str | None = None) -> None:
        """Remove a file, a link or an empty directory; `ChangedError` if its etag isn't `if_match`."""
        self._ledger.count()
        changes.remove(self._root, self._ledger, name, if_match)

    def check(self, name: Name, condition: Condition) -> None:
        """Refuse a put of `name` that can't be published now: `IsDirectoryError`, or what `condition` says."""
        with self._root.open_parent(name) as (parent, last), typed(name):
            there = check_condition(parent, last, condition, show(name))
        if there is not None and stat.S_ISDIR(there.st_mode):
            raise IsDirectoryError(f"{show(name)}: it is a directory")

    def receive(self, name: Name, *, size: int | None, algorithm: str) -> Incoming:
        """Begin, or go on with, a put of `size` bytes, None if nobody knows; see `Incoming`. It must be closed."""
        self._ledger.count()
        return Incoming(self._root, name, size=size, algorithm=algorithm, owner=self._owner, ledger=self._ledger)

    def receive_small(
        self, files: Sequence[SmallFile], durability: Durability, condition: Condition = ANYWAY
    ) -> list[Receipt | FilexferError]:
        """Put many small files at once, each of them published or not by itself; see `small_files`."""
        self._ledger.count()
        return receive_small(self._root, files, durability, condition, ledger=self._ledger)
