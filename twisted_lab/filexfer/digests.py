"""
Digests of content, as text: the algorithm's name, a colon, and 64 small hexadecimal digits.

BLAKE3 is preferred, for it is several times as fast; SHA-256 is what every other language has at hand.
"""

import hashlib
import re
from collections.abc import Callable
from functools import cache
from typing import Protocol

from twisted_lab.filexfer.errors import BadRequestError, UnsupportedError

#: What both sides know, in order of preference.
ALGORITHMS = ("blake3", "sha-256")

_DIGEST = re.compile("(?:" + "|".join(ALGORITHMS) + "):[0-9a-f]{64}")


class Digest:
    """The digest of what `update` was given so far, in order; `UnsupportedError` for an algorithm that isn't known."""

    def __init__(self, algorithm: str, so_far: "_Hash | None" = None) -> None:
        self.algorithm = algorithm
        self._hash = so_far or _new(algorithm)

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Add `data`; other threads run meanwhile, if there is much of it."""
        self._hash.update(data)

    def copy(self) -> "Digest":
        """Give one of the same bytes so far."""
        return Digest(self.algorithm, self._hash.copy())

    @property
    def text(self) -> str:
        """The digest of all that was added; more may be added after."""
        return f"{self.algorithm}:{self._hash.hexdigest()}"


def parse_digest(text: object) -> str:
    """Give `text` if it is a digest of a known algorithm; otherwise `BadRequestError`."""
    if not isinstance(text, str) or not _DIGEST.fullmatch(text):
        raise BadRequestError(f"a digest is one of {', '.join(ALGORITHMS)}, a colon and 64 small hexadecimal digits")
    return text


def algorithm_of(text: str) -> str:
    """Give the algorithm of a digest that `parse_digest` gave."""
    return text.partition(":")[0]


class _Hash(Protocol):
    def update(self, data: bytes | bytearray | memoryview, /) -> object: ...
    def hexdigest(self) -> str: ...
    def copy(self) -> "_Hash": ...


def _new(algorithm: str) -> _Hash:
    if algorithm == "sha-256":
        return hashlib.sha256()
    if algorithm == "blake3":
        return _blake3()()
    raise UnsupportedError(f"a digest is one of {', '.join(ALGORITHMS)}")


@cache
def _blake3() -> Callable[[], _Hash]:
    """Import it once, for each import takes longer than a digest of nothing, and only where something is hashed."""
    from blake3 import blake3  # noqa: PLC0415 - see above

    return blake3
