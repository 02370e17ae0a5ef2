"""A second thread for a file that comes fast: it writes while the first one receives."""

import os
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

#: Bytes of a buffer, how many there are in a ring, and how many rings in the process.
RECEIVED = 2**20
RING = 8
RINGS = 2

Observer = Callable[[memoryview], object]


class Writer:
    """
    A thread that writes to a file, and may `observe`, what another one receives meanwhile into the buffers of a ring.

    There are only so many rings, and the processors that they are for: who gets none writes by itself.
    """

    _rings: SimpleQueue[list[memoryview]] = SimpleQueue()
    for _ in range(RINGS):
        _rings.put([])

    @classmethod
    def start(cls, descriptor: int, observe: Observer | None) -> "Writer | None":
        """Start one, if there is a ring for it."""
        try:
            ring = cls._rings.get_nowait()
        except Empty:
            return None
        try:
            return cls(descriptor, observe, ring)
        except (MemoryError, RuntimeError):  # the second is what a thread too many is
            cls._rings.put(ring)
            return None

    def __init__(self, descriptor: int, observe: Observer | None, ring: list[memoryview]) -> None:
        self.written = 0
        self.observe = observe
        self._descriptor = descriptor
        self._ring = ring or [memoryview(bytearray(RECEIVED)) for _ in range(RING)]
        self._filled: SimpleQueue[tuple[memoryview, int] | None] = SimpleQueue()
        self._free: SimpleQueue[memoryview] = SimpleQueue()
        for buffer in self._ring:
            self._free.put(buffer)
        self._next: memoryview | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def buffer(self) -> memoryview:
        """Give one that may be filled, the same until something of it is given; wait for it."""
        if self._next is None:
            self._next = self._free.get()
        return self._next

    def give(self, piece: memoryview, offset: int) -> None:
        """Have it written: the beginning of `buffer()`, or all of it."""
        self._next = None
        self._filled.put((piece, offset))

    def end(self) -> None:
        """Return when all is written; raises what was raised meanwhile, after which nothing more was written."""
        self._filled.put(None)
        self._thread.join()
        self._rings.put(self._ring)
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (given := self._filled.get()) is not None:
            piece, offset = given
            try:
                if self._error is None:
                    if self.observe is not None:
                        self.observe(piece)
                    write_all(self._descriptor, piece, offset)
                    self.written += len(piece)
            except BaseException as error:  # noqa: BLE001  # raised where it is asked for
                self._error = error
            self._free.put(memoryview(piece.obj))


def write_all(descriptor: int, piece: memoryview, offset: int) -> None:
    """Write all of `piece` from `offset` on; `OSError` if that can't be."""
    while piece:
        written = os.pwrite(descriptor, piece, offset)
        piece = piece[written:]
        offset += written
