"""Bytes, rates and durations for people."""

import argparse

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.cli.filexfer.units import parse_rate, show_duration, show_size


class UnitTests(SynchronousTestCase):
    """What is shown, and what is read."""

    def test_sizes(self) -> None:
        """Bytes as they are up to 999, then one decimal in the unit that fits."""
        shown = [show_size(size) for size in (0, 999, 1000, 1024, 12_900_000, 2**20 - 1, 2**30, 2**60)]
        self.assertEqual(shown, ["0 B", "999 B", "1.0 KiB", "1.0 KiB", "12.3 MiB", "1.0 MiB", "1.0 GiB", "1024.0 PiB"])

    @given(st.integers(0, 2**53 - 1))
    def test_a_size_is_short(self, size: int) -> None:
        """No size needs more than nine characters: columns of them are straight."""
        self.assertLessEqual(len(show_size(size)), 9)

    def test_durations(self) -> None:
        """Seconds are rounded up: nothing that takes time is done in 0:00."""
        shown = [show_duration(seconds) for seconds in (0, 0.2, 59.5, 6.0000001, 165, 3765, 360_000)]
        self.assertEqual(shown, ["0:00", "0:01", "1:00", "0:06", "2:45", "1:02:45", "100:00:00"])

    def test_rates(self) -> None:
        """Letters are powers of 1024, small or large, with or without B behind them."""
        for text, rate in (("2048", 2048), ("1K", 1024), ("1.5k", 1536), ("10M", 10 * 2**20), ("1GiB", 2**30)):
            self.assertEqual(parse_rate(text), rate, text)

    def test_what_is_no_rate(self) -> None:
        """Nothing below 1K, nothing negative, nothing that isn't a number."""
        for text in ("", "0", "1023", "-1M", "fast", "10 M", "1e9", "nan", "inf", "10MB/s", "0.5K", "\u0661M"):
            with self.assertRaises(argparse.ArgumentTypeError, msg=text):
                parse_rate(text)
