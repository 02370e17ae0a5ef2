"""Work that goes on whether or not anyone still waits for it."""

from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar, cast

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.python.failure import Failure

Result = TypeVar("Result")
#: Runs a blocking function elsewhere: `deferToThread`, or what does the same.
RunInThread = Callable[..., "Deferred[Any]"]


class Detached(Generic[Result]):
    """
    Work under way. To cancel who waits for it doesn't stop it; if it fails and nobody asks, nothing is logged.

    A call in a thread can't be stopped, and a reply comes whether or not it is wanted.
    """

    def __init__(self, work: "Deferred[Result] | Coroutine[Deferred[Any], Any, Result]") -> None:
        self.over = False
        self._outcome: Any = None
        self._waiters: set[Deferred[None]] = set()
        ensureDeferred(work).addBoth(self._end)

    async def result(self) -> Result:
        """Wait until it is over; give what it gave, or raise what it raised."""
        await first(self)
        if isinstance(self._outcome, Failure):
            self._outcome.raiseException()
        return cast("Result", self._outcome)

    def _end(self, outcome: object) -> None:
        self.over = True
        self._outcome = outcome
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.called:  # another of those it waits for was first
                waiter.callback(None)


async def first(*works: Detached[Any]) -> None:
    """Wait until one of `works` is over, well or not."""
    if any(work.over for work in works):
        return
    waiter: Deferred[None] = Deferred()
    for work in works:
        work._waiters.add(waiter)  # noqa: SLF001  # of its own class
    try:
        await waiter
    finally:
        for work in works:
            work._waiters.discard(waiter)  # noqa: SLF001


class Worker:
    """
    The blocking calls on one file: in threads, one after the other.

    Whoever waits for a call may be cancelled; the file is closed only when the call is over.
    """

    def __init__(self, run_in_thread: RunInThread) -> None:
        self._run = run_in_thread
        self._last: Detached[Any] | None = None

    def start(self, call: Callable[..., Result], *arguments: Any) -> Detached[Result]:
        """Begin a call; the one before must be over."""
        self._last = Detached(self._run(call, *arguments))
        return self._last

    async def do(self, call: Callable[..., Result], *arguments: Any) -> Result:
        """Call, and wait for what it gives."""
        return await self.start(call, *arguments).result()

    async def end(self, close: Callable[[], object]) -> None:
        """Call `close` once the call under way is over; it is called even if this is cancelled."""
        await Detached(self._close(close)).result()

    async def _close(self, close: Callable[[], object]) -> None:
        if self._last is not None:
            await first(self._last)
        await self.do(close)
