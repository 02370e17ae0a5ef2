"""The sequence of messages between client and server, as a diagram: time runs down, an arrow is a message."""

from collections.abc import Iterator
from dataclasses import dataclass

from twisted_lab.filexfer.names import show_sentence
from twisted_lab.instruments import svg
from twisted_lab.instruments.capture.messages import Broken, Message
from twisted_lab.instruments.capture.streams import Ended, Happening, Noted, Opened
from twisted_lab.instruments.capture.view import Origin, counted, cut, join, show_size
from twisted_lab.instruments.directions import DOWNSTREAM, UPSTREAM

#: Columns between the two in a terminal; rows of a picture at most.
WIDTH = 58
MAX_ROWS = 200
_LEFT, _RIGHT, _ROW, _TOP = 150, 700, 30, 70
#: Characters that fit between the two in a picture.
_FITS = 84


@dataclass(frozen=True)
class _Row:
    after: float
    number: int
    stream: str  # empty for what has no direction
    text: str


class Sequence:
    """The diagram: its lines as they come, and as a picture of the first `MAX_ROWS`."""

    def __init__(self) -> None:
        self._origin = Origin()
        self._rows: list[_Row] = []
        self._count = 0

    def take(self, happening: Happening) -> Iterator[str]:
        """Give the lines of what happened."""
        after = self._origin.after(happening.time)
        if not self._count and (heading := _heading()):
            yield heading
        for stream, text in _texts(happening):
            row = _Row(after, happening.connection.number, stream, text)
            self._count += 1
            if self._count <= MAX_ROWS:
                self._rows.append(row)
            yield _line(row)

    def finish(self) -> Iterator[str]:
        """Give nothing more."""
        return iter(())

    def draw(self) -> str:
        """Draw it as a picture."""
        bottom = _TOP + _ROW * (len(self._rows) + 1)
        parts = [svg.upright(x, _TOP, bottom) for x in (_LEFT, _RIGHT)]
        parts += [svg.text(_LEFT, _TOP - 10, "client", "middle"), svg.text(_RIGHT, _TOP - 10, "server", "middle")]
        parts += [svg.text(80, _TOP - 10, "seconds", "end"), svg.text(120, _TOP - 10, "conn.", "end")]
        middle = (_LEFT + _RIGHT) / 2
        for number, row in enumerate(self._rows, 1):
            y = _TOP + _ROW * number
            parts += [svg.text(80, y + 4, f"{row.after:.6f}", "end"), svg.text(120, y + 4, str(row.number), "end")]
            text = cut(row.text, _FITS)
            if row.stream:
                ends = (_LEFT, _RIGHT) if row.stream == UPSTREAM else (_RIGHT, _LEFT)
                parts += [svg.arrow(*ends, y), svg.text(middle, y - 5, text, "middle")]
            else:
                half = min(3.5 * len(text) + 10, (_RIGHT - _LEFT) / 2 - 4)
                parts += [svg.box(middle - half, y - 12, 2 * half, 18, "#eee"), svg.text(middle, y + 2, text, "middle")]
        if self._count > len(self._rows):
            parts.append(svg.text(middle, bottom + 20, f"and {self._count - len(self._rows):,} more", "middle"))
        return svg.document("Messages between client and server", 760, bottom + 40, parts)


def _texts(happening: Happening) -> Iterator[tuple[str, str]]:
    """Give the direction and the text of each row that something takes."""
    match happening:
        case Opened(connection=connection):
            yield UPSTREAM, f"opens {connection.client} to {connection.server}"
        case Message(stream=stream, summary=summary):
            yield stream, join([f"[{show_size(happening)}]", summary.kind, summary.text])
        case Broken(why=why):
            yield "", show_sentence(why)
        case Ended(stream=stream, reset=reset):
            yield stream, "resets" if reset else "ends"
        case Noted():
            pass
        case _:
            return
    for comment in counted(getattr(happening, "comments", ())):
        yield "", comment


def _heading() -> str:
    return f"{'seconds':>10} {'':>4}  client{'server':>{WIDTH - 2}}"


def _line(row: _Row) -> str:
    text = cut(row.text, WIDTH - 8)
    if row.stream == UPSTREAM:
        drawn = f"|{f'-- {text} '.ljust(WIDTH - 1, '-')}>|"
    elif row.stream == DOWNSTREAM:
        drawn = f"|<{f'- {text} '.ljust(WIDTH - 1, '-')}|"
    else:
        drawn = f"|{text:^{WIDTH}}|"
    return f"{row.after:>10.6f} {row.number:>4}  {drawn}"
