"""A file that is small enough to be moved whole, with others."""

from dataclasses import dataclass

from twisted_lab.filexfer.names import Name


@dataclass(frozen=True, slots=True)
class SmallFile:
    """A file that is put whole; its parent directories are made. `mtime_ns` and `mode` as None: the server's choice."""

    name: Name
    content: bytes
    digest: str
    mtime_ns: int | None = None
    mode: int | None = None
