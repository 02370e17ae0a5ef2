"""The log of what was done, by whom."""

import re

from twisted.logger import Logger

from twisted_lab.filexfer.names import show_name

#: Who it is that didn't say.
ANONYMOUS = "anonymous"
_PLAIN = re.compile(r"[\w.:/\[\]%-]+", re.ASCII)


class Audit:
    """
    One line in the log for each request.

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
        if size is not None:
            words.append(f"{size} B")
        if digest is not None:
            words.append(_word(digest))
        self.log.info(
            "filexfer: {who} at {address}: {words}, {duration:.3f} s, {outcome}",
            who=_quote(user) if user else ANONYMOUS,
            address=_word(peer),
            outcome=_word(result),
            words=" ".join(words),
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


def _word(text: str) -> str:
    """Give `text` as it is, if it is what one expects there; a client says what type its request is."""
    return text if _PLAIN.fullmatch(text) else _quote(text)


def _quote(text: str) -> str:
    """Give `text` between quotes, so that where it ends can be told."""
    return '"' + show_name(text).replace('"', "\\x22") + '"'
