"""What is known of a file without opening it."""

import hashlib
import os
import stat
import unicodedata
from dataclasses import dataclass
from typing import Literal, Self

Kind = Literal["file", "directory", "symlink", "other"]
_KINDS: dict[int, Kind] = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}


@dataclass(frozen=True, slots=True)
class Status:
    """
    A file's facts, of itself where it is a symbolic link.

    `size` is in bytes, and 0 for all but regular files; `mtime_ns` in nanoseconds since 1970; `mode` the twelve bits
    of permissions; `etag` as `etag` gives it. A FIFO, socket or device is of kind "other". `target` is what a symbolic
    link says, wherever that leads; None for all else, and for a link whose text a client couldn't be told: bytes that
    aren't UTF-8, control characters.
    """

    kind: Kind
    size: int
    mtime_ns: int
    mode: int
    etag: str
    target: str | None = None

    @classmethod
    def of(cls, result: os.stat_result, target: str | None = None) -> Self:
        """Give the facts of what `os.lstat` or `os.fstat` told, and `os.readlink`, if it is a link."""
        kind = _KINDS.get(stat.S_IFMT(result.st_mode), "other")
        size = result.st_size if kind == "file" else 0
        return cls(kind, size, result.st_mtime_ns, stat.S_IMODE(result.st_mode), etag(result), target)


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One entry of a directory.

    `name` is the last component of its name, and None if it has none that a client could say (see `names`); `shown`
    is always there, and fit to print.
    """

    name: str | None
    shown: str
    status: Status


def etag(result: os.stat_result) -> str:
    """
    Give 16 hexadecimal digits that change when the file is replaced or written to.

    They come from inode, size, mtime and ctime, not from the device, whose number may change with a reboot. A rename,
    link, chmod or utime changes the ctime, and so the etag: read it when all of that is done. A file written to twice
    within a tick of the file system's clock, to the same size, may keep its etag.
    """
    facts = f"{result.st_ino} {result.st_size} {result.st_mtime_ns} {result.st_ctime_ns}"
    return hashlib.blake2b(facts.encode(), digest_size=8).hexdigest()


def target_on_disk(raw: bytes) -> str | None:
    """Give what a symbolic link says as a client can be told it; None if it can't."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    return text if text and not any(unicodedata.category(character) == "Cc" for character in text) else None
