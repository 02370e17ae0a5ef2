"""``--limit-rate``: no more bytes a second than that."""

from typing import Any

from twisted.internet.task import deferLater

#: Seconds: what wasn't used of the rate for longer than this is lost, so that a pause isn't followed by a flood. Less,
#: and timers that fire late would make it slower than it says.
_KEPT = 0.1


class RateLimit:
    """Shared by all that is moved, in either direction; pieces go in the order in which they asked."""

    def __init__(self, clock: Any, rate: float) -> None:
        """Begin now; `rate` is in bytes a second."""
        self._clock = clock
        self._rate = rate
        self._paid_until = clock.seconds()

    async def allow(self, count: int) -> None:
        """Wait until so many bytes more may have been moved."""
        now = self._clock.seconds()
        self._paid_until = max(self._paid_until, now - _KEPT) + count / self._rate
        if self._paid_until > now:
            await deferLater(self._clock, self._paid_until - now)
