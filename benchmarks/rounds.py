"""Rounds: all runs in turn, each round in an order of its own, so that what else the machine does meets all alike."""

import random
import sys
from collections.abc import Callable, Mapping

from children import Spent

REPEATS = 2  # of a run that other programs disturbed


def interleave(
    title: str, runs: Mapping[str, Callable[[], Spent]], rounds: int, most: Mapping[str, int], *, repeat: bool = True
) -> dict[str, list[Spent]]:
    """
    Run each, by name, once a round, and give what each took.

    `most`: how many rounds one takes part in at most. A disturbed run is repeated, and the quietest counts; that ends
    when there have been half as many repeats as runs.
    """
    spent: dict[str, list[Spent]] = {name: [] for name in runs}
    left = len(runs) * rounds // 2 if repeat else 0
    for number in range(rounds):
        for name in random.sample(list(runs), len(runs)):
            if number >= most.get(name, rounds):
                continue
            show_progress(f"{title}: round {number + 1} of {rounds}, {name}")
            tried = [runs[name]()]
            while tried[-1].disturbed and len(tried) <= REPEATS and left > 0:
                left -= 1
                tried.append(runs[name]())
            spent[name].append(min(tried, key=lambda run: run.foreign))
    show_progress("")
    return spent


def show_progress(text: str) -> None:
    """Show what is being done, to a person who waits."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
