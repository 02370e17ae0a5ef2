"""What the benchmarks of whole commands share: options, and how they end."""

import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from children import FailedError, end_strays


def add_options(parser: ArgumentParser, rounds: int) -> None:
    """Add the options that all have; `rounds`: how many there are by default."""
    parser.add_argument("--rounds", type=int, default=rounds, help=f"how often each is run (default: {rounds})")
    parser.add_argument("--memory", type=Path, default="/dev/shm", metavar="DIR", help="on tmpfs (default: /dev/shm)")  # noqa: S108  # a directory is made in it
    parser.add_argument("--scale", choices=["full", "small"], default="full", help="small: for a try; no bar is judged")


def run(measure: Callable[[Namespace], int], options: Namespace) -> int:
    """Measure, and give the exit status; a failure is told, and what was begun is ended, after SIGTERM as well."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        return measure(options)
    except FailedError as error:
        sys.exit(f"\n{error}")
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        end_strays()
