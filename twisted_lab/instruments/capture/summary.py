"""What a message says, in a few words: gathered from a codec's events, and never more than a few bytes of content."""

import json
from collections.abc import Mapping
from typing import Any

from twisted_lab.filexfer.names import show_sentence
from twisted_lab.wire.header import Content, End, Header

#: Bytes of content, and characters of anything else, that are shown.
PREVIEW = 32
LONGEST = 200
#: Keys whose value isn't shown to whoever looks over a shoulder. It is in the file.
SECRET = {"password"}


class Summary:
    """
    One message. `kind` is its type, where its codec's messages have one; `fields` is its header.

    `add` is told each event: a header, content, bytes, or whatever another codec makes.
    """

    def __init__(self) -> None:
        self.kind = ""
        self.fields: dict[str, Any] | None = None
        self._content = b""
        self._length = 0
        self._other = ""

    def add(self, event: object) -> None:
        """Take an event."""
        match event:
            case Header(fields):
                self.fields = {key: "…" if key in SECRET else value for key, value in fields.items()}
                self.kind = show_sentence(str(fields["type"]))[:LONGEST]
            case Content(data) | bytes(data):
                self._length += len(data)
                if len(self._content) < PREVIEW:
                    self._content += data[: PREVIEW - len(self._content)]
            case End():
                pass
            case _:
                if len(self._other) < LONGEST:
                    self._other += ("; " if self._other else "") + show_sentence(repr(event))

    @property
    def text(self) -> str:
        """What it says besides its kind."""
        parts = []
        if self.fields is not None:
            parts += [f"{key}={_show(value)}" for key, value in self.fields.items() if key not in {"type", "length"}]
        if self._other:
            parts.append(self._other)
        if self._length:
            rest = self._length - len(self._content)
            parts.append(_show_bytes(self._content) + (f" and {rest:,} B" if rest else ""))
        text = show_sentence(" ".join(parts))
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"

    def as_json(self) -> Mapping[str, Any]:
        """Give the same for programs."""
        return {
            **({"type": self.kind, "header": self.fields} if self.fields is not None else {}),
            "content": self._length,
            "text": self.text,
        }


def _show(value: object) -> str:
    return value if isinstance(value, str) and value.isprintable() and " " not in value else json.dumps(value)


def _show_bytes(data: bytes) -> str:
    return repr(data)[1:]  # as text, if it is some
