"""A clock for servers that put off much."""

from bisect import insort
from collections.abc import Callable

from twisted.internet.base import DelayedCall
from twisted.internet.task import Clock


class QueueClock(Clock):
    """
    Twisted's clock, but for how long it takes: that one sorts all its calls for each that is made.

    A server that answers later has many at a time: of a client that sends much and reads nothing, tens of thousands.
    """

    def callLater(  # type: ignore[override]  # its second argument there has a builtin's name
        self, delay: float, what: Callable[..., object], *a: object, **kw: object
    ) -> DelayedCall:
        """Put it where it belongs among those that are due later or earlier."""
        call = DelayedCall(self.seconds() + delay, what, a, kw, self.calls.remove, lambda _: None, self.seconds)
        insort(self.calls, call, key=DelayedCall.getTime)
        return call

    def advance(self, amount: float) -> None:
        """Let time pass, and make the calls that are due."""
        self.rightNow += amount
        self._sortCalls()
        while self._is_due():
            call = self.calls.pop(0)
            call.called = 1
            call.func(*call.args, **call.kw)

    def _is_due(self) -> bool:
        # A call that was put off stands where it stood before; it may hide others, until all are sorted again.
        if self.calls and self.calls[0].getTime() > self.seconds():
            self._sortCalls()
        return bool(self.calls) and self.calls[0].getTime() <= self.seconds()
