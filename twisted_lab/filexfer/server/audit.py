"""The log of what was done, by whom."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from twisted.logger import Logger, formatTime

from twisted_lab.filexfer.names import show_name

#: Who it is that didn't say.
ANONYMOUS = "anonymous"
_PLAIN = re.compile(r"[\w.:/\[\]%-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What became of one file of a bundle, as `Audit.record` has it of a request."""

    path: str
    size: int | None
    digest: str | None
    result: str


class Audit:
    """
    One line in the log for each request, and for each file of a bundle.

    A line is one line, and a field one word or a quoted string, whatever a client calls itself and its files: names
    are escaped. The event keeps the fields as they are.
    """

    log = Logger()

    def record(  # noqa: PLR0913  # the fields of a line
        self,
        *,
        user: str,
        peer: str,
        what: str,
        path: str | None,
        to: str | None,
        size: int | None,
        digest: str | None,
        duration: float,
        result: str,
    ) -> None:
        """
        Log a request.

        `user` is empty for the anonymous, `peer` its address as `show_address` gives it. `what` is the request's type,
        `path` what it was about, `to` what that was renamed to, `size` in bytes and `digest` what was moved, each None
        if there is none; `duration` is in seconds; `result` is ``ok`` or the error's code.
        """
        words = [_word(what)]
        if path is not None:
            words.append(_quote(path))
        if to is not None:
            words.append(_quote(to))
        self.log.info(
            "filexfer: {who}: {words}{moved}, {duration:.3f} s, {outcome}",
            who=_who(user, peer),
            outcome=_word(result),
            words=" ".join(words),
            moved=_moved(size, digest),
            user=user,
            peer=peer,
            what=what,
            path=path,
            to=to,
            size=size,
            digest=digest,
            duration=duration,
            result=result,
        )

    def record_files(self, *, user: str, peer: str, what: str, duration: float, files: Sequence[FileRecord]) -> None:
        """
        Log what was put, or got, in a bundle, at least one file: in one event, whose text has a line for each.

        Thousands come in a second, and an event for each would cost more than the files. Each line says all that
        `record` would say. The log puts the time before the first, so those after it begin with theirs.
        """
        now = time.time()
        before, after = f"filexfer: {_who(user, peer)}: {what} ", f", {duration:.3f} s, "
        lines = [
            f"{before}{_quote(file.path)}{_moved(file.size, file.digest)}{after}{_word(file.result)}" for file in files
        ]
        self.log.info(
            "{lines}",
            lines=f"\n{formatTime(now)} ".join(lines),
            user=user,
            peer=peer,
            what=what,
            files=files,
            duration=duration,
        )


def _who(user: str, peer: str) -> str:
    return f"{_quote(user) if user else ANONYMOUS} at {_word(peer)}"


def _moved(size: int | None, digest: str | None) -> str:
    return ("" if size is None else f" {size} B") + ("" if digest is None else f" {_word(digest)}")


def _word(text: str) -> str:
    """Give `text` as it is, if it is what one expects there; a client says what type its request is."""
    return text if _PLAIN.fullmatch(text) else _quote(text)


def _quote(text: str) -> str:
    """Give `text` between quotes, so that where it ends can be told."""
    return '"' + show_name(text).replace('"', "\\x22") + '"'
