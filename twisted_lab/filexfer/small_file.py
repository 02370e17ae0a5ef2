"""A file that is small enough to be moved whole, with others."""

from dataclasses import dataclass

from twisted_lab.filexfer.names import Name


@dataclass(frozen=True, slots=True)
class SmallFile:
    """
    A file that is put or got whole; its parent directories are made.

    `mtime_ns` and `mode` as None: the server's choice. `etag` is its state on the server that it was got from.
    """

    name: Name
    content: bytes
    digest: str
    mtime_ns: int | None = None
    mode: int | None = None
    etag: str | None = None

    def under(self, name: Name) -> "SmallFile":
        """Give the same file under another name, where it has no `etag` yet."""
        return SmallFile(name, self.content, self.digest, self.mtime_ns, self.mode)
