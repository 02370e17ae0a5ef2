"""The bytes of a capture file: all there are, or also what is written to it later, in its next file too."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

CHUNK = 2**16
#: Seconds between two looks at a file that is followed.
PAUSE = 0.1


def read_all(file: BinaryIO) -> Iterator[bytes]:
    """Give what is there, in pieces, as soon as they come."""
    descriptor = file.fileno()
    while data := os.read(descriptor, CHUNK):
        yield data


def follow(path: Path, sleep: Callable[[float], object]) -> Iterator[bytes]:
    """
    Give what is there and what comes, for ever; an empty piece says that another file begins.

    The recorder renames a file that is full: then what is left of it is read, and its successor next.
    """
    while True:
        with path.open("rb") as file:
            while True:
                replaced = _is_replaced(path, file)  # looked at first: what was written before it can be read
                yield from read_all(file)
                if replaced:
                    break
                sleep(PAUSE)
        yield b""


def _is_replaced(path: Path, file: BinaryIO) -> bool:
    try:
        return path.stat().st_ino != os.fstat(file.fileno()).st_ino
    except FileNotFoundError:  # between the renaming and the next file
        return False
