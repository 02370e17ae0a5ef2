"""What can be compared: the models, and any specimen's server."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from twisted_lab import models, specimen

#: What a model needs besides us.
NEEDS = {"uvloop": "uvloop"}


@dataclass(frozen=True)
class Contestant:
    """
    A server that is compared: the command that starts it on a free port, and the specimen by which it is driven.

    It says "… listens on HOST:PORT" when it does. `missing`: what it needs and hasn't got. `one_at_a_time`: it serves
    a second client when the first one is gone.
    """

    name: str
    command: Sequence[str]
    specimen: str
    missing: str = ""
    one_at_a_time: bool = False


def find(name: str) -> Contestant:
    """Give the contestant of a model's name, a specimen's, or ``module:attribute``; `LookupError` if there is none."""
    if name in models.NAMES:
        command = [sys.executable, "-m", f"twisted_lab.models.{name}", "127.0.0.1", "0", "--prefix", ""]
        needs = NEEDS.get(name, "")
        missing = f"pip install {needs}" if needs and find_spec(needs) is None else ""
        return Contestant(name, command, "echo", missing, name in models.ONE_AT_A_TIME)
    try:
        found = specimen.find(name)
    except LookupError as error:
        raise LookupError(f"{error}, or a model: {', '.join(models.NAMES)}") from error
    if found.codec is not None and found.exchange is None:
        raise LookupError(f"{name} has no `exchange`: nobody knows how its client sends a message")
    return Contestant(name, [sys.executable, "-m", "twisted_lab.cli.serve", name], name if found.exchange else "echo")


def everything() -> list[Contestant]:
    """Give all models."""
    return [find(name) for name in models.NAMES]
