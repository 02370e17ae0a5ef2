"""Work that goes on side by side, so that the time a reply takes is waited for once and not for each file."""

from collections import deque
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.python.failure import Failure

from twisted_lab.net.detached import Detached

Result = TypeVar("Result")


class Window:
    """At most `most` pieces of work at a time; the first that raises is the last that is begun."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._free = DeferredSemaphore(most)
        self._running: set[Deferred[None]] = set()
        self._failure: Failure | None = None

    async def start(self, work: Coroutine[Deferred[Any], Any, None]) -> None:
        """Begin `work` as soon as there is a place; raises what any work before raised."""
        try:
            await self._free.acquire()
        except BaseException:
            work.close()
            raise
        if self._failure is not None:
            self._free.release()
            work.close()
            self._failure.raiseException()
        running = Deferred.fromCoroutine(work)
        self._running.add(running)
        running.addBoth(self._end, running)

    async def drain(self) -> None:
        """Wait until all work is over; raises what any of it raised."""
        for _ in range(self._most):
            await self._free.acquire()
        for _ in range(self._most):
            self._free.release()
        if self._failure is not None:
            self._failure.raiseException()

    def cancel(self) -> None:
        """Cancel what goes on."""
        for running in [*self._running]:
            running.cancel()

    def _end(self, result: object, running: "Deferred[None]") -> None:
        self._running.discard(running)
        if isinstance(result, Failure) and self._failure is None:
            self._failure = result
        self._free.release()


async def in_order(found: AsyncIterator[Result | Detached[Result]], most: int) -> AsyncIterator[Result]:
    """Give results in the order in which they, or the work for them, are found; look at most `most` ahead."""
    waiting: deque[Result | Detached[Result]] = deque()
    async for result in found:
        waiting.append(result)
        while waiting and (len(waiting) > most or not isinstance(waiting[0], Detached) or waiting[0].over):
            yield await _result(waiting.popleft())
    for result in waiting:
        yield await _result(result)


async def _result(found: Result | Detached[Result]) -> Result:
    return await found.result() if isinstance(found, Detached) else found
