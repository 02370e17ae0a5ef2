"""Work side by side."""

from collections.abc import AsyncIterator

from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.filexfer.trees.window import Window, in_order
from twisted_lab.net.detached import Detached


class WindowTests(SynchronousTestCase):
    """So many at a time."""

    def setUp(self) -> None:
        """Begin with nothing."""
        self.begun: list[Deferred[None]] = []
        self.window = Window(2)

    async def work(self) -> None:
        """Wait until the test says that it is done."""
        self.begun.append(Deferred())
        await self.begun[-1]

    def start(self) -> "Deferred[None]":
        """Begin some work."""
        return ensureDeferred(self.window.start(self.work()))

    def test_so_many_at_a_time(self) -> None:
        """What doesn't fit waits until there is a place."""
        self.successResultOf(self.start())
        self.successResultOf(self.start())
        third = self.start()
        self.assertNoResult(third)
        self.assertEqual(len(self.begun), 2)
        self.begun[1].callback(None)
        self.successResultOf(third)
        self.assertEqual(len(self.begun), 3)

    def test_drain(self) -> None:
        """To drain it is to wait for all; then it can be used again."""
        self.start()
        self.start()
        drained = ensureDeferred(self.window.drain())
        self.begun[0].callback(None)
        self.assertNoResult(drained)
        self.begun[1].callback(None)
        self.successResultOf(drained)
        self.successResultOf(self.start())

    def test_error(self) -> None:
        """After an error nothing is begun; whoever tries hears of it, and so does who drains it."""
        self.start()
        self.begun[0].errback(ValueError("first"))
        self.failureResultOf(self.start(), ValueError)
        self.assertEqual(len(self.begun), 1)
        self.failureResultOf(ensureDeferred(self.window.drain()), ValueError)

    def test_cancel(self) -> None:
        """To cancel it cancels what goes on."""
        self.start()
        waiting = ensureDeferred(self.window.drain())
        self.window.cancel()
        self.failureResultOf(waiting, CancelledError)

    def test_cancelled_waiting(self) -> None:
        """Who is cancelled while waiting for a place takes none."""
        self.start()
        self.start()
        third = self.start()
        third.cancel()
        self.failureResultOf(third, CancelledError)
        for begun in self.begun:
            begun.callback(None)
        self.successResultOf(ensureDeferred(self.window.drain()))
        self.assertEqual(len(self.begun), 2)


class InOrderTests(SynchronousTestCase):
    """Results in the order in which the work was found."""

    def test_in_order(self) -> None:
        """Work is begun ahead, so far and no further, and what is done early waits for its turn."""
        works: list[Deferred[int]] = []
        given: list[int] = []

        async def found() -> AsyncIterator[int | Detached[int]]:
            yield 0
            for _ in range(4):
                works.append(Deferred())
                yield Detached(works[-1])
            yield 5

        async def read() -> None:
            async for result in in_order(found(), 2):
                given.append(result)  # noqa: PERF401  # one by one

        reading = ensureDeferred(read())
        self.assertEqual((given, len(works)), ([0], 3))
        works[1].callback(2)
        self.assertEqual(given, [0])
        works[0].callback(1)
        self.assertEqual((given, len(works)), ([0, 1, 2], 4))
        works[3].callback(4)
        works[2].callback(3)
        self.successResultOf(reading)
        self.assertEqual(given, [0, 1, 2, 3, 4, 5])
