"""What an experiment is: a question, a prediction, a run; and what a run gives: claims and pictures."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from twisted_lab.experiments.server import Server


@dataclass(frozen=True)
class Claim:
    """
    One thing that was predicted, what was observed, with its units, and whether the one agrees with the other.

    A claim is about an order or a ratio, never about a time alone: machines differ. `hint` is for whoever's program
    doesn't do as predicted.
    """

    predicted: str
    observed: str
    holds: bool
    hint: str = ""


@dataclass(frozen=True)
class Picture:
    """What happened, to look at: `text` for a terminal of 80 columns, and `svg`, kept as ``NAME.svg``."""

    name: str
    title: str
    text: str
    svg: str


@dataclass(frozen=True)
class Experiment:
    """
    An experiment; `run` gives what it finds as it finds it.

    `check` looks at a running server and says for each point whether it is right. The experiment runs it on our own,
    and ``twisted-lab check`` on the reader's.
    """

    number: int
    title: str
    question: str
    prediction: str
    run: Callable[[], Iterator[Claim | Picture]]
    check: Callable[[Server], Iterator[Claim]] | None = None


def times(large: float, small: float) -> float:
    """Give how many times as large the one is as the other, for a ratio to things that may be nothing at all."""
    return large / max(small, 1e-9)
