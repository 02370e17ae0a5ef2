"""Rounds: all runs in turn, each round in an order of its own, so that what else the machine does meets all alike."""

import random
import sys
from collections.abc import Callable, Mapping

import report
from children import BLIND, FailedError, Spent

REPEATS = 2  # of a run that other programs disturbed
TRIES = 5  # of a run until its memory was seen: this process may stand still while it ends


def interleave(
    title: str, runs: Mapping[str, Callable[[], Spent]], rounds: int, most: Mapping[str, int], *, repeat: bool = True
) -> tuple[dict[str, list[Spent]], list[str]]:
    """
    Run each, by name, once a round, and give what each took; and lines about those that failed, which are left out.

    One of ours mustn't fail: that ends all.
    `most`: how many rounds one takes part in at most. A disturbed run is repeated, and the quietest counts; that ends
    when there have been half as many repeats as runs.
    """
    spent: dict[str, list[Spent]] = {name: [] for name in runs}
    failed: dict[str, str] = {}
    left = len(runs) * rounds // 2 if repeat else 0
    for number in range(rounds):
        for name in random.sample(list(runs), len(runs)):
            if number >= most.get(name, rounds) or name in failed:
                continue
            show_progress(f"{title}: round {number + 1} of {rounds}, {name}")
            try:
                tried = [_seen(runs[name])]
                while tried[-1].disturbed and len(tried) <= REPEATS and left > 0:
                    left -= 1
                    tried.append(_seen(runs[name]))
                spent[name].append(min(tried, key=lambda run: run.foreign))
            except FailedError as error:
                if name.startswith(report.OURS):
                    raise
                failed[name] = report.missing(f"{title}: {name}", f"it failed: {' '.join(str(error).split())}")
    show_progress("")
    return {name: run for name, run in spent.items() if name not in failed}, list(failed.values())


def _seen(run: Callable[[], Spent]) -> Spent:
    """Run one, again if its client ended while nobody looked at its memory."""
    for _ in range(TRIES):
        spent = run()
        if spent.blind < BLIND:
            break
    return spent


def show_progress(text: str) -> None:
    """Show what is being done, to a person who waits."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
