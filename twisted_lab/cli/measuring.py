"""What the verbs that measure have in common: where a run is kept, and how it is shown while it lasts."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from twisted_lab.cli.session import stop
from twisted_lab.instruments.run_directory import RunDirectory

#: The command of a process that sends.
WORKER = [sys.executable, "-c", "from twisted_lab.cli.load_worker import main; main()"]


def make_directory(runs: Path, name: str) -> RunDirectory:
    """Give a new run's directory; end the work with 73 (EX_CANTCREAT) if it can't be had."""
    try:
        return RunDirectory.create(runs, name)
    except OSError as error:
        stop(os.EX_CANTCREAT, f"can't write to {runs}: {error.strerror or error}")


@contextmanager
def keeping(directory: RunDirectory) -> Iterator[None]:
    """End the work with 73 (EX_CANTCREAT) if the block can't write what is to be kept there."""
    try:
        yield
    except OSError as error:
        stop(os.EX_CANTCREAT, f"can't keep the run in {directory.path}: {error.strerror or error}")


def keep_line(directory: RunDirectory, name: str, value: Mapping[str, Any]) -> None:
    """Add a line of JSON to a file of a run, at once."""
    with keeping(directory), (directory.path / name).open("a") as file:
        file.write(json.dumps(value) + "\n")


def print_json(value: Mapping[str, Any]) -> None:
    """Print one line, at once."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


class StatusLine:
    """One line on a terminal's standard error, written anew each time; none elsewhere."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()

    def show(self, text: str) -> None:
        """Write it, in the place of what was there."""
        if self._shown:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    def clear(self) -> None:
        """Take it away."""
        self.show("")
