"""Times and histograms: what is counted comes out again, whoever counted it."""

from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.instruments.load.histogram import Times, make_histogram, merge, percentile, spectrum, summary


class HistogramTests(SynchronousTestCase):
    """`Times`, and what is done with their histograms."""

    @given(st.lists(st.lists(st.integers(1, 3_600_000_000), max_size=30), min_size=1, max_size=4))
    def test_nothing_is_lost_by_flushing_and_merging(self, parts: list[list[int]]) -> None:
        """Histograms of several processes together are the one that a single process would have made."""
        alone = make_histogram()
        encoded = []
        for part in parts:
            times = Times()
            for microseconds in part:
                times.record((microseconds + 0.5) / 1e6)
                alone.record_value(microseconds)
            encoded.append(times.flush())
        self.assertEqual(merge(encoded).encode(), alone.encode())

    def test_a_flush_begins_anew(self) -> None:
        """What was handed on isn't counted twice."""
        times = Times()
        times.record(0.25, 3)
        self.assertEqual(summary(merge([times.flush()]))["count"], 3)
        self.assertEqual(summary(merge([times.flush()])), {"count": 0})

    def test_percentiles_are_in_seconds(self) -> None:
        """Three digits of a quarter of a second, and 0 where nothing was measured."""
        times = Times()
        times.record(0.25)
        histogram = merge([times.flush()])
        self.assertAlmostEqual(percentile(histogram, 99), 0.25, places=3)
        self.assertEqual(percentile(make_histogram(), 99), 0)

    def test_times_beyond_the_range_count_as_its_ends(self) -> None:
        """A time of nothing, or of two hours, is counted all the same."""
        times = Times()
        times.record(0.0)
        times.record(7200.0)
        numbers = summary(merge([times.flush()]))
        self.assertEqual(numbers["count"], 2)
        self.assertApproximates(numbers["max"], 3600, 4)

    def test_the_text_is_what_histogram_plotters_read(self) -> None:
        """The spectrum is in milliseconds and ends with HdrHistogram's own lines."""
        times = Times()
        times.record(0.25)
        self.assertRegex(spectrum(merge([times.flush()])), r"(?s)Value +Percentile.*250\.\d+ 1\.0.*#\[Mean")

    def test_other_programs_can_read_it(self) -> None:
        """The encoding is HdrHistogram's own, base64."""
        times = Times()
        times.record(0.001)
        self.assertEqual(HdrHistogram.decode(times.flush()).get_total_count(), 1)
