"""
The file that says who has an account, in TOML::

    [users.alice]
    root = "alice"             # below the directory that is served, and made if missing; or absolute. Default: "."
    mode = "read-write"        # read, read-write (the default) or drop
    quota = "10 GiB"           # or a number of bytes; without it that of the command line, if any
    certificates = ["sha256:4f6b…"]  # client certificates that log in as alice

Without ``certificates``, one whose common name is ``alice`` does. Whoever isn't in the file has no account. Anything
else in it is an error: a misspelt ``mode`` mustn't become the default.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted_lab.filexfer.modes import Mode
from twisted_lab.filexfer.names import show_name
from twisted_lab.net.certificate import parse_fingerprint

_SIZE = re.compile(r"(\d{1,16})\s*(?:([KMGTP])(iB?|B)?|B)?", re.IGNORECASE | re.ASCII)
#: The largest number that JSON's programs agree on, and more than any disk has.
_MAX_SIZE = 2**53 - 1


class UsersFileError(Exception):
    """The users file can't be used; one sentence says which user and key, and why."""


@dataclass(frozen=True, slots=True)
class User:
    """What a user has: a directory, relative to the root or absolute, a mode, a quota in bytes, and certificates."""

    root: Path = Path()
    mode: Mode = Mode.READ_WRITE
    quota: int | None = None
    certificates: tuple[str, ...] = ()


def read_users(path: Path) -> dict[str, User]:
    """Read the users file `path`; `UsersFileError` for what it shouldn't have, `OSError` if it can't be read."""
    try:
        return parse_users(path.read_bytes().decode())
    except UnicodeDecodeError:
        raise UsersFileError("it isn't UTF-8, as TOML has to be") from None


def parse_users(text: str) -> dict[str, User]:
    """Give the users by their names; `UsersFileError` for what shouldn't be there."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsersFileError(f"it isn't TOML: {show_name(str(error))}") from None
    for key in document:
        if key != "users":
            raise UsersFileError(f"there is no {show_name(key)!r} in a users file, only users")
    tables = _table(document.get("users", {}), "users")
    users = {name: _parse_user(name, table) for name, table in tables.items()}
    _check_certificates(users)
    return users


def parse_size(text: str) -> int:
    """Read a number of bytes: ``1048576``, ``10 GiB``; K, M, G, T and P are powers of 1024, kB, MB, … of 1000."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f"{text!r} isn't a size: a number of bytes, or one with KiB, MiB, GiB, TiB or PiB, or kB, MB, …"
        )
    number, unit, rest = match.groups()
    base = 1000 if (rest or "").upper() == "B" else 1024
    size: int = int(number) * base ** (" KMGTP".index(unit.upper()) if unit else 0)
    if size > _MAX_SIZE:
        raise ValueError(f"{text!r} is more than {_MAX_SIZE} bytes")
    return size


def _parse_user(name: str, value: object) -> User:
    shown = f"users.{show_name(name)}"
    if not name or not name.isprintable():
        raise UsersFileError(f"{shown}: a user has a name, of printable characters")
    table = _table(value, shown)
    facts = {}
    for key, entry in table.items():
        read = _READERS.get(key)
        if read is None:
            raise UsersFileError(f"{shown}: there is no {show_name(key)!r}, only {', '.join(_READERS)}")
        try:
            facts[key] = read(entry)
        except ValueError as error:
            raise UsersFileError(f"{shown}.{key}: {error}") from None
    return User(**facts)


def _table(value: object, shown: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise UsersFileError(f"{shown}: it has to be a table")
    return value


def _check_certificates(users: Mapping[str, User]) -> None:
    owners: dict[str, str] = {}
    for name, user in users.items():
        for fingerprint in user.certificates:
            other = owners.setdefault(fingerprint, name)
            if other != name:
                raise UsersFileError(f"users.{show_name(name)}.certificates: {fingerprint} is {show_name(other)}'s too")


def _read_root(value: object) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("it has to be a string: a directory")
    return Path(value)


def _read_mode(value: object) -> Mode:
    for mode in Mode:
        if value == mode.value:
            return mode
    raise ValueError(f"it has to be one of {', '.join(mode.value for mode in Mode)}")


def _read_quota(value: object) -> int:
    if isinstance(value, str):
        return parse_size(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_SIZE:
        return value
    raise ValueError("it has to be a number of bytes, or a string such as '10 GiB'")


def _read_certificates(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(entry, str) for entry in value):
        raise ValueError("it has to be a list of fingerprints")
    return tuple(parse_fingerprint(entry) for entry in value)


_READERS: dict[str, Callable[[object], Any]] = {
    "root": _read_root,
    "mode": _read_mode,
    "quota": _read_quota,
    "certificates": _read_certificates,
}
