"""What is given for a file that was published."""

from dataclasses import dataclass

from twisted_lab.filexfer.conditions import Durability


@dataclass(frozen=True, slots=True)
class Receipt:
    """
    A file is published under `path`, whole: its bytes, `size` of them, have that `digest`.

    `etag` is the file's state right after that; `durability` says how much of it is on the disk.
    """

    path: str
    digest: str
    size: int
    etag: str
    durability: Durability
