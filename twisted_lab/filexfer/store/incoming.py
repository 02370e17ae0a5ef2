"""One put on its way: reserved, hashed, written, and published if what arrived is what was sent."""

from collections.abc import Callable, Sequence
from typing import Any

from twisted_lab.filexfer.conditions import Condition, Durability
from twisted_lab.filexfer.digests import Digest, algorithm_of
from twisted_lab.filexfer.errors import BadRequestError, DigestMismatchError, FilexferError
from twisted_lab.filexfer.names import Name, join_name
from twisted_lab.filexfer.receipt import Receipt
from twisted_lab.filexfer.store import space
from twisted_lab.filexfer.store.quota import Ledger
from twisted_lab.filexfer.store.root import Root, show, typed
from twisted_lab.filexfer.store.staging import Staged, write_at
from twisted_lab.net.flow import Inflow
from twisted_lab.net.layer import Pause
from twisted_lab.net.writer import Observer

#: Bytes. For less, to ask the file system costs more than it saves.
_WORTH_RESERVING = 2**20
#: Bytes read at one time, which stay in the cache while they are hashed.
_PIECE = 2**18


class Incoming:
    """
    A file being put, for one thread at a time.

    `offset` bytes were there on opening, left over by a put that was broken off; `received` are there now, and what is
    written next follows them. The digest is of all bytes: those left over are hashed again, in as many calls of
    `hash_left_over` as one likes, or else when the first byte is written. Whatever becomes of it, it must be closed.
    """

    def __init__(  # noqa: PLR0913 - each is a fact of the put
        self,
        root: Root,
        target: Name,
        *,
        size: int | None,
        algorithm: str,
        owner: str = "",
        ledger: Ledger | None = None,
    ) -> None:
        """
        Open what is there of it, and reserve what isn't: of the user's share, and of the disk.

        `QuotaExceededError`, `NoSpaceError`: nothing is reserved then. A `size` of None is a stream whose length isn't
        known before its end: nothing of it is reserved before it comes, or left over after. Also what `Staged` raises.
        """
        self._target = target
        self._size = size
        self._ledger = ledger
        self._digest = Digest(algorithm)
        self._hashed = 0
        self._reserved = 0
        self._open = True
        self._settled = False
        self._staged = Staged(root, target, size=size, owner=owner)
        self.offset = self.received = self._staged.offset
        try:
            if size is not None:
                self._reserve(size - self._staged.found)
                self._reserve_blocks()
        except BaseException:
            self.close()
            raise

    @property
    def digest(self) -> str:
        """The digest, as text, of what was hashed so far: of what is left over, and then of what was written."""
        return self._digest.text

    def hash_left_over(self, most: int) -> bool:
        """Hash at most `most` more of the bytes that were there; tell whether there are more."""
        end = min(self._hashed + most, self.offset)
        while self._hashed < end:
            piece = self._staged.read_left_over(self._hashed, min(_PIECE, end - self._hashed))
            self._digest.update(piece)
            self._hashed += len(piece)
        return self._hashed < self.offset

    def restart(self) -> None:
        """Forget the bytes that were there: the file begins at 0."""
        with typed(self._target):
            space.give_back(self._staged.descriptor, 0)
        self._digest = Digest(self._digest.algorithm)
        self.offset = self.received = self._hashed = 0
        # They stay counted in the ledger until this put is over: as much is to come again.
        self._reserve_blocks()

    def write(self, pieces: Sequence[bytes]) -> None:
        """
        Append `pieces`, without joining them, and hash them.

        `BadRequestError` for more than the file's size, `NoSpaceError` or `QuotaExceededError` where there is no place
        for them; none of them is then taken.
        """
        self._hash_all_left_over()
        count = sum(map(len, pieces))
        self._make_room(count)
        with typed(self._target):
            write_at(self._staged.descriptor, pieces, self.received)
        for piece in pieces:
            self._digest.update(piece)
        self.received += count

    def inflow(self, count: int, also: Observer | None = None) -> Inflow:
        """
        Give what appends `count` bytes from a socket, and hashes them; `also` is called with each piece too.

        `FilexferError` as from `write`, from this or from its `move`.
        """
        self._hash_all_left_over()
        self._make_room(count)

        def observe(piece: memoryview) -> None:
            self._digest.update(piece)
            if also is not None:
                also(piece)

        return _Content(self._target, self._came, self._staged.descriptor, self.received, count, observe)

    def finish(
        self, digest: str, *, mtime_ns: int | None, mode: int | None, condition: Condition, durability: Durability
    ) -> Receipt:
        """
        Publish the file if `digest` is that of its bytes, as `Staged.publish` does, and close it.

        `BadRequestError` if bytes are missing, or if the digest is of another algorithm; `DigestMismatchError` if it
        is of other bytes, which are then discarded. `mtime_ns` is now, and `mode` 0o644, where they are None.
        """
        if self._size is not None and self.received != self._size:
            raise BadRequestError(f"{show(self._target)}: {self.received} bytes of {self._size} have arrived")
        if algorithm_of(digest) != self._digest.algorithm:
            raise BadRequestError(f"{show(self._target)}: a digest of {self._digest.algorithm} was agreed on")
        self._hash_all_left_over()
        if digest != self.digest:
            self.abandon()
            raise DigestMismatchError(f"{show(self._target)}: other bytes arrived than were sent; send it again")
        try:
            status = self._staged.publish(mtime_ns=mtime_ns, mode=mode, condition=condition, durability=durability)
        finally:
            if self._staged.published:
                self._settle(self.received - self._staged.replaced)
        # Some file systems (NFS) say only now that they couldn't hold it.
        self.close()
        return Receipt(join_name(self._target), digest, self.received, status.etag, durability)

    def abandon(self) -> None:
        """Remove what is there: the source changed, and these bytes are worth nothing."""
        try:
            self._staged.discard()
        except FilexferError:
            self._settle(self.received)
            raise
        self._settle(0)

    def close(self) -> None:
        """
        Let go of it, and give back what it reserved; a second time does nothing.

        Unless it was published or abandoned, what has arrived stays to resume from; of a stream, nothing does.
        """
        if not self._open:
            return
        self._open = False
        try:
            if not self._settled:
                self._leave()
        finally:
            self._staged.close()

    def _leave(self) -> None:
        if self._size is None or self.received == 0:
            self.abandon()
            return
        try:
            with typed(self._target):
                # Also cuts off what a write that failed may have left beyond.
                space.give_back(self._staged.descriptor, self.received)
        finally:
            self._settle(self.received)

    def _came(self, count: int) -> None:
        self.received += count

    def _make_room(self, count: int) -> None:
        if self._size is None:
            self._reserve(count)
        elif self.received + count > self._size:
            raise BadRequestError(f"{show(self._target)}: more than the {self._size} bytes that were announced")

    def _hash_all_left_over(self) -> None:
        self.hash_left_over(self.offset)

    def _reserve(self, count: int) -> None:
        if self._ledger is not None and count > 0:
            self._ledger.reserve(count)
            self._reserved += count

    def _reserve_blocks(self) -> None:
        count = (self._size or 0) - self.offset
        if count >= _WORTH_RESERVING:
            with typed(self._target):
                space.reserve(self._staged.descriptor, self.offset, count)

    def _settle(self, there: int) -> None:
        """Count the bytes that are there of it, once, in place of those that were and those that were reserved."""
        if not self._settled:
            self._settled = True
            if self._ledger is not None:
                self._ledger.commit(there - self._staged.found)
                self._ledger.release(self._reserved)


class _Content(Inflow):
    """What comes from a socket, as if it were written: `came` is told how many bytes a go has brought."""

    def __init__(self, target: Name, came: Callable[[int], None], *flow: Any) -> None:
        super().__init__(*flow)
        self._target = target
        self._came = came

    def move(self, connection: int, most: int) -> Pause:
        before = self.written
        try:
            with typed(self._target):
                return super().move(connection, most)
        finally:
            self._came(self.written - before)
