"""
Where a stream of bytes is cut: a line for each way to cut it, such as messages, sends and reads.

In the terminal each column is a byte (or several, if there are many), and a digit says which piece it belongs to.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate

from twisted_lab.experiments import svg
from twisted_lab.experiments.experiment import Picture

COLUMNS = 60
Cuts = Mapping[str, Sequence[int]]


def draw(name: str, title: str, cuts: Cuts) -> Picture:
    """Draw it both ways; `cuts` gives for each line the lengths of its pieces, in bytes."""
    return Picture(name, title, draw_text(cuts), draw_svg(cuts, title))


def draw_text(cuts: Cuts) -> str:
    """Draw it for a terminal."""
    total = _total(cuts)
    step = -(-total // COLUMNS)  # bytes a column
    columns = -(-total // step)
    width = max(len("bytes"), *map(len, cuts))
    marks = [f"{column * step:<10}" for column in range(0, columns, 10)]
    lines = [f"{'bytes':{width}}  {''.join(marks).rstrip()}"]
    for name, lengths in cuts.items():
        ends = [*accumulate(lengths)]
        pieces = (sum(end <= column * step for end in ends) for column in range(columns))
        lines.append(f"{name:{width}}  {''.join(str((piece + 1) % 10) for piece in pieces if piece < len(ends))}")
    meaning = "a column is a byte" if step == 1 else f"a column is {step} bytes"
    return "\n".join([*lines, f"{'':{width}}  {meaning}; its digit says which of them it belongs to"])


def draw_svg(cuts: Cuts, title: str) -> str:
    """Draw it as a picture: a box for each piece, with its number where there is room."""
    left, right, height = 110, 690, 40
    scale = (right - left) / _total(cuts)
    parts = []
    for line, (name, lengths) in enumerate(cuts.items()):
        top = 50 + line * height
        parts.append(svg.text(left - 10, top + 18, name, "end"))
        for number, (end, length) in enumerate(zip(accumulate(lengths), lengths, strict=True), 1):
            x, wide = left + (end - length) * scale, length * scale
            parts.append(svg.box(x, top, wide, 26, "#fff" if number % 2 else "#ccc"))
            if wide > 8 * len(str(number)):
                parts.append(svg.text(x + wide / 2, top + 18, str(number), "middle"))
    bottom = 50 + len(cuts) * height
    parts += svg.axis(left, right, bottom, _total(cuts), "bytes")
    return svg.document(title, 720, bottom + 50, parts)


def _total(cuts: Cuts) -> int:
    return max(1, *(sum(lengths) for lengths in cuts.values()))
