"""
Where a stream of bytes is cut: a line for each way to cut it, such as messages, sends and reads.

In the terminal each column is a byte (or several, if there are many), and a digit says which piece it belongs to.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate

from twisted_lab.instruments import svg

COLUMNS = 60
#: For each line, by its name, the lengths of its pieces, in bytes.
Cuts = Mapping[str, Sequence[int]]
_LEFT, _RIGHT, _LINE, _AXIS = 110, 690, 40, 50


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
    return draw_rulers({"": cuts}, title)


def draw_rulers(rulers: Mapping[str, Cuts], title: str) -> str:
    """Draw several below one another, each by its name and to a scale of its own."""
    parts: list[str] = []
    top = 50.0
    for name, cuts in rulers.items():
        if name:
            parts.append(svg.text(20, top + 10, name))
            top += 24
        parts += _draw_one(cuts, top)
        top += len(cuts) * _LINE + _AXIS + (10 if name else 0)
    return svg.document(title, 720, top, parts)


def _draw_one(cuts: Cuts, top: float) -> list[str]:
    scale = (_RIGHT - _LEFT) / _total(cuts)
    parts = []
    for line, (name, lengths) in enumerate(cuts.items()):
        y = top + line * _LINE
        parts.append(svg.text(_LEFT - 10, y + 18, name, "end"))
        for number, (end, length) in enumerate(zip(accumulate(lengths), lengths, strict=True), 1):
            x, wide = _LEFT + (end - length) * scale, length * scale
            parts.append(svg.box(x, y, wide, 26, "#fff" if number % 2 else "#ccc"))
            if wide > 8 * len(str(number)):
                parts.append(svg.text(x + wide / 2, y + 18, str(number), "middle"))
    return parts + svg.axis(_LEFT, _RIGHT, top + len(cuts) * _LINE, _total(cuts), "bytes")


def _total(cuts: Cuts) -> int:
    return max(1, *(sum(lengths) for lengths in cuts.values()))
