"""
Symbolic links in a tree: skipped, followed inside it, or kept as links.

No kernel follows one. Where one leads is found out component by component, each looked at by itself, in names that
can't leave the tree; a link that is swapped meanwhile leads to an error.
"""

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum

from twisted_lab.filexfer.errors import BadNameError, NotDirectoryError
from twisted_lab.filexfer.names import Name, check_name, show_name
from twisted_lab.filexfer.status import Status

#: How many links one may lead through: as the kernel's.
MAX_LINKS = 40


class Links(Enum):
    """What is done with links. `FOLLOW`: what they lead to is carried under their name, if it is in the same tree."""

    SKIP = "skip"
    FOLLOW = "follow"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Look:
    """What `resolve` asks: the facts of `name`, of the link itself if it is one."""

    name: Name


def resolve(link: Name, target: str | None) -> Generator[Look, Status, tuple[Name, Status | None]]:
    """
    Find out where `link` leads, asking for the facts of one name after the other; give its real name and facts.

    The facts are None for the top of the tree. Raises `BadNameError` if it leads out of the tree or in circles,
    `NotDirectoryError` if it leads through a file.
    """
    here = list(link[:-1])
    rest = deque(_parts(link, target))
    followed = 1
    status = None
    while rest:
        part = rest.popleft()
        if part == "..":
            if not here:
                raise BadNameError(f"{_show(link)}: it leads out of the tree")
            here.pop()
            status = None
            continue
        name = (*here, part)
        check_name(name)
        status = yield Look(name)
        if status.kind == "symlink":
            followed += 1
            if followed > MAX_LINKS:
                raise BadNameError(f"{_show(link)}: it leads through more than {MAX_LINKS} links")
            rest.extendleft(reversed(_parts(link, status.target)))
            status = None
        elif rest and status.kind != "directory":
            raise NotDirectoryError(f"{_show(link)}: it leads through something that isn't a directory")
        else:
            here.append(part)
    if status is None and here:
        status = yield Look(tuple(here))
    return tuple(here), status


def check_target(name: Name, target: str | None) -> str:
    """
    Give the target of a link that may be kept at `name`; `BadNameError` if it isn't sure to stay in the tree.

    It must be relative, and have ``..`` only at its beginning, at most as many as there are directories above it in
    the tree. A ``..`` after a name would go up from wherever another link leads: with ``d -> .``, the target ``d/..``
    is outside although its words aren't.
    """
    text = target or ""
    if "\0" in text:
        raise BadNameError(f"{_show(name)}: what it leads to can't be said")
    parts = _parts(name, target)
    ups = next((index for index, part in enumerate(parts) if part != ".."), len(parts))
    if ups >= len(name) or ".." in parts[ups:]:
        raise BadNameError(f"{_show(name)}: it might lead out of the tree")
    return text


def _parts(link: Name, target: str | None) -> list[str]:
    if not target:
        raise BadNameError(f"{_show(link)}: what it leads to can't be said")
    if target.startswith("/"):
        raise BadNameError(f"{_show(link)}: it leads out of the tree")
    return [part for part in target.split("/") if part not in {"", "."}]


def _show(name: Name) -> str:
    return show_name("/".join(name))
