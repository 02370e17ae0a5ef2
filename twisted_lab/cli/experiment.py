"""``twisted-lab experiment``: run experiments, and print what was predicted against what was observed."""

import argparse
import json
import os
import signal
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic
from typing import Self

from twisted_lab import experiments
from twisted_lab.experiments.errors import NotKeptError
from twisted_lab.experiments.experiment import Claim, Experiment, Picture
from twisted_lab.experiments.performance import FAILS, HOLDS, UNKNOWN, Performance, perform
from twisted_lab.instruments.run_directory import RunDirectory

#: The exit status of each verdict; of several, that of the worst.
STATUS = {HOLDS: os.EX_OK, FAILS: 1, UNKNOWN: 2}
#: How lines are printed while an experiment runs.
Say = Callable[[str], None]
_WIDTH = 80
#: Digits that a number may have, with leading zeros.
_DIGITS = 9
#: Seconds after which a terminal is shown that something goes on.
_DELAY = 2.0


def run(arguments: argparse.Namespace) -> int:
    """Run them one after the other; 0 if all that was predicted is so, 1 if something isn't, 2 if nobody knows."""
    # Ends what was started, as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        chosen = [*map(experiments.find, choose(arguments.numbers))]
    except LookupError as error:
        sys.stderr.write(f"twisted-lab: {error.args[0]}\n")
        return os.EX_USAGE
    verdicts = []
    for experiment in chosen:
        try:
            directory = create_directory(Path(arguments.runs), experiment)
            with Progress(f"experiment {experiment.number:02} runs") as progress:
                verdicts.append((print_json if arguments.json else print_text)(experiment, directory, progress.say))
        except NotKeptError as error:
            sys.stderr.write(f"twisted-lab: runs can't be kept in {arguments.runs}: {error}\n")
            return os.EX_CANTCREAT
    if len(chosen) > 1 and not arguments.json:
        counts = (f"{verdicts.count(verdict)} {verdict}" for verdict in STATUS if verdict in verdicts)
        sys.stdout.write(f"{len(chosen)} experiments: {', '.join(counts)}\n")
    return next(STATUS[verdict] for verdict in (FAILS, UNKNOWN, HOLDS) if verdict in verdicts)


def create_directory(runs: Path, experiment: Experiment) -> RunDirectory:
    """Give a directory for a run; `NotKeptError` if there can't be one."""
    try:
        return RunDirectory.create(runs, f"experiment-{experiment.number:02}")
    except OSError as error:
        raise NotKeptError(error.strerror) from error


def choose(words: list[str]) -> list[int]:
    """Give the numbers that the command line names; `LookupError` if a word is none."""
    if words == ["all"]:
        return experiments.numbers()
    for word in words:
        if not (word.isascii() and word.isdecimal() and len(word) <= _DIGITS):
            raise LookupError(f"{word[:40]!r} isn't the number of an experiment, or all")
    return [int(word) for word in words]


def print_json(experiment: Experiment, directory: RunDirectory, say: Say) -> str:
    """Run one, and print what is kept as one line of JSON; give the verdict."""
    performance = perform(experiment, directory, lambda _: None)
    found = {**performance.as_json(), "directory": str(directory.path)}
    say(json.dumps(found, ensure_ascii=False))
    return performance.verdict


def print_text(experiment: Experiment, directory: RunDirectory, say: Say) -> str:
    """Run one, and print what is found when it is; give the verdict."""
    say(f"Experiment {experiment.number:02}: {experiment.title}\n")
    say(wrap("Question:   ", experiment.question))
    say(wrap("Prediction: ", experiment.prediction) + "\n")
    performance = perform(experiment, directory, lambda found: say(describe(found)))
    say(f"{sum_up(performance)}\nKept in {directory.path}\n")
    return performance.verdict


def describe(found: Claim | Picture) -> str:
    """Give a finding as it is printed. What was observed isn't wrapped: its figures differ in length."""
    if isinstance(found, Picture):
        return f"{found.title}\n\n{found.text}\n"
    predicted = wrap(f"{'holds' if found.holds else 'FAILS'}  predicted: ", found.predicted)
    return f"{predicted}\n       observed:  {found.observed}\n"


def sum_up(performance: Performance) -> str:
    """Give the verdict in a sentence."""
    held = sum(claim.holds for claim in performance.claims)
    counted = f"{held} of {len(performance.claims)} predictions hold."
    return f"{counted} The rest is unknown: {performance.why}" if performance.why else counted


def wrap(label: str, text: str) -> str:
    """Give text that begins with a label, wrapped, and indented below it."""
    return textwrap.fill(text, _WIDTH, initial_indent=label, subsequent_indent=" " * len(label))


class Progress:
    """
    Says on a terminal, from two seconds on, that something runs, and for how long already.

    What is printed meanwhile goes through `say`: it may go to the same terminal, and to where the line stands.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._over = Event()
        self._thread = Thread(target=self._tell, daemon=True)
        self._writing = Lock()
        self._stands = False

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        self._clear()

    def say(self, text: str) -> None:
        """Print lines at once, in place of the progress, which comes again below them."""
        with self._writing:
            self._clear()
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    def _tell(self) -> None:
        began, wait = monotonic(), _DELAY
        while not self._over.wait(wait):
            with self._writing:
                self._clear()
                sys.stderr.write(f"{self._what}: {monotonic() - began:.0f} s")
                sys.stderr.flush()
                self._stands = True
            wait = 1.0

    def _clear(self) -> None:
        if self._stands:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._stands = False
