"""A report in one file of HTML, with nothing to be loaded: the table, the pictures, and what the figures depend on."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

#: In their place.
NO_PICTURES = "There are no pictures: matplotlib is missing (pip install 'twisted-lab[plot]')."
_STYLE = """
body { font: 15px/1.45 sans-serif; margin: 2em auto; max-width: 84em; padding: 0 1em; color: #111; background: #fff }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em }
table { border-collapse: collapse; margin-bottom: 1em; font-variant-numeric: tabular-nums }
.wide { overflow-x: auto }
th, td { padding: .2em .7em; text-align: right; white-space: nowrap; border-bottom: 1px solid #ccc }
th { border-bottom: 2px solid #111; vertical-align: bottom }
th:first-child, td:first-child { text-align: left }
figure { margin: 1em 0 } svg { max-width: 100%; height: auto }
pre { background: #f2f2f2; padding: .7em; overflow-x: auto; white-space: pre-wrap }
@media print { body { margin: 0; max-width: none; font-size: 10px } }
"""


def page(title: str, parts: Sequence[str]) -> str:
    """Give a whole page of parts that are HTML."""
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body><h1>{escape(title)}</h1>\n' + "\n".join(
        [*parts, "</body></html>\n"]
    )


def heading(text: str) -> str:
    """Give a heading."""
    return f"<h2>{escape(text)}</h2>"


def paragraph(text: str) -> str:
    """Give a paragraph."""
    return f"<p>{escape(text)}</p>"


def listing(lines: Sequence[str]) -> str:
    """Give a list; nothing for none."""
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>" if lines else ""


def table(rows: Sequence[Sequence[str]]) -> str:
    """Give a table, its first row the headings."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>\n" for row in rows[1:])
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>'


def facts(values: Mapping[str, Any]) -> str:
    """Give names and values."""
    return table([["what", "value"], *([name, str(value)] for name, value in values.items())])


def preformatted(text: str) -> str:
    """Give text as it is."""
    return f"<pre>{escape(text)}</pre>"


def picture(svg: bytes, caption: str) -> str:
    """Give a picture that is part of the page."""
    _, _, drawing = svg.decode().partition("<svg")
    return f"<figure><svg{drawing}<figcaption>{escape(caption)}</figcaption></figure>"
