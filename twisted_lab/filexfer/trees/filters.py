"""
Which names of a tree take part.

Rules are tried in their order, and the first whose pattern matches decides; a name that none matches takes part. What
is in a directory that doesn't take part isn't looked at, so nothing in it can be included again.

In a pattern ``*`` stands for any characters of one component, ``?`` for one, ``[a-z]`` and ``[!a-z]`` for one of a set,
``**`` as a whole component for any number of components, none too, and at the end for at least one: ``a/**`` is what
is in ``a``, without ``a``. A backslash takes the next character as it is. A ``/`` at the beginning ties the pattern to
the top of the tree, otherwise it may begin at any component: ``*.o`` matches ``a/b.o``, and ``b/*.o`` matches
``a/b/c.o``. A ``/`` at the end matches directories only.

Each component is one regular expression that never goes back behind a ``*`` (an atomic group), and of several ``**``
only the last is ever tried again, so no pattern and no name make it slow.
"""

import re
from dataclasses import dataclass

from twisted_lab.filexfer.names import Name

_MANY = None
_Part = re.Pattern[str] | None


class Rule:
    """One pattern, and whether what it matches takes part; `ValueError` for a pattern that can't match anything."""

    def __init__(self, pattern: str, *, include: bool) -> None:
        self.pattern = pattern
        self.include = include
        self._directories_only = pattern.endswith("/")
        anchored = pattern.startswith("/")
        parts = pattern.removeprefix("/").removesuffix("/").split("/")
        if not all(parts):
            raise ValueError(f"{pattern!r} matches nothing: a pattern has something between two slashes")
        if {".", ".."} & set(parts):
            raise ValueError(f"{pattern!r} matches nothing: no name has . or .. as a component")
        self._parts: list[_Part] = [] if anchored else [_MANY]
        self._parts += [_MANY if part == "**" else _compile(part) for part in parts]
        if self._parts[-1] is _MANY:
            self._parts.append(_compile("*"))

    def matches(self, name: Name, *, directory: bool) -> bool:
        """Tell whether the pattern matches all of `name`."""
        return (directory or not self._directories_only) and _match(self._parts, name)


@dataclass(frozen=True, slots=True)
class Filters:
    """Rules in order; without any, everything takes part."""

    rules: tuple[Rule, ...] = ()

    def allow(self, name: Name, *, directory: bool) -> bool:
        """Tell whether `name`, relative to the top of the tree, takes part; those above it do, or it isn't asked."""
        for rule in self.rules:
            if rule.matches(name, directory=directory):
                return rule.include
        return True


EVERYTHING = Filters()


def _match(parts: list[_Part], name: Name) -> bool:
    """Match component by component, as wildcards in text are: on a mismatch the last ``**`` takes one more."""
    part = at = 0
    retry: tuple[int, int] | None = None
    while at < len(name):
        if part < len(parts):
            wanted = parts[part]
            if wanted is _MANY:
                part += 1
                retry = part, at
                continue
            if wanted.match(name[at]):
                part, at = part + 1, at + 1
                continue
        if retry is None:
            return False
        part, at = retry[0], retry[1] + 1
        retry = part, at
    return all(wanted is _MANY for wanted in parts[part:])


def _compile(part: str) -> re.Pattern[str]:
    """Translate one component's pattern."""
    pieces: list[str] = [""]  # literal runs, with a * between each two
    at = 0
    while at < len(part):
        character = part[at]
        at += 1
        if character == "*":
            pieces.append("")
        elif character == "?":
            pieces[-1] += "."
        elif character == "[" and (end := _end_of_set(part, at)):
            pieces[-1] += _set(part[at:end])
            at = end + 1
        else:
            if character == "\\" and at < len(part):
                character, at = part[at], at + 1
            pieces[-1] += re.escape(character)
    first, *rest = pieces
    if not rest:
        return re.compile(rf"(?s:{first})\Z")
    # Each run has a fixed width, so the leftmost place where it fits after a * is as good as any other: never go back.
    *middle, last = rest
    between = "".join(f"(?>.*?{piece})" for piece in middle)
    return re.compile(rf"(?s:{first}{between}(?>.*?(?={last}\Z)))")


def _end_of_set(part: str, at: int) -> int:
    """Give where the set that begins at `at` ends, 0 if it never does; a ``]`` as its first character is one of it."""
    skip = 1 if part[at : at + 1] in {"!", "^"} else 0
    return max(0, part.find("]", at + skip + 1))


def _set(inner: str) -> str:
    negated = inner[0] in {"!", "^"}
    ranges = ""
    rest = inner[1:] if negated else inner
    while rest:
        if len(rest) >= 3 and rest[1] == "-":
            low, high, rest = rest[0], rest[2], rest[3:]
            if low <= high:
                ranges += f"{re.escape(low)}-{re.escape(high)}"
        else:
            ranges += re.escape(rest[0])
            rest = rest[1:]
    if not ranges:  # only ranges that end before they begin
        return "." if negated else r"(?!)"
    return f"[{'^' if negated else ''}{ranges}]"
