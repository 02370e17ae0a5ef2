"""A file is followed: what is written later comes later, and a file that is replaced is left for the next."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import example, given, strategies
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.instruments.capture import following
from twisted_lab.instruments.capture.following import follow

FILES = 4


class EnoughError(Exception):
    """A test has seen what it needs to."""


class Recording:
    """A recorder, step by step: each file has two pieces, and then they are renamed, the oldest first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._steps = self._work()
        self.go_on(1)

    def go_on(self, steps: int) -> None:
        """Take some steps."""
        for _ in range(steps):
            next(self._steps)

    def file(self, number: int) -> str:
        """Give the name of a file."""
        return f"{self.path}.{number}" if number else str(self.path)

    def _work(self) -> Iterator[None]:
        while True:
            for _ in range(2):
                self.count += 1
                file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.write(file, b"%d " % self.count)
                os.close(file)
                yield
            for number in range(FILES - 1, 0, -1):
                with contextlib.suppress(FileNotFoundError):
                    Path(self.file(number - 1)).replace(self.file(number))
                    yield


class FollowTests(SynchronousTestCase):
    """`follow`."""

    def setUp(self) -> None:
        """Make a directory."""
        self.directory = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.path = self.directory / "it.pcapng"
        self.lost = 0

    def lose(self) -> None:
        """Count it."""
        self.lost += 1

    def test_what_comes_later(self) -> None:
        """Bytes come as they are written; what was written just before the file was replaced isn't lost."""
        self.path.write_bytes(b"one ")

        def append() -> None:
            with self.path.open("ab") as file:
                file.write(b"two ")

        def replace() -> None:
            with self.path.open("ab") as file:
                file.write(b"three ")
            self.path.rename(f"{self.path}.1")

        steps = [append, replace, lambda: self.path.write_bytes(b"four "), append]
        pieces = follow(self.path, lambda _: steps.pop(0)(), self.lose)
        self.assertEqual([next(pieces) for _ in range(6)], [b"one ", b"two ", b"three ", b"", b"four ", b"two "])
        self.assertEqual(self.lost, 0)

    def test_several_files_between_two_looks(self) -> None:
        """All that are still there are read, each from its beginning."""
        recording = Recording(self.path)
        looks = [FILES * (FILES - 1)]
        pieces = follow(self.path, lambda _: recording.go_on(looks.pop()), self.lose)
        self.assertEqual([next(pieces) for _ in range(7)], [b"1 ", b"2 ", b"", b"3 4 ", b"", b"5 6 ", b""])
        self.assertEqual(self.lost, 0)

    def test_files_that_are_gone(self) -> None:
        """It is said that there may have been more, once; then the oldest that is there comes next."""
        recording = Recording(self.path)
        looks = [3, 100]
        pieces = follow(self.path, lambda _: recording.go_on(looks.pop()), self.lose)
        shown = [next(pieces) for _ in range(10)]
        numbers = [int(word) for word in b"".join(shown).split()]
        self.assertEqual(numbers[:2], [1, 2])  # the file that was open is read to its end
        self.assertGreater(numbers[2], 3)
        self.assertEqual(numbers[2:], [*range(numbers[2], recording.count + 1)])
        self.assertEqual(self.lost, 1)

    def test_a_recorder_that_begins_anew(self) -> None:
        """It removes the file, and its predecessors stay: those were there before, and nothing is missing."""
        for number, text in ((2, b"older "), (1, b"old "), (0, b"one ")):
            path = Path(f"{self.path}.{number}") if number else self.path
            path.write_bytes(text)
            os.utime(path, (1000 - number, 1000 - number))

        def begin_anew(_: float) -> None:
            self.path.unlink()
            self.path.write_bytes(b"two ")

        pieces = follow(self.path, begin_anew, self.lose)
        self.assertEqual([next(pieces) for _ in range(3)], [b"one ", b"", b"two "])
        self.assertEqual(self.lost, 0)

    @given(strategies.lists(strategies.integers(0, 20), max_size=30))
    @example([8, 0, 0, 0, 2, 0, 0, 0])  # FILE.1 is renamed after it was opened, and opened again as FILE.2
    def test_renamed_at_any_time(self, steps: list[int]) -> None:
        """Whatever is renamed between any two looks, all comes once and in order, or it is said that it may not."""
        self.lost = 0
        with tempfile.TemporaryDirectory() as directory:
            recording = Recording(Path(directory) / "it.pcapng")
            rest = [*steps, 8]  # so that the last file is there in the end
            quiet = 0

            def go_on() -> None:
                if rest:
                    recording.go_on(rest.pop(0))

            def sleep(_: float) -> None:
                nonlocal quiet
                go_on()
                quiet += not rest
                if quiet > 3 and recording.path.exists():
                    raise EnoughError
                if quiet > 3:
                    recording.go_on(1)

            def hooked(method: Any) -> Any:
                def do(*arguments: Any) -> Any:
                    go_on()
                    return method(*arguments)

                return do

            pieces = follow(recording.path, sleep, self.lose)
            shown = next(pieces)
            with (
                patch.object(following, "MAX_FILES", FILES + 1),
                patch.object(Path, "open", hooked(Path.open)),
                patch.object(Path, "stat", hooked(Path.stat)),
                contextlib.suppress(EnoughError),
            ):
                for piece in pieces:
                    shown += piece
            numbers = [int(word) for word in shown.split()]
            self.assertEqual(numbers, sorted({*numbers}))
            self.assertEqual(numbers[-1], recording.count)
            if not self.lost:
                self.assertEqual(numbers, [*range(1, recording.count + 1)])
