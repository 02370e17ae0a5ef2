"""How sure a median is."""

from random import Random
from statistics import median

from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.instruments.compare import bootstrap


class BootstrapTests(SynchronousTestCase):
    """`bootstrap`."""

    def test_the_interval_holds_the_median(self) -> None:
        """And lies within what was measured, the same for the same seed."""
        values = [100.0 + offset for offset in (-9, 3, 4, -2, 8, -5, 1, 0, 6)]
        low, high = bootstrap.interval(values)
        self.assertTrue(min(values) <= low <= median(values) <= high <= max(values))
        self.assertEqual(bootstrap.interval(values), (low, high))

    def test_most_intervals_hold_the_truth(self) -> None:
        """Of a hundred measurements of the same thing more than eighty intervals hold its median."""
        random = Random(1)  # noqa: S311  # for scatter
        held = 0
        for _ in range(100):
            low, high = bootstrap.interval([random.gauss(50, 5) for _ in range(12)])
            held += low <= 50 <= high
        self.assertGreater(held, 80)

    def test_no_difference_is_shown_where_there_is_none(self) -> None:
        """Two that were measured in the same rounds, and scatter about the same."""
        random = Random(3)  # noqa: S311
        values, reference = ([random.gauss(100, 10) for _ in range(10)] for _ in range(2))
        self.assertFalse(bootstrap.shows_difference(bootstrap.paired_ratio(values, reference)))
        self.assertFalse(bootstrap.shows_difference(bootstrap.ratio(values, reference)))

    def test_rounds_that_were_slow_for_both_dont_hide_a_difference(self) -> None:
        """Each round's ratio counts, not how the machine was in it."""
        reference = [100.0, 50.0, 200.0, 120.0, 80.0]
        values = [value * 1.1 for value in reference]
        self.assertTrue(bootstrap.shows_difference(bootstrap.paired_ratio(values, reference)))
        self.assertFalse(bootstrap.shows_difference(bootstrap.ratio(values, reference)))
