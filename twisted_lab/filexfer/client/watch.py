"""Who is told of a transfer's progress, and may slow it down."""

from typing import Protocol


class Watch(Protocol):
    """Called for each piece of a transfer, at most 512 KiB, in the reactor's thread."""

    def resumed(self, count: int) -> None:
        """Take notice that `count` bytes were there already."""

    def moved(self, count: int) -> None:
        """Take notice that `count` more bytes were sent, or have arrived."""

    async def allow(self, count: int) -> None:
        """Return when `count` more bytes may be moved."""


class Unwatched:
    """Let everything pass."""

    def resumed(self, count: int) -> None:
        """Do nothing."""

    def moved(self, count: int) -> None:
        """Do nothing."""

    async def allow(self, count: int) -> None:
        """Return at once."""
