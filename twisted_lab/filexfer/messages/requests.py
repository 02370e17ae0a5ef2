"""
What a client asks for: each request as a value.

`request_headers` reads and writes them as headers; docs/filexfer-protocol.rst lays down what they mean.
"""

from dataclasses import dataclass

from twisted_lab.filexfer.conditions import ANYWAY, Condition, Durability
from twisted_lab.filexfer.names import Name

#: Entries of one page of a list.
MAX_PAGE = 4096
#: Bytes of a user's name, and of a password.
MAX_LOGIN = 1024
#: How many versions or digests a client offers at most, and bytes of a digest's name.
MAX_OFFERS = 16
MAX_OFFER = 64
#: Seconds since 1970 of a file's time; a file system may take less, and then keeps the nearest that it takes.
EARLIEST, LATEST = -(2**33), 2**34


@dataclass(frozen=True, slots=True)
class Hello:
    """Say which versions and digests are understood, the preferred ones first; log in, if there is a `user`."""

    versions: tuple[int, ...]
    digests: tuple[str, ...]
    user: str | None = None
    password: str | None = None


@dataclass(frozen=True, slots=True)
class Stat:
    """Ask for a file's facts."""

    path: Name


@dataclass(frozen=True, slots=True)
class List:
    """Ask for the entries of a directory whose names come `after` that one, at most `count` of them."""

    path: Name
    after: str = ""
    count: int = MAX_PAGE


@dataclass(frozen=True, slots=True)
class Get:
    """Ask for a file's bytes from `offset` on, at most `count` of them."""

    path: Name
    offset: int = 0
    count: int | None = None
    if_match: str | None = None


@dataclass(frozen=True, slots=True)
class GetBundle:
    """Ask for many small files, each a line of the message's content (see `get_bundle`)."""

    length: int


@dataclass(frozen=True, slots=True)
class DigestOf:
    """Ask for the digest of what `Get` would give."""

    path: Name
    offset: int = 0
    count: int | None = None
    if_match: str | None = None


@dataclass(frozen=True, slots=True)
class Resume:
    """Ask what is left over of a put that was broken off, of a file of `size` bytes."""

    path: Name
    size: int


@dataclass(frozen=True, slots=True)
class Put:
    """
    Put a file of `size` bytes, of which the server has `offset` and `length` come with this message.

    `size` is None for a stream; `mtime_ns` and `mode` are None for now, and for what the server makes of it.
    """

    path: Name
    size: int | None
    offset: int = 0
    length: int = 0
    mtime_ns: int | None = None
    mode: int | None = None
    condition: Condition = ANYWAY
    durability: Durability = Durability.DIRECTORY


@dataclass(frozen=True, slots=True)
class Part:
    """In a put: the next `length` bytes come with this message."""

    length: int = 0


@dataclass(frozen=True, slots=True)
class Finish:
    """In a put: that was all, and its bytes from the first on have this digest. Publish it."""

    digest: str


@dataclass(frozen=True, slots=True)
class Abandon:
    """In a put: publish nothing, and keep nothing to resume from."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """Put many small files, which are the message's content, each under `condition`."""

    length: int
    condition: Condition = ANYWAY
    durability: Durability = Durability.DIRECTORY


@dataclass(frozen=True, slots=True)
class Mkdir:
    """Make a directory; with `parents` also those above it, and it is no error if it is there."""

    path: Name
    parents: bool = False


@dataclass(frozen=True, slots=True)
class Symlink:
    """Make a symbolic link."""

    path: Name
    target: str
    condition: Condition = ANYWAY


@dataclass(frozen=True, slots=True)
class Rename:
    """Give a file, a directory or a link another name; `condition.etag` is of what is renamed."""

    path: Name
    to: Name
    condition: Condition = ANYWAY


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a file, a link or an empty directory."""

    path: Name
    if_match: str | None = None


@dataclass(frozen=True, slots=True)
class Ping:
    """Ask for nothing, so as to be heard."""


InPut = Part | Finish | Abandon
Request = (
    Hello
    | Stat
    | List
    | Get
    | GetBundle
    | DigestOf
    | Resume
    | Put
    | InPut
    | Bundle
    | Mkdir
    | Symlink
    | Rename
    | Remove
    | Ping
)
