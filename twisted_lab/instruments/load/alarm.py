"""
An alarm that goes off when it should, not up to a millisecond later.

A reactor on epoll waits in whole milliseconds, rounded up (epoll_wait(2)): a message due in 100 µs would be sent after
1000, and what is measured from when it was due would have most of that in it. A timer that is a descriptor
(timerfd_create(2), Linux) is one more thing that the kernel says is ready, and it counts nanoseconds.
"""

import ctypes
import os
import struct
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

_CLOCK_MONOTONIC, _ABSOLUTE = 1, 1
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC
_ITIMERSPEC = struct.Struct("@4l")  # interval and first time, each seconds and nanoseconds


@implementer(IReadDescriptor)
class TimerAlarm:
    """Call `ring` at the time of the monotonic clock that `set` was last given. `OSError` where it can't be had."""

    def __init__(self, reactor: Any, ring: Callable[[], object]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(self._libc, "timerfd_create") or not IReactorFDSet.providedBy(reactor):
            raise OSError("this system, or this reactor, has no descriptors that are timers")
        self._descriptor: int = self._libc.timerfd_create(_CLOCK_MONOTONIC, _FLAGS)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self._reactor = reactor
        self._ring = ring
        reactor.addReader(self)

    def set(self, time: float) -> None:
        """Ring at that time, in seconds of the monotonic clock; at once if it is past."""
        nanoseconds = max(1, int(time * 1e9))  # zero would be: never
        specification = _ITIMERSPEC.pack(0, 0, *divmod(nanoseconds, 10**9))
        self._libc.timerfd_settime(self._descriptor, _ABSOLUTE, specification, None)

    def stop(self) -> None:
        """Never ring again."""
        if self._descriptor >= 0:
            self._reactor.removeReader(self)
            os.close(self._descriptor)
            self._descriptor = -1

    def fileno(self) -> int:
        """Give the timer's descriptor."""
        return self._descriptor

    def doRead(self) -> None:
        """Ring."""
        try:
            os.read(self._descriptor, 8)
        except BlockingIOError:  # it was set anew meanwhile
            return
        self._ring()

    def connectionLost(self, reason: Failure) -> None:
        """Take the reactor's leave."""
        self.stop()

    def logPrefix(self) -> str:
        """Give a name for the log."""
        return "alarm"


class DelayedAlarm:
    """The same, where there is no timerfd: as exact as the reactor's `callLater`."""

    def __init__(self, reactor: Any, ring: Callable[[], object], now: Callable[[], float]) -> None:
        self._reactor = reactor
        self._ring = ring
        self._now = now
        self._call: Any = None

    def set(self, time: float) -> None:
        """Ring at that time, in seconds of the clock that `now` reads."""
        self.stop()
        self._call = self._reactor.callLater(max(0.0, time - self._now()), self._ring)

    def stop(self) -> None:
        """Never ring again."""
        if self._call is not None and self._call.active():
            self._call.cancel()


def make_alarm(reactor: Any, ring: Callable[[], object], now: Callable[[], float]) -> "TimerAlarm | DelayedAlarm":
    """Give the exact one, or else the other."""
    try:
        return TimerAlarm(reactor, ring)
    except OSError:
        return DelayedAlarm(reactor, ring, now)
