"""A way: how one peer moves files in one direction, in the words that a user would type."""

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from proc import listens

#: put: the client sends; get: the client receives.
Direction = Literal["put", "get"]
DIRECTIONS: tuple[Direction, ...] = ("put", "get")
Words = Sequence[str]

SCRIPTS = Path(sys.executable).parent
#: Where programs are looked for: servers aren't on every user's path.
PATH = f"{SCRIPTS}:{os.environ['PATH']}:/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True)
class Place:
    """
    Where a transfer takes place, for those who serve and those who come.

    `root` holds ``source/NAME``, what is sent; ``served/NAME``, where a put goes; ``fetched/NAME``, where a get does.
    `scratch` is for the server's own files; `once_port` is for a server of one transfer. `certificates` holds
    ``cert.pem`` and ``key.pem``, for ``localhost``.
    """

    root: Path
    scratch: Path
    certificates: Path
    port: int
    tls_port: int
    once_port: int = 0
    name: str = ""

    @property
    def source(self) -> Path:
        """What is sent."""
        return self.root / "source" / self.name

    @property
    def served(self) -> Path:
        """Where a put goes."""
        return self.root / "served" / self.name

    @property
    def fetched(self) -> Path:
        """Where a get goes."""
        return self.root / "fetched" / self.name


@dataclass(frozen=True)
class Need:
    """A program, a Python module or a directory that has to be there, and how to get it."""

    name: str
    how: str
    kind: Literal["program", "module", "directory"] = "program"

    @property
    def there(self) -> bool:
        """Whether it is."""
        if self.kind == "module":
            return find_spec(self.name) is not None
        return Path(self.name).is_dir() if self.kind == "directory" else shutil.which(self.name, path=PATH) is not None


@dataclass(frozen=True)
class Service:
    """A server that goes on from transfer to transfer; `words` start it, after writing what it needs."""

    name: str
    words: Callable[[Place], Words]
    tls: bool = False


@dataclass(frozen=True)
class Way:
    """
    How one peer moves a file, or a directory of files, in one direction.

    `client` gives the words that are timed; `services` run before; `once` gives the words of a server for this
    transfer only, which is there once it is `once_ready`, by default once it listens on the place's port for it.
    `cases`: in which of the benchmark's cases it takes part. `most_rounds`: for what is very slow.
    """

    peer: str
    direction: Direction
    client: Callable[[Place], Words]
    cases: frozenset[str]
    needs: tuple[Need, ...] = ()
    services: tuple[Service, ...] = ()
    once: Callable[[Place], Words] | None = None
    once_ready: Callable[[Place], bool] = lambda place: listens(place.once_port)
    variant: str = ""
    most_rounds: int = sys.maxsize

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return f"{self.peer} {self.direction}{self.variant and ', '}{self.variant}"

    def target(self, place: Place) -> Path:
        """Give where what is sent ends up."""
        return place.served if self.direction == "put" else place.fetched


def program(name: str) -> str:
    """Give the path of a program that is there."""
    return shutil.which(name, path=PATH) or name


def shell(line: str, *words: object) -> Words:
    """Give the words for a line of the shell, in which $1, $2 and so on are these words."""
    return ["/bin/sh", "-c", line, "sh", *map(str, words)]
