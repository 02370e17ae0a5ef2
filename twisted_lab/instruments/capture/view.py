"""What every view of a capture is, and what they share."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Protocol

from twisted_lab.filexfer.names import show_sentence
from twisted_lab.instruments.capture.messages import Message
from twisted_lab.instruments.capture.streams import Happening
from twisted_lab.instruments.directions import UPSTREAM


class View(Protocol):
    """Is told what happened, messages too; gives lines of text, as soon as it can."""

    def take(self, happening: Happening) -> Iterator[str]:
        """Take what happened next; give the lines to print."""

    def finish(self) -> Iterator[str]:
        """Take that there is no more; give the lines that are left to print."""


class Origin:
    """Times as seconds since the first of them, to the microsecond."""

    def __init__(self) -> None:
        self._first: float | None = None

    def after(self, time: float) -> float:
        """Give how much later it is."""
        if self._first is None:
            self._first = time
        return round(time - self._first, 6)


def side(stream: str) -> str:
    """Give who sends in that direction."""
    return "client" if stream == UPSTREAM else "server"


def show_size(message: Message) -> str:
    """Give ``44 B``, or ``44 B in 3 reads``."""
    return f"{message.size:,} B" + (f" in {message.reads:,} reads" if message.reads != 1 else "")


def cut(text: str, width: int) -> str:
    """Give as much of a text as fits."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def counted(comments: Iterable[str]) -> list[str]:
    """Give comments fit to print, each once, with how often it stands there."""
    counts = Counter(map(show_sentence, comments))
    return [f"{comment} ({count} times)" if count > 1 else comment for comment, count in counts.items()]


def join(words: Iterable[str]) -> str:
    """Give those that aren't empty, with a space between."""
    return " ".join(filter(None, words))
