"""The highest rate that holds a bound: doubled until it doesn't, then halved in."""

import re
from dataclasses import dataclass

#: How near the highest rate that held and the lowest that didn't are in the end.
NEAR = 1.05
#: Messages a second above which nothing is tried, and messages of a run below which.
MOST, FEWEST = 1e7, 10
_SLO = re.compile(r"p(\d{1,2}(?:\.\d{1,4})?)=(.+)")


@dataclass(frozen=True)
class Bound:
    """A percentile that is to be at most so many seconds."""

    percent: float
    seconds: float

    @staticmethod
    def split(text: str) -> tuple[float, str]:
        """Give the percentile and the rest of ``p99=20ms``; `ValueError` if it isn't that."""
        match = _SLO.fullmatch(text)
        if match is None:
            raise ValueError(text)
        return float(match[1]), match[2]


class Search:
    """
    `rate` is what to try next, None when there is nothing more to try; `best` is the highest that held.

    `duration`: seconds of each run, in which there must be some messages for anything to be told.
    """

    def __init__(self, first: float, duration: float) -> None:
        self._least = FEWEST / duration
        self.rate: float | None = max(first, self._least)
        self.best: float | None = None
        self._worst: float | None = None

    def held(self, yes: bool) -> None:  # noqa: FBT001  # the answer to the only question
        """Take whether `rate` held."""
        if self.rate is None:
            return
        if yes:
            self.best = self.rate
        else:
            self._worst = self.rate
        self.rate = self._next()

    def _next(self) -> float | None:
        match self.best, self._worst:
            case float(best), None:
                return best * 2 if best * 2 <= MOST else None
            case None, float(worst):
                return worst / 2 if worst / 2 >= self._least else None
            case float(best), float(worst) if worst / best > NEAR:
                middle: float = (best * worst) ** 0.5
                return middle
        return None
