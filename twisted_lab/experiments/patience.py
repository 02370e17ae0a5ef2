"""
How long an answer is waited for: by the time that the server had for it, not by the clock.

A machine may stand still for seconds, and nobody's answer is wrong for that. So a look at the server tells whether it
could have answered meanwhile: it was on a processor, or asleep by itself, with nothing to do. If it waits for a
processor, or was stopped, the time isn't counted; nor is more than a moment between two looks, for then it was us who
weren't there.
"""

import select
import socket
import sys
import time

import psutil

from twisted_lab.experiments.server import Server
from twisted_lab.instruments.usage import are_shown

#: Seconds that a step may take, whatever happens.
DEADLINE = 60.0
#: Seconds between two looks at a server.
LOOK = 0.05
_ASLEEP = {psutil.STATUS_SLEEPING, psutil.STATUS_IDLE, psutil.STATUS_ZOMBIE}


def process_of(server: Server) -> psutil.Process | None:
    """Give the process of a server to be looked at, or None where it can't be seen whether one is asleep."""
    return psutil.Process(server.pid) if sys.platform == "linux" and are_shown() else None


class Deadline:
    """When something must have come: after so many `seconds` that `process` had for it, and at DEADLINE anyway."""

    def __init__(self, seconds: float, process: psutil.Process | None = None) -> None:
        self._left = seconds
        self._process = process
        self._looked = time.monotonic()
        self._end = self._looked + DEADLINE
        self._spent = 0.0
        self._given(0.0)

    def is_over(self) -> bool:
        """Tell whether that time is over."""
        now = time.monotonic()
        passed = now - self._looked
        if passed >= LOOK:
            self._looked = now
            self._left -= self._given(min(passed, 2 * LOOK))
        return self._left <= 0 or now >= self._end

    def wait(self, connection: socket.socket, *, to_send: bool = False) -> None:
        """Wait until something can be read from a connection, or be sent over it; `TimeoutError` if it can't be."""
        reading, writing = ([], [connection]) if to_send else ([connection], [])
        over = self.is_over()
        # Once more when it is over: what has come while we weren't there is there.
        while not any(select.select(reading, writing, [], 0.0 if over else LOOK)):
            if over:
                raise TimeoutError("timed out")
            over = self.is_over()

    def _given(self, passed: float) -> float:
        """Give how much of the time since the last look the server had for an answer."""
        if self._process is None:
            return passed
        try:
            with self._process.oneshot():
                status, times = self._process.status(), self._process.cpu_times()
        except psutil.Error:  # it is over
            return passed
        before, self._spent = self._spent, times.user + times.system
        return passed if status in _ASLEEP else min(passed, self._spent - before)
