"""The line that a terminal shows, on a clock of its own."""

import re

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.cli.filexfer.progress import Progress

MEBIBYTE = 2**20


class ProgressTests(SynchronousTestCase):
    """What is drawn, and when."""

    def setUp(self) -> None:
        """Show 100 MiB."""
        self.clock = Clock()
        self.drawn: list[str] = []
        self.progress = Progress(self.clock, self.drawn.append, lambda: 80)
        self.progress.expected = 100 * MEBIBYTE
        self.progress.start()
        self.addCleanup(self.progress.stop)

    def go(self, seconds: float, rate: float) -> str:
        """Let time pass while bytes move at `rate` a second; give what is shown then."""
        before, steps = self.progress.moved, round(seconds * 10)
        for step in range(1, steps + 1):
            self.progress.moved = before + round(step * rate / 10)
            self.clock.advance(0.1)
        return self.drawn[-1].removeprefix("\r\x1b[K") if self.drawn else ""

    def test_bytes_rate_and_time_left(self) -> None:
        """How much is done, how fast it goes, and how long it will take."""
        self.assertEqual(self.go(4, 10 * MEBIBYTE), " 40%  40.0 MiB of 100.0 MiB  10.0 MiB/s  0:06 left")

    def test_resumed_bytes_are_apart(self) -> None:
        """What was there counts as done, not as speed, and is named (rsync#822)."""
        self.progress.resumed = 50 * MEBIBYTE
        line = self.go(2, 10 * MEBIBYTE)
        self.assertEqual(line, " 70%  70.0 MiB of 100.0 MiB  10.0 MiB/s  0:03 left  (50.0 MiB were there)")

    def test_what_is_quick_shows_nothing(self) -> None:
        """Less than a second isn't worth a line; two seconds are."""
        self.assertEqual(self.go(0.8, MEBIBYTE), "")
        self.assertNotEqual(self.go(1.2, MEBIBYTE), "")

    def test_the_rate_is_that_of_the_last_seconds(self) -> None:
        """A transfer that has become slow says so, and one that stands says that."""
        self.go(4, 10 * MEBIBYTE)
        self.assertIn("  1.0 MiB/s  ", self.go(8, MEBIBYTE))
        self.assertEqual(self.go(8, 0), " 48%  48.0 MiB of 100.0 MiB  stalled")

    def test_when_nothing_moves_yet_or_any_more(self) -> None:
        """While what was there is hashed, and while the other side brings it to its disk, nothing has stalled."""
        self.assertEqual(self.go(2, 0), "  0%  0 B of 100.0 MiB")
        self.go(1, 100 * MEBIBYTE)
        self.assertEqual(self.go(8, 0), "100%  100.0 MiB of 100.0 MiB  finishing")

    def test_nothing_to_say(self) -> None:
        """Where there are neither bytes nor files, as for ls, there is no line; files alone are enough for one."""
        self.progress.expected = None
        self.assertEqual(self.go(3, 0), "")
        self.progress.files = 7
        self.assertEqual(self.go(1, 0), "7 files")

    def test_files(self) -> None:
        """Of a tree the files are counted too; while nobody knows how many there are, so far."""
        self.progress.files = 7
        self.assertIn("  7 files  ", self.go(2, MEBIBYTE))
        self.progress.expected_files = 20
        self.assertIn("  7 of 20 files  ", self.go(2, MEBIBYTE))

    def test_a_stream_of_unknown_length(self) -> None:
        """Without a total there is neither a percentage nor a time left."""
        self.progress.expected = None
        self.assertEqual(self.go(2, MEBIBYTE), "2.0 MiB  1.0 MiB/s")

    def test_never_wider_than_the_terminal(self) -> None:
        """A line that wrapped couldn't be drawn over."""
        narrow = Progress(self.clock, self.drawn.append, lambda: 20)
        narrow.expected = MEBIBYTE
        narrow.start()
        self.addCleanup(narrow.stop)
        self.clock.advance(2)
        self.assertLess(len(self.drawn[-1].removeprefix("\r\x1b[K")), 20)

    def test_out_of_the_way(self) -> None:
        """The line goes for other output, comes back by itself, and goes for good at the end."""
        self.go(2, MEBIBYTE)
        self.progress.clear()
        self.assertEqual(self.drawn[-1], "\r\x1b[K")
        self.progress.clear()
        self.assertEqual(self.drawn[-2:].count("\r\x1b[K"), 1)
        self.go(0.2, MEBIBYTE)
        self.progress.stop()
        self.assertEqual(self.drawn[-1], "\r\x1b[K")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_not_a_terminal(self) -> None:
        """Where there is nothing to draw on, nothing runs; it counts all the same."""
        silent = Progress(clock := Clock())
        silent.start()
        silent.moved = MEBIBYTE
        self.assertEqual(clock.getDelayedCalls(), [])
        self.assertIn("1.0 MiB", silent.line)

    @given(st.lists(st.tuples(st.integers(-(10**7), 10**8), st.floats(0, 10)), max_size=20))
    def test_never_backwards(self, steps: list[tuple[int, float]]) -> None:
        """Whatever is moved, or moved again, neither the percentage nor the bytes become less; 100 % is the most."""
        progress = Progress(clock := Clock())
        progress.expected = 10**8
        last = 0
        for moved, seconds in steps:
            progress.moved = max(0, progress.moved + moved)
            clock.advance(seconds)
            match = re.match(r" *(\d+)%", progress.line)
            assert match is not None
            self.assertTrue(last <= int(match[1]) <= 100)
            last = int(match[1])
