"""What waits for a fault: chunks of bytes, and how much they are."""

from collections import deque
from typing import NamedTuple

#: Bytes that a chunk is taken for at least: so much it takes to keep one, however few it has.
LEAST = 256


class Chunk(NamedTuple):
    """Bytes that have come, at least one, and when: seconds on the pipe's clock."""

    data: bytes
    time: float


class Inbox:
    """Chunks, in order. `size` is how many bytes they are, with those that have few taken for more, so it is memory."""

    def __init__(self) -> None:
        self.size = 0
        self._chunks: deque[Chunk] = deque()

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._chunks)

    def put(self, chunk: Chunk) -> None:
        """Take another."""
        self._chunks.append(chunk)
        self.size += max(LEAST, len(chunk.data))

    def take(self) -> Chunk:
        """Give the first."""
        chunk = self._chunks.popleft()
        self.size -= max(LEAST, len(chunk.data))
        return chunk

    def clear(self) -> None:
        """Forget them all."""
        self._chunks.clear()
        self.size = 0
