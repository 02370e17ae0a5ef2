"""The bytes of a capture file: all there are, or also what is written to it later, in its next files too."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

CHUNK = 2**16
#: Seconds between two looks at a file that is followed.
PAUSE = 0.1
#: FILE and its predecessors, of which those that weren't read yet are kept open: so many at most.
MAX_FILES = 64


def read_all(file: BinaryIO) -> Iterator[bytes]:
    """Give what is there, in pieces, as soon as they come."""
    descriptor = file.fileno()
    while data := os.read(descriptor, CHUNK):
        yield data


def follow(path: Path, sleep: Callable[[float], object], lose: Callable[[], object]) -> Iterator[bytes]:
    """
    Give what is there and what comes, for ever; an empty piece says that another file begins.

    The recorder renames a file that is full: then what is left of it is read, and its successors next, of which there
    may be several by then. Was it removed meanwhile, so may others have been that came next: then `lose` is called.
    """
    later: list[BinaryIO] = [path.open("rb")]
    try:
        while True:
            with later.pop(0) as file:
                while True:
                    # Looked for first: what was written before there was a later one can be read.
                    later = later or _find_later(path, file, lose)
                    yield from read_all(file)
                    if later:
                        break
                    sleep(PAUSE)
            yield b""
    finally:
        _close(later)


def _find_later(path: Path, current: BinaryIO, lose: Callable[[], object]) -> list[BinaryIO]:
    """Open the files that are later than `current`, the oldest first; none if that can't be told for now."""
    last = os.fstat(current.fileno())
    if _inode(path) == last.st_ino:
        return []
    files = _open_all(path)
    known = [os.fstat(file.fileno()) for file in files]
    # What is open keeps its inode to itself: so nothing else was FILE meanwhile, and they are in their order.
    if not files or _inode(path) != known[0].st_ino:
        _close(files)
        return []
    count = next((number for number, each in enumerate(known) if each.st_ino == last.st_ino), 0)
    if not count:  # it is gone: for its age, or with older ones still there for a recorder that began anew
        older = (number for number, each in enumerate(known) if number and each.st_mtime_ns < last.st_mtime_ns)
        count = next(older, len(files))
        if 1 < count == len(files):
            lose()
    # One that was renamed just now is there twice.
    later = {each.st_ino: file for file, each in reversed([*zip(files, known, strict=True)][:count])}
    _close(file for file in files if file not in later.values())
    return [*later.values()]


def _open_all(path: Path) -> list[BinaryIO]:
    """Open FILE, FILE.1 and so on; a number may be free, while they are renamed from the oldest on."""
    files: list[BinaryIO] = []
    for number in range(MAX_FILES):
        with suppress(FileNotFoundError):
            files.append((path.with_name(f"{path.name}.{number}") if number else path).open("rb"))
        if not files:
            break
    return files


def _close(files: Iterable[BinaryIO]) -> None:
    for file in files:
        file.close()


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:  # between the renaming and the next file
        return None
