"""What is asked of a publication: what must hold for it, and what is on the disk after it."""

from enum import Enum
from typing import NamedTuple


class Durability(Enum):
    """What is on the disk for sure once a file is published."""

    MEMORY = "memory"
    FILE = "file"
    DIRECTORY = "directory"


class Condition(NamedTuple):  # not a dataclass: a command's help needs this module, and would import inspect too
    """What must hold at the moment of publishing: nothing has the name (`absent`), or its file has that `etag`."""

    absent: bool = False
    etag: str | None = None


#: Nothing must hold.
ANYWAY = Condition()
