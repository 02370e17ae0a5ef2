"""Room for more, and who waits for it."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import TimeoutError as NothingMoved


class Room:
    """Whether there is room; who waits for it gives up after `timeout` seconds."""

    def __init__(self, clock: Any, timeout: float | None) -> None:
        self._clock = clock
        self._timeout = timeout
        self._opens: Deferred[None] | None = None

    def close(self) -> None:
        """There is none."""
        if self._opens is None:
            self._opens = Deferred()

    def open(self) -> None:
        """There is some."""
        opens, self._opens = self._opens, None
        if opens is not None and not opens.called:
            opens.callback(None)

    async def wait(self) -> None:
        """Return when there is some; Twisted's `TimeoutError` if that takes too long."""
        opens = self._opens
        if opens is None:
            return
        deadline = (
            None if self._timeout is None else self._clock.callLater(self._timeout, opens.errback, NothingMoved())
        )
        try:
            await opens
        finally:
            if deadline is not None and deadline.active():
                deadline.cancel()
