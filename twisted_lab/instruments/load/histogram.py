"""
Times in HdrHistograms: 1 µs to 1 h, to three significant digits.

A value takes `hdrh.histogram`, which is Python, several times as long as an increment in a dictionary
(benchmarks/load.py measures both), and each message has several. So `Times` counts equal microseconds in a dictionary,
and gives them to a histogram when an interval is over.
"""

import io
from collections.abc import Iterable
from typing import Any

from hdrh.histogram import HdrHistogram

MICROSECONDS = 1_000_000
LOWEST, HIGHEST, DIGITS = 1, 3600 * MICROSECONDS, 3
#: What is shown of a histogram, in percent.
PERCENTILES = (50.0, 90.0, 99.0, 99.9, 99.99)


def make_histogram() -> Any:
    """Give an empty histogram of microseconds."""
    return HdrHistogram(LOWEST, HIGHEST, DIGITS)


class Times:
    """Times that are being measured, in seconds; `flush` empties it. Bound: as many as there are values between."""

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}

    def record(self, seconds: float, count: int = 1) -> None:
        """Count a time, so often."""
        microseconds = int(seconds * MICROSECONDS)
        counts = self.counts
        counts[microseconds] = counts.get(microseconds, 0) + count

    def flush(self) -> str:
        """Give a histogram of what has been counted, in its own encoding, which loses nothing; then begin anew."""
        counts, self.counts = self.counts, {}
        histogram = make_histogram()
        for microseconds, count in counts.items():
            histogram.record_value(min(max(microseconds, LOWEST), HIGHEST), count)
        encoded: bytes = histogram.encode()
        return encoded.decode()


def merge(encoded: Iterable[str]) -> Any:
    """Give the histogram of all that is in these; nothing is lost by it."""
    histogram = make_histogram()
    for each in encoded:
        histogram.decode_and_add(each)
    return histogram


def percentile(histogram: Any, percent: float) -> float:
    """Give a percentile in seconds; 0 of nothing."""
    return float(histogram.get_value_at_percentile(percent)) / MICROSECONDS if histogram.get_total_count() else 0.0


def summary(histogram: Any) -> dict[str, float]:
    """Give the percentiles that are shown, the mean and the largest, in seconds, and the count."""
    if not histogram.get_total_count():
        return {"count": 0}
    return {
        "count": histogram.get_total_count(),
        "mean": histogram.get_mean_value() / MICROSECONDS,
        **{f"p{percent:g}": percentile(histogram, percent) for percent in PERCENTILES},
        "max": histogram.get_max_value() / MICROSECONDS,
    }


def spectrum(histogram: Any) -> str:
    """Give HdrHistogram's own text of all percentiles, in milliseconds, as its plotters read it."""
    text = io.BytesIO()
    histogram.output_percentile_distribution(text, 1000.0)
    return text.getvalue().decode()
