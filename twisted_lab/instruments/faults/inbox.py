"""What waits for a fault: chunks of bytes, what faults before it have done to them, how much they are, and an end."""

from collections import deque
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

#: Bytes that a chunk is taken for at least, and each note besides: so much memory one takes.
LEAST = 256
#: Notes that go with the same bytes at most: one more than a capture shows, for it to say that there were more.
MAX_NOTES = 65


class Ending(Enum):
    """How a direction ends: by itself, or with the whole connection; that when its last bytes have arrived, or now."""

    END = "end"
    CLOSE = "close"
    CUT = "cut"


class Note(NamedTuple):
    """What a fault, by its name, has done, and when: seconds on the pipe's clock."""

    fault: str
    text: str
    time: float


class Chunk(NamedTuple):
    """Bytes that have come, at least one, and when; and what was done to them, or to others just before them."""

    data: bytes
    time: float
    notes: Sequence[Note] = ()

    @property
    def size(self) -> int:
        """How many bytes of memory it is taken for."""
        return max(LEAST, len(self.data)) + LEAST * len(self.notes)


class Inbox:
    """
    Chunks, in order, and then an `ending`; `size` is how many bytes they are taken for.

    What was done to chunks that are taken or forgotten is kept, for what the fault gives next.
    """

    def __init__(self) -> None:
        self.size = 0
        self.ending: Ending | None = None
        self._chunks: deque[Chunk] = deque()
        self._end_notes: Sequence[Note] = ()
        self._notes: list[Note] = []

    def __bool__(self) -> bool:
        """Whether there are chunks."""
        return bool(self._chunks)

    def put(self, chunk: Chunk) -> None:
        """Take another."""
        self._chunks.append(chunk)
        self.size += chunk.size

    def end(self, ending: Ending, notes: Sequence[Note]) -> None:
        """Take the end, and what was done to bytes that come no further. The first one counts."""
        if self.ending is None:
            self.ending, self._end_notes = ending, notes

    def take(self) -> Chunk:
        """Give the first."""
        chunk = self._chunks.popleft()
        self.size -= chunk.size
        if chunk.notes:
            self.keep(chunk.notes)
        return chunk

    def clear(self) -> None:
        """Forget all chunks."""
        for chunk in self._chunks:
            self.keep(chunk.notes)
        self.keep(self._end_notes)
        self._chunks.clear()
        self.size = 0

    def keep(self, notes: Sequence[Note]) -> None:
        """Keep what was done; of too much only the first."""
        self._notes += notes[: MAX_NOTES - len(self._notes)]

    def take_notes(self) -> Sequence[Note]:
        """Give what was kept, and forget it."""
        if not self._notes:
            return ()
        notes, self._notes = self._notes, []
        return notes
