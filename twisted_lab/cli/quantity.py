"""Quantities with units, as the words of a command have them: ``30s``, ``250ms``, ``64KiB``."""

import argparse
import re
from collections.abc import Callable

_NUMBER = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s*([a-zA-Zµ]*)")
_SECONDS = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "m": 60.0, "min": 60.0, "h": 3600.0}
_BYTES = {"": 1, "B": 1, "K": 2**10, "KiB": 2**10, "M": 2**20, "MiB": 2**20, "kB": 10**3, "MB": 10**6}
_RATES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6}

DAY = 86400.0
#: Seconds.
SHORTEST = 0.1


def duration(text: str) -> float:
    """Read seconds: ``2``, ``30s``, ``250ms``, ``5m``; at most a day."""
    seconds = _read(text, _SECONDS, "a duration such as 30s, 250ms or 5m")
    if seconds > DAY:
        raise argparse.ArgumentTypeError(f"{text!r} is more than a day")
    return seconds


def measured_duration(text: str) -> float:
    """Read seconds, as `duration`, a tenth at least: in less there is nothing to be measured."""
    seconds = duration(text)
    if seconds < SHORTEST:
        raise argparse.ArgumentTypeError(f"{text!r} is less than {SHORTEST * 1000:g} ms")
    return seconds


def duration_or_none(text: str) -> float:
    """Read seconds, as `duration`, but there may be none."""
    return 0.0 if _NUMBER.fullmatch(text) and not float(_NUMBER.fullmatch(text)[1]) else duration(text)  # type: ignore[index]


def size(text: str) -> int:
    """Read bytes: ``64``, ``4KiB``, ``1M``; at most 16 MiB."""
    count = int(_read(text, _BYTES, "a size such as 64, 4KiB or 1M"))
    if not 1 <= count <= 2**24:
        raise argparse.ArgumentTypeError(f"{text!r} isn't a size in 1 B … 16 MiB")
    return count


def rate(text: str) -> float:
    """Read so many a second: ``500``, ``20k``; at most ten million."""
    number = _read(text, _RATES, "a rate a second such as 500 or 20k")
    if number > 1e7:
        raise argparse.ArgumentTypeError(f"{text!r} is more than 10M a second")
    return number


def count(most: int) -> Callable[[str], int]:
    """Give what reads a whole number from 1 to `most`."""

    def read(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} isn't a whole number in 1 … {most}")
        return int(text)

    return read


def _read(text: str, units: dict[str, int] | dict[str, float], what: str) -> float:
    match = _NUMBER.fullmatch(text)
    number = float(match[1]) * units.get(match[2], 0) if match else 0.0
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} isn't {what}")
    return number
