"""A load's times as a table."""

from twisted_lab.instruments.load.measurement import Measurement
from twisted_lab.instruments.units import show_seconds

ROWS = {
    "latency": "latency, from when it was due",
    "service": "service, from when it was sent",
    "lateness": "the load's lateness",
    "loop_delay": "the load's reactor, delay",
}
COLUMNS = ("p50", "p90", "p99", "p99.9", "max")


def times(measurement: Measurement) -> list[list[str]]:
    """Give headings, and a line for each kind of time; in a closed loop nothing is due before it is sent."""
    rows = [["", *COLUMNS]]
    for name, words in ROWS.items():
        if measurement.plan.rate is not None or name not in {"latency", "lateness"}:
            numbers = measurement.summaries[name]
            rows.append([words, *(show_seconds(numbers[column]) if column in numbers else "-" for column in COLUMNS)])
    return rows


def totals(measurement: Measurement) -> str:
    """Give a sentence of sums."""
    plan = measurement.plan
    busy = f"the load used, or waited for, {measurement.busy:.0%} of a core" + (
        " in each process" if plan.workers > 1 else ""
    )
    volume = f"{measurement.rate * plan.size / 1e6:,.2f} MB/s each way"
    return f"{measurement.sent:,} messages sent, {measurement.rate:,.0f}/s answered, {volume}; {busy}"
