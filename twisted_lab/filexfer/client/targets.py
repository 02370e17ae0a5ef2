"""
Where a client's get goes: a local file, or a stream. All of this blocks, and runs in threads.

A local file is staged beside its target and published whole, as the server does with what is put; so a broken get
leaves no half of a file, but a beginning to go on from. It isn't believed for its length: its digest is compared with
the server's.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import BinaryIO

from twisted_lab.filexfer.conditions import Condition, Durability
from twisted_lab.filexfer.digests import Digest
from twisted_lab.filexfer.errors import ChangedError, DigestMismatchError, ExistsError, NotFoundError
from twisted_lab.filexfer.names import Name, parse_name, show_name
from twisted_lab.filexfer.receipt import Receipt
from twisted_lab.filexfer.status import Status
from twisted_lab.filexfer.store.incoming import Incoming
from twisted_lab.filexfer.store.os_errors import from_os_error
from twisted_lab.filexfer.store.root import Root
from twisted_lab.net.flow import Inflow


class FileTarget:
    """
    A local file, published when all of it is there and has the digest that was sent.

    `offset`: how many bytes are there already.
    """

    offset = 0

    def __init__(
        self, path: str | os.PathLike[str], algorithm: str, condition: Condition, durability: Durability
    ) -> None:
        self._path = os.fspath(path)
        self._algorithm = algorithm
        self._condition = condition
        self._durability = durability
        self._root: Root | None = None
        self._incoming: Incoming | None = None

    def open(self, status: Status, *, resume: bool) -> None:
        """
        Open what is left over, or nothing, for a file of that `status`; reserve what is missing on the disk.

        Raises what the condition, the directory or the disk say against it: before anything was transferred.
        """
        self._status = status
        root, name = self._place()
        self._check(root, name)
        self._incoming = Incoming(root, name, size=status.size, algorithm=self._algorithm)
        self.offset = self._incoming.offset
        if self.offset and not resume:
            self.restart()

    def hash_left_over(self, most: int) -> bool:
        """Hash at most `most` more of what is left over; tell whether there is more."""
        return self._opened().hash_left_over(most)

    @property
    def digest(self) -> str:
        """The digest of what was hashed."""
        return self._opened().digest

    def restart(self) -> None:
        """Forget what was left over."""
        self._opened().restart()
        self.offset = 0

    def begin(self) -> None:
        """Begin with what follows `offset`: its digest is another than the file's."""
        self._rest = Digest(self._algorithm)

    def write(self, pieces: Sequence[bytes]) -> None:
        """Append, and hash."""
        self._opened().write(pieces)
        if self.offset:
            for piece in pieces:
                self._rest.update(piece)

    def inflow(self, count: int) -> Inflow:
        """Give what appends `count` bytes from a socket, and hashes them."""
        return self._opened().inflow(count, self._rest.update if self.offset else None)

    def finish(self, digest: str) -> Receipt:
        """Publish it, if `digest` is that of what was written; `DigestMismatchError`, and it is discarded, if not."""
        incoming = self._opened()
        if self.offset:
            if digest != self._rest.text:
                self.abandon()
                raise DigestMismatchError(f"{show_name(self._path)}: other bytes arrived than were sent; get it again")
            digest = incoming.digest  # what was there before has been compared
        receipt = incoming.finish(
            digest,
            mtime_ns=self._status.mtime_ns,
            mode=self._status.mode & 0o777,
            condition=self._condition,
            durability=self._durability,
        )
        return replace(receipt, path=self._path)

    def abandon(self) -> None:
        """Discard what is there: it is worth nothing."""
        self._opened().abandon()

    def close(self) -> None:
        """Let go of it; unless it was published or abandoned, what is there stays, to resume from."""
        try:
            if self._incoming is not None:
                self._incoming.close()
        finally:
            if self._root is not None:
                self._root.close()

    def _place(self) -> tuple[Root, Name]:
        """Give its name, and the root that it is in."""
        directory, last = os.path.split(self._path)
        name = parse_name(last)
        self._root = Root(directory or os.curdir)
        return self._root, name

    def _check(self, root: Root, name: Name) -> None:
        """Refuse at once what would be refused at the end."""
        if self._condition == Condition():
            return
        try:
            found: str | None = root.stat(name).etag
        except NotFoundError:
            found = None
        if self._condition.absent and found is not None:
            raise ExistsError(f"{show_name(self._path)}: it exists already")
        if self._condition.etag is not None and self._condition.etag != found:
            raise ChangedError(f"{show_name(self._path)}: it isn't what it was taken for")

    def _opened(self) -> Incoming:
        if self._incoming is None:
            raise RuntimeError("the target isn't open")
        return self._incoming


class StreamTarget:
    """A stream, which gets the bytes as they come: whether they are right is known only after the last."""

    offset = 0

    def __init__(self, stream: BinaryIO, algorithm: str) -> None:
        self._stream = stream
        self._digest = Digest(algorithm)

    def open(self, status: Status, *, resume: bool) -> None:
        """Take notice of what will come."""
        self._status = status

    def begin(self) -> None:
        """Do nothing: it is open."""

    def write(self, pieces: Sequence[bytes]) -> None:
        """Write, and hash."""
        try:
            for piece in pieces:
                left = memoryview(piece)
                while left:  # a raw stream takes what it likes
                    left = left[self._stream.write(left) or 0 :]
                self._digest.update(piece)
        except OSError as error:
            raise from_os_error(error, "the stream") from error

    def finish(self, digest: str) -> Receipt:
        """Flush; `DigestMismatchError` if other bytes were written than were sent."""
        try:
            self._stream.flush()
        except OSError as error:
            raise from_os_error(error, "the stream") from error
        if digest != self._digest.text:
            raise DigestMismatchError("other bytes arrived than were sent, and are in the stream; get it again")
        return Receipt("", digest, self._status.size, self._status.etag, Durability.MEMORY)

    def abandon(self) -> None:
        """Do nothing: what is written is written."""

    def close(self) -> None:
        """Leave it open: it is the caller's."""


Target = FileTarget | StreamTarget
