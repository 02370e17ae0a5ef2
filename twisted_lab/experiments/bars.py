"""Quantities side by side: a bar for each."""

from collections.abc import Mapping

from twisted_lab.instruments import svg

COLUMNS = 44


def draw_text(values: Mapping[str, float], unit: str) -> str:
    """Draw bars for a terminal; each has its number beside it."""
    width = max(map(len, values))
    most = max(values.values()) or 1.0
    lines = []
    for name, value in values.items():
        bar = "#" * max(1, round(value / most * COLUMNS))
        lines.append(f"{name:{width}} |{bar:{COLUMNS}} {value:,.3g} {unit}")
    return "\n".join(lines)


def draw_svg(values: Mapping[str, float], unit: str, title: str) -> str:
    """Draw them as a picture."""
    left, right, height = 200, 690, 22
    most = max(values.values()) or 1.0
    parts = []
    for number, (name, value) in enumerate(values.items()):
        top = 44 + number * height
        parts.append(svg.text(left - 10, top + 12, name, "end"))
        parts.append(svg.box(left, top, max(1.0, value / most * (right - left)), height - 8, "#888"))
    bottom = 44 + len(values) * height
    parts += svg.axis(left, right, bottom, most, unit)
    return svg.document(title, 720, bottom + 50, parts)
