"""Contents: what is sent, made up, and whether it has arrived as it was."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from blake3 import blake3

MIB = 2**20
SMALL = 4096  # bytes of each of many files
DIRECTORIES = 100  # that these are in


def make_file(path: Path, size: int) -> None:
    """Make a file of so many random bytes, which nothing can compress."""
    with path.open("wb") as file:
        for done in range(0, size, MIB):
            file.write(os.urandom(min(MIB, size - done)))
        # On a disk, writing it mustn't go on while others are measured.
        file.flush()
        os.fsync(file.fileno())


def make_tree(top: Path, count: int) -> None:
    """Make so many files of 4 KiB in 100 directories."""
    for number in range(count):
        path = top / f"directory-{number % DIRECTORIES:02}" / f"file-{number:05}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(SMALL))
    os.sync()


def digests(path: Path) -> Mapping[str, str]:
    """Give the digest of a file, or of each file in a directory by its name."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if not file.is_dir()]
    return {str(file.relative_to(path)): blake3().update_mmap(file).hexdigest() for file in files}


def remove(path: Path) -> None:
    """Remove a file or a directory, if there is one."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
