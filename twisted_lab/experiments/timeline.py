"""
Who waits for whom: a row for each client, over time.

What looks like one moment at this scale still gets a column, and an answer is never hidden.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from twisted_lab.instruments import svg

COLUMNS = 60
CONNECTED, WAITING = "-", "#"
_ANSWERED = "*"
_LEGEND = "# waits for its answer   * has it   - is connected, wants nothing"


@dataclass
class Row:
    """A client: spans of time, each (from, to, CONNECTED or WAITING), and when it was answered; all in seconds."""

    name: str
    spans: list[tuple[float, float, str]] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)


def end_of(rows: Sequence[Row]) -> float:
    """Give when the last of it is over."""
    return max([1e-3, *(end for row in rows for _, end, _ in row.spans), *(at for row in rows for at in row.answers)])


def draw_text(rows: Sequence[Row]) -> str:
    """Draw it for a terminal."""
    scale = COLUMNS / end_of(rows)
    width = max(len(row.name) for row in rows)
    lines = []
    for row in rows:
        cells = [" "] * COLUMNS
        for begin, end, sign in row.spans:
            first = min(int(begin * scale), COLUMNS - 1)
            last = max(first + 1, round(end * scale))
            cells[first:last] = sign * (last - first)
        for at in row.answers:
            cells[min(int(at * scale), COLUMNS - 1)] = _ANSWERED
        lines.append(f"{row.name:{width}} |{''.join(cells)}|")
    last_second = f"{end_of(rows):.2f} s"
    lines.append(f"{'':{width}}  0{last_second:>{COLUMNS - 1}}")
    return "\n".join([*lines, f"{'':{width}}  {_LEGEND}"])


def draw_svg(rows: Sequence[Row], title: str) -> str:
    """Draw it as a picture: waiting is black, being connected a line, an answer a circle."""
    left, right, height = 110, 690, 34
    scale = (right - left) / end_of(rows)
    parts = []
    for number, row in enumerate(rows):
        middle = 60 + number * height
        parts.append(svg.text(left - 10, middle + 4, row.name, "end"))
        for begin, end, sign in row.spans:
            x, length = left + begin * scale, max(1.0, (end - begin) * scale)
            thick = 14 if sign == WAITING else 2
            parts.append(svg.box(x, middle - thick / 2, length, thick, "#000"))
        parts += [svg.circle(left + at * scale, middle, 6) for at in row.answers]
    bottom = 60 + len(rows) * height
    parts += svg.axis(left, right, bottom, end_of(rows), "seconds")
    parts += [
        svg.box(left, bottom + 49, 24, 14, "#000"),
        svg.text(left + 30, bottom + 60, "waits for its answer"),
        svg.circle(left + 190, bottom + 56, 6),
        svg.text(left + 202, bottom + 60, "has it"),
        svg.box(left + 270, bottom + 55, 24, 2, "#000"),
        svg.text(left + 300, bottom + 60, "is connected, wants nothing"),
    ]
    return svg.document(title, 720, bottom + 80, parts)
