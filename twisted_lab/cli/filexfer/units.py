"""Bytes, rates and durations, as a person reads and writes them."""

import argparse
import math
import re

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_RATE = re.compile(r"([0-9]{1,15}(?:[.][0-9]{1,15})?)([KMGT]?)(?:i?B)?", re.IGNORECASE)
#: Bytes a second: with less, a single piece would take longer than the other side waits for a sign of life.
LOWEST_RATE = 1024


def show_size(count: float) -> str:
    """Give ``812 B``, ``12.3 MiB``: three digits at least, and never a thousand of a smaller unit."""
    if count < 1000:
        return f"{int(count)} B"
    number, unit = count / 1024, 1
    while number >= 999.95 and unit < len(_UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return f"{number:.1f} {_UNITS[unit]}"


def show_duration(seconds: float) -> str:
    """Give ``0:07``, ``2:45`` or ``1:02:45``; what takes days is in hours all the same."""
    minutes, rest = divmod(math.ceil(round(seconds, 1)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def parse_rate(text: str) -> float:
    """Read bytes a second: ``250K``, ``10M``, ``1.5G``, whose letters are powers of 1024, as curl's and rsync's are."""
    match = _RATE.fullmatch(text)
    rate = float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " ") if match else 0.0
    if rate < LOWEST_RATE:
        raise argparse.ArgumentTypeError(f"{text!r} isn't a rate such as 250K, 10M or 1.5G bytes a second, 1K or more")
    return rate
