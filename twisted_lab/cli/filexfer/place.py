"""
Places that a user names: here, or on a server, written as for scp.

``HOST:PATH``, ``USER@HOST:PATH`` and ``[::1]:PATH`` are on that host, ``:PATH`` on the server that ``--connect`` says;
anything without a colon, or with a slash before the first one, is here: a file called ``a:b`` is written ``./a:b``.
``-`` is a stream: standard input or output.

A remote path is relative to the server's root. Since a user may think of the root as ``/`` or ``.``, a leading ``/``
and components ``.`` say nothing, and ``/`` at the end says that a directory is meant; ``..`` is refused.
"""

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from twisted_lab.cli.filexfer.exits import UsageError
from twisted_lab.filexfer.errors import BadNameError
from twisted_lab.filexfer.names import Name, check_name, join_name, show_name

STREAM = "-"
_REMOTE = re.compile(r"(?:(?P<user>[^@/:]+)@)?(?P<host>\[[^\]/]*\]|[^/:\[\]@]*):(?P<path>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Remote:
    """
    A file or directory on a server: that of `host`, or of ``--connect`` if that is empty.

    `directory`: whether the user has said, by a ``/`` at the end, that it is one. `written` is how to show where it is.
    """

    user: str | None
    host: str
    name: Name
    directory: bool
    written: str

    @property
    def path(self) -> str:
        """The name as the protocol has it; the root's is empty."""
        return join_name(self.name)

    @property
    def plain(self) -> str:
        """The place, as the user would write it; it isn't fit to print."""
        return self.written + "/".join(self.name)

    @property
    def shown(self) -> str:
        """The place, as the user would write it and fit to print."""
        return show_name(self.plain)

    @property
    def last(self) -> str:
        """The last component; empty for the root."""
        return self.name[-1] if self.name else ""

    def joined(self, component: str) -> Self:
        """Give the place of that entry of this directory; `BadNameError` if there can't be one."""
        name = (*self.name, component)
        try:
            check_name(name)
        except BadNameError as error:
            raise BadNameError(f"{show_name(self.written + '/'.join(name))}: {error}") from None
        return replace(self, name=name, directory=False)

    @property
    def server(self) -> tuple[str | None, str]:
        """What two places have in common that one connection serves."""
        return self.user, self.host


@dataclass(frozen=True, slots=True)
class Local:
    """A file or directory here, or a stream."""

    path: str

    @property
    def is_stream(self) -> bool:
        """Whether standard input or output is meant."""
        return self.path == STREAM

    @property
    def plain(self) -> str:
        """The path; it isn't fit to print."""
        return self.path

    @property
    def shown(self) -> str:
        """The path, fit to print."""
        return show_name(self.path)

    @property
    def directory(self) -> bool:
        """Whether the user has said that it is a directory."""
        return self.path.endswith("/")

    @property
    def last(self) -> str:
        """The last component, of ``photos/..`` too; empty for the root of the file system."""
        last = posixpath.basename(self.path.rstrip("/"))
        return posixpath.basename(posixpath.abspath(self.path)) if last in {"", ".", ".."} else last

    def joined(self, component: str) -> "Local":
        """Give the place of that entry of this directory."""
        return Local(posixpath.join(self.path, component))


Place = Local | Remote


def parse_place(text: str) -> Place:
    """Read a place; `BadNameError` for a remote one that no server could have, `UsageError` for nothing at all."""
    if not text:
        raise UsageError("an empty word isn't a place; . is here, and : is the server's root")
    match = _REMOTE.fullmatch(text)
    if match is None:
        return Local(text)
    path = match["path"]
    name = tuple(component for component in path.split("/") if component not in {"", "."})
    try:
        check_name(name)
    except BadNameError as error:
        raise BadNameError(f"{show_name(text)}: {error}") from None
    written = text[: len(text) - len(path)]
    return Remote(match["user"], match["host"].strip("[]"), name, path.endswith(("/", "/.")) or path == ".", written)


def parse_remotes(texts: Sequence[str]) -> list[Remote]:
    """Read places that have to be on one server; `UsageError` for any other."""
    places: list[Remote] = []
    for text in texts:
        place = parse_place(text)
        if not isinstance(place, Remote):
            raise UsageError(f"{place.shown} isn't on a server: that would be HOST:PATH or :PATH")
        if places and place.server != places[0].server:
            raise UsageError(f"{places[0].shown} and {place.shown} aren't on one server")
        places.append(place)
    return places


def parse_pair(source: str, target: str) -> tuple[Place, Place]:
    """Read two places of which exactly one is here; `UsageError` for any other."""
    pair = parse_place(source), parse_place(target)
    remote = [place.shown for place in pair if isinstance(place, Remote)]
    if len(remote) != 1:
        raise UsageError(f"{pair[0].shown} and {pair[1].shown}: exactly one must be on a server, HOST:PATH or :PATH")
    if any(isinstance(place, Local) and place.is_stream for place in pair):
        raise UsageError("- is a stream, and can't be compared")
    return pair


def remote_of(pair: tuple[Place, Place]) -> Remote:
    """Give the one that is on a server."""
    return next(place for place in pair if isinstance(place, Remote))


def inside(place: Place, path: str) -> str:
    """Give, as the user would write it, what is called `path` in the directory `place`; it isn't fit to print."""
    top = place.plain
    slash = "" if not path or top.endswith(("/", ":")) else "/"
    return f"{top}{slash}{path}"
