"""The directories of the users, each opened when it is first needed and shared by all connections that use it."""

import threading
import time
from collections.abc import Iterable
from pathlib import Path

from twisted.logger import Logger

from twisted_lab.filexfer.errors import AccessError, FilexferError
from twisted_lab.filexfer.store.cleaning import remove_stale
from twisted_lab.filexfer.store.quota import Ledger
from twisted_lab.filexfer.store.root import Root
from twisted_lab.filexfer.store.store import Store


class Homes:
    """
    What is open of the directories at or below `root`, or elsewhere where a user's directory is absolute.

    `open_store` and `clean` block, and are for a thread pool; any number of threads may use them at once.
    """

    log = Logger()

    def __init__(self, root: Path, apart: Iterable[Path] = ()) -> None:
        """`apart`: the users' directories that aren't in the root, to be cleaned like the root itself."""
        self.root = root
        self._apart = [*apart]
        self._open: dict[tuple[Path, int | None], tuple[Root, Ledger]] = {}
        self._lock = threading.Lock()
        self._closed = False

    def open_store(self, owner: str, directory: Path, quota: int | None) -> Store:
        """
        Give the files of `owner`, in `directory`, at most `quota` bytes of them.

        A relative directory is in the root, and is made if it is missing; an absolute one must be there. Whoever has
        the same directory and quota shares what is counted of it. `AccessError` if it can't be opened: the sentence,
        which goes to the client, doesn't say why, the log does.
        """
        key = (directory, quota)
        if key not in self._open and not self._closed:
            # Not under the lock: a directory on a file system that hangs mustn't hold the other users.
            opened = self._open_root(owner, directory)
            with self._lock:
                kept = not self._closed and self._open.setdefault(key, (opened, Ledger(opened, quota)))[0] is opened
            if not kept:
                opened.close()
        with self._lock:
            if self._closed:
                raise AccessError("the server is stopping")
            root, ledger = self._open[key]
        return Store(root, owner=owner, ledger=ledger)

    def clean(self) -> None:
        """Remove what broken puts left everywhere, once it is too old to go on with; say so in the log."""
        with self._lock:
            opened = [*self._open.items()]
        for (directory, _), (root, ledger) in opened:  # first, so that the quotas have it back
            self._clean(directory, root, ledger)
        for directory in (self.root, *self._apart):
            try:
                with Root(directory) as root:
                    self._clean(directory, root, Ledger(root))
            except FilexferError as error:
                self._not_cleaned(directory, error)

    def close(self) -> None:
        """Let go of all directories; what is under way in other threads ends as it would have."""
        with self._lock:
            self._closed = True
            for root, _ in self._open.values():
                root.close()
            self._open.clear()

    def _open_root(self, owner: str, directory: Path) -> Root:
        try:
            return Root(self._find(directory))
        except (FilexferError, OSError) as error:
            self.log.error(  # noqa: TRY400  # an administrator's matter: the sentence says it all
                "filexfer: the directory {directory} of user {user!r} can't be opened: {error}",
                directory=str(directory),
                user=owner,
                error=str(error),
            )
            raise AccessError("the server can't open that user's files") from error

    def _clean(self, directory: Path, root: Root, ledger: Ledger) -> None:
        try:
            ledger.count()
            files, size = remove_stale(root, time.time())
            ledger.commit(-size)
        except FilexferError as error:
            self._not_cleaned(directory, error)
        else:
            if files:
                self.log.info(
                    "filexfer: {files} files of {size} B removed from {directory}, left there by broken puts",
                    files=files,
                    size=size,
                    directory=str(directory),
                )

    def _not_cleaned(self, directory: Path, error: FilexferError) -> None:
        self.log.warn("filexfer: {directory} isn't cleaned: {error}", directory=str(directory), error=str(error))

    def _find(self, directory: Path) -> Path:
        if directory.is_absolute():
            return directory
        path = self.root / directory
        # A link on the way out would have been somebody's who may write to the root; the administrator can say where.
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise AccessError("it leads out of the root; an absolute path may do that")
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path
