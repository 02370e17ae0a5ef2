"""The messages of a capture, a line each: when, on which connection, in which direction, what they say, how long."""

import json
from collections.abc import Iterator
from typing import Any

from twisted_lab.filexfer.names import show_sentence
from twisted_lab.instruments.capture.messages import Broken, Message
from twisted_lab.instruments.capture.streams import Ended, Happening, Noted, Opened
from twisted_lab.instruments.capture.view import Origin, counted, join, show_size, side
from twisted_lab.instruments.directions import UPSTREAM

_INDENT = 21


class MessageLines:
    """Lines for people, or with `as_json` for programs."""

    def __init__(self, *, as_json: bool = False) -> None:
        self._json = as_json
        self._origin = Origin()

    def take(self, happening: Happening) -> Iterator[str]:
        """Give the line of what happened, and one for each comment."""
        after = self._origin.after(happening.time)
        if self._json:
            if event := _as_json(happening):
                place = {"connection": happening.connection.number, "time": happening.time, "after": after}
                yield json.dumps({"event": event.pop("event"), **place, **event})
            return
        comments = counted(getattr(happening, "comments", ()))
        text = f"{_arrow(happening.stream)}  {comments.pop(0)}" if isinstance(happening, Noted) else _show(happening)
        if text:
            yield f"{after:>10.6f} {happening.connection.number:>4}  {text}"
            yield from (f"{'':{_INDENT}}{comment}" for comment in comments)

    def finish(self) -> Iterator[str]:
        """Give nothing more."""
        return iter(())


def _show(happening: Happening) -> str:
    connection = happening.connection
    match happening:
        case Opened(midst=midst):
            how = " (it began before the capture)" if midst else ""
            return f"     {connection.client} opens a connection to {connection.server}{how}"
        case Message(stream=stream, summary=summary):
            return f"{_arrow(stream)}  {join([summary.kind, summary.text])}  [{show_size(happening)}]"
        case Broken(stream=stream, why=why, size=size):
            return f"{_arrow(stream)}  {show_sentence(why)}; {size:,} B of the message were there"
        case Ended(stream=stream, reset=reset):
            return f"{_arrow(stream)}  the {side(stream)} {'resets the connection' if reset else 'has sent everything'}"
    return ""


def _arrow(stream: str) -> str:
    return "->" if stream == UPSTREAM else "<-"


def _as_json(happening: Happening) -> dict[str, Any]:
    connection = happening.connection
    match happening:
        case Opened(midst=midst, comments=comments):
            ends = {"client": str(connection.client), "server": str(connection.server)}
            return {"event": "opened", **ends, "midst": midst, "comments": comments}
        case Message(stream=stream, summary=summary, comments=comments):
            return {
                "event": "message",
                "from": side(stream),
                "began": happening.began,
                "size": happening.size,
                "reads": happening.reads,
                **summary.as_json(),
                "comments": comments,
            }
        case Broken(stream=stream, why=why, size=size, comments=comments):
            return {"event": "broken", "from": side(stream), "size": size, "why": why, "comments": comments}
        case Ended(stream=stream, reset=reset, comments=comments):
            return {"event": "reset" if reset else "ended", "from": side(stream), "comments": comments}
        case Noted(stream=stream, comments=comments):
            return {"event": "noted", "from": side(stream), "comments": comments}
    return {}
