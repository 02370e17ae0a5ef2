"""The few shapes that our pictures are made of, as SVG in black, white and grey."""

import math
from collections.abc import Iterable
from xml.sax.saxutils import escape


def document(title: str, width: float, height: float, parts: Iterable[str]) -> str:
    """Give a whole picture; its title stands above it, and is what a screen reader reads."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" font-family="sans-serif" font-size="13" role="img">'
    )
    ground = f'<rect width="{width:g}" height="{height:g}" fill="#fff"/>'
    heading = f'<text x="20" y="26" font-size="16">{escape(title)}</text>'
    return "\n".join([head, f"<title>{escape(title)}</title>", ground, heading, *parts, "</svg>", ""])


def text(x: float, y: float, words: str, anchor: str = "start") -> str:
    """Give words whose start, middle or end is at x."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def box(x: float, y: float, width: float, height: float, fill: str) -> str:
    """Give a box with a black edge."""
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect {place} fill="{fill}" stroke="#000" stroke-width="0.7"/>'


def circle(x: float, y: float, radius: float) -> str:
    """Give a white circle with a black edge."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="#fff" stroke="#000" stroke-width="2"/>'


def axis(left: float, right: float, y: float, end: float, unit: str) -> list[str]:
    """Give an axis from 0 to `end`, with a mark at each round number, ten at most, and what it counts."""
    ten = 10 ** math.floor(math.log10(end))
    step = next(ten * part for part in (0.1, 0.2, 0.5, 1.0) if end / (ten * part) <= 10)
    parts = [f'<path d="M{left:.1f} {y:.1f}H{right:.1f}" stroke="#000"/>']
    for number in range(int(end / step + 1e-9) + 1):
        x = left + (right - left) * number * step / end
        parts.append(f'<path d="M{x:.1f} {y:.1f}v6" stroke="#000"/>')
        parts.append(text(x, y + 20, f"{number * step:g}", "middle"))
    parts.append(text((left + right) / 2, y + 38, unit, "middle"))
    return parts


def arrow(start: float, end: float, y: float) -> str:
    """Give a level arrow."""
    back = 8 if start < end else -8
    head = f'<path d="M{end:.1f} {y:.1f}l{-back} -4v8z"/>'
    return f'<path d="M{start:.1f} {y:.1f}H{end - back:.1f}" stroke="#000"/>{head}'


def upright(x: float, top: float, bottom: float) -> str:
    """Give an upright line."""
    return f'<path d="M{x:.1f} {top:.1f}V{bottom:.1f}" stroke="#000"/>'
