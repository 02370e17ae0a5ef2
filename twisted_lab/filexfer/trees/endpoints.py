"""Names in a tree as files that a client puts and gets: never as paths, which lead wherever a link in them points."""

from twisted_lab.filexfer.client.sources import FileSource
from twisted_lab.filexfer.client.targets import FileTarget
from twisted_lab.filexfer.conditions import Condition, Durability
from twisted_lab.filexfer.errors import FilexferError, NotFoundError, SourceChangedError
from twisted_lab.filexfer.names import Name
from twisted_lab.filexfer.status import Status
from twisted_lab.filexfer.store.root import Root


class TreeSource(FileSource):
    """A file in a tree that is put; it was listed, so it is an error of the source if it isn't there any more."""

    def __init__(self, root: Root, name: Name, algorithm: str) -> None:
        super().__init__("/".join(name), algorithm)
        self._root = root
        self._name = name

    def _open(self) -> int:
        try:
            return self._root.open_file(self._name)
        except NotFoundError as error:
            raise SourceChangedError(str(error)) from error


class TreeTarget(FileTarget):
    """Where a file is got to in a tree; nothing that is planted on the way there leads out of it."""

    def __init__(self, root: Root, name: Name, algorithm: str, condition: Condition, durability: Durability) -> None:
        super().__init__("/".join(name), algorithm, condition, durability)
        self._tree = root
        self._name = name
        #: Whether it was this side that had something against it.
        self.refused = False

    def open(self, status: Status, *, resume: bool) -> None:
        """Open it, as `FileTarget` does."""
        try:
            super().open(status, resume=resume)
        except FilexferError:
            self.refused = True
            raise

    def _place(self) -> tuple[Root, Name]:
        return self._tree, self._name
