"""``--limit-rate`` on a clock of its own."""

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.cli.filexfer.rate import RateLimit

MEBIBYTE = 2**20


class RateTests(SynchronousTestCase):
    """How long pieces wait."""

    def setUp(self) -> None:
        """Allow a mebibyte a second."""
        self.clock = Clock()
        self.limit = RateLimit(self.clock, MEBIBYTE)

    def ask(self, count: int) -> "Deferred[None]":
        """Ask for `count` bytes."""
        return ensureDeferred(self.limit.allow(count))

    def move(self, pieces: int, size: int, late: float = 0.0) -> float:
        """Move pieces one after the other, with timers that fire `late` by so many seconds; give how long it took."""
        began = self.clock.seconds()
        for _ in range(pieces):
            asking = self.ask(size)
            if not asking.called:
                (call,) = self.clock.getDelayedCalls()
                self.clock.advance(call.getTime() - self.clock.seconds() + late)
            self.successResultOf(asking)
        return self.clock.seconds() - began

    def test_the_rate_holds(self) -> None:
        """Pieces of any size take as long as the rate says, within 10 %: timers that fire late are made up for."""
        for size, late in ((1024, 0.0), (1024, 0.005), (65536, 0.02), (MEBIBYTE, 0.0)):
            took = self.move(10 * MEBIBYTE // size, size, late)
            self.assertTrue(9 <= took <= 11, (size, late, took))

    def test_several_share_it(self) -> None:
        """What asks at the same time waits in line: together they don't get more."""
        asking = [self.ask(MEBIBYTE) for _ in range(4)]
        for second in range(4):
            self.clock.advance(1)
            self.assertEqual([one.called for one in asking], [number <= second for number in range(4)])

    def test_no_flood_after_a_pause(self) -> None:
        """What wasn't used can't be saved up."""
        self.clock.advance(1000)
        self.assertGreater(self.move(10, MEBIBYTE), 9.5)

    def test_cancelled(self) -> None:
        """Who is interrupted while waiting doesn't leave a timer behind."""
        asking = self.ask(MEBIBYTE)
        asking.cancel()
        self.failureResultOf(asking)
        self.assertEqual(self.clock.getDelayedCalls(), [])
