"""A comparison as tables: how fast, and at what cost."""

from collections.abc import Sequence

from twisted_lab.instruments.compare.comparison import Comparison, Row
from twisted_lab.instruments.units import show

SPEED = {"rate": "messages/s", "p50": "p50", "p99": "p99", "p99.9": "p99.9"}
COST = {
    "cpu": "CPU/message",
    "memory": "memory",
    "memory_per_connection": "a connection",
    "threads": "threads",
    "processes": "processes",
    "switches": "switches/message",
    "syscalls": "system calls/message",
}
#: Those that have an interval beside them.
SURE = ("rate", "p99")


def speed(comparison: Comparison, connections: int) -> list[list[str]]:
    """Give headings and lines of how fast each was, and how it stands to the first one."""
    first = [""]
    for quantity, heading in SPEED.items():
        first += [heading, "(95 %)"] if quantity in SURE else [heading]
    first.append(f"{SPEED[comparison.judged]}, of {comparison.contestants[0]}'s (95 %)")
    return [first, *([row.contestant, *_speed_cells(row), verdict(row)] for row in comparison.rows(connections))]


def cost(comparison: Comparison, connections: int) -> list[list[str]]:
    """Give headings and lines of what each took."""
    lines = [
        [row.contestant, *(show(quantity, row.medians.get(quantity)) for quantity in COST)]
        for row in comparison.rows(connections)
    ]
    return [["", *COST.values()], *lines]


def verdict(row: Row) -> str:
    """Give how a contestant stands to the first one: a ratio and its interval, or that no difference is shown."""
    if row.ratio is None:
        return ""
    middle, between = row.ratio
    if between is None:
        return f"{middle:.2f}, too few rounds to tell"
    text = f"{middle:.2f} ({between[0]:.2f} … {between[1]:.2f})"
    return text if row.differs else f"no difference shown, {text}"


def notes(rows: Sequence[Row]) -> list[str]:
    """Give what is to be said of single contestants."""
    return [f"{row.contestant}: {note}" for row in rows for note in row.notes]


def _speed_cells(row: Row) -> list[str]:
    cells = []
    for quantity in SPEED:
        least = "≥ " if quantity == "rate" and row.limited else ""
        starving = row.starved and quantity == "p50"
        cells.append("unserved" if starving else least + show(quantity, row.medians.get(quantity)))
        if quantity in SURE:
            between = row.intervals.get(quantity)
            cells.append("" if between is None else " … ".join(show(quantity, end) for end in between))
    return cells
