"""
What a terminal shows while something is moved: one line, drawn over again.

Bytes that were there from a broken transfer are shown apart, and don't count as speed. The line never goes backwards:
if a file has to be sent again it stands still until that is made up for.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.task import LoopingCall

from twisted_lab.cli.filexfer.units import show_duration, show_size

#: Seconds: between two drawings, until the first one, and how far back the rate looks.
_INTERVAL = 0.2
_DELAY = 1.0
_WINDOW = 5.0
_CLEAR = "\r\x1b[K"


class Progress:
    """
    The line; counts as well when nothing is to be drawn.

    `write` puts text on the terminal and `columns` tells how wide that is; both are None where there is none.
    """

    def __init__(
        self,
        clock: Any,
        write: Callable[[str], object] | None = None,
        columns: Callable[[], int] = lambda: 80,
    ) -> None:
        self._clock = clock
        self._write = write
        self._columns = columns
        self._began = clock.seconds()
        self._samples = deque([(self._began, 0)], maxlen=int(_WINDOW / _INTERVAL) + 1)
        self._drawn = False
        self._furthest = 0
        self._ticking = LoopingCall(self._tick)
        self._ticking.clock = clock
        #: Bytes: moved by this run, there before it, expected in all (None while nobody knows).
        self.moved = 0
        self.resumed = 0
        self.expected: int | None = None
        #: Files: done, and expected in all.
        self.files = 0
        self.expected_files: int | None = None

    def start(self) -> None:
        """Begin to draw, once a second has gone."""
        if self._write is not None:
            self._ticking.start(_INTERVAL)

    def stop(self) -> None:
        """Take the line away for good."""
        if self._ticking.running:
            self._ticking.stop()
        self.clear()

    def clear(self) -> None:
        """Take the line away, for something else to be written; it comes back by itself."""
        if self._drawn and self._write is not None:
            self._write(_CLEAR)
            self._drawn = False

    @property
    def is_shown(self) -> bool:
        """Whether anybody sees it."""
        return self._write is not None

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return float(self._clock.seconds() - self._began)

    @property
    def line(self) -> str:
        """What is to be shown now; empty if there is nothing to say."""
        done = self.moved + self.resumed
        self._furthest = max(self._furthest, done)
        rate = self._rate()
        parts = []
        if self.expected:
            parts.append(f"{min(100 * self._furthest // self.expected, 100):3}%")
            parts.append(f"{show_size(self._furthest)} of {show_size(max(self.expected, self._furthest))}")
        elif done:
            parts.append(show_size(self._furthest))
        if self.expected_files is not None and self.expected_files > 1:
            parts.append(f"{self.files} of {self.expected_files} files")
        elif self.files and self.expected_files is None:
            parts.append(f"{self.files} {'file' if self.files == 1 else 'files'}")
        if rate:
            parts.append(f"{show_size(rate)}/s")
        elif self.moved:  # before, both sides may have to hash what was there
            parts.append("finishing" if self.expected and done >= self.expected else "stalled")
        if self.expected and rate:
            parts.append(f"{show_duration(max(self.expected - done, 0) / rate)} left")
        if self.resumed:
            parts.append(f"({show_size(self.resumed)} were there)")
        return "  ".join(parts)

    def _rate(self) -> float:
        (since, before), now = self._samples[0], self._clock.seconds()
        return max(self.moved - before, 0) / (now - since) if now > since else 0.0

    def _tick(self) -> None:
        line = self.line
        if self._write is not None and line and self.seconds >= _DELAY:
            self._write(f"{_CLEAR}{line[: self._columns() - 1]}")
            self._drawn = True
        self._samples.append((self._clock.seconds(), self.moved))
