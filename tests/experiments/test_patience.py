"""How long answers are waited for: by the time that a server had for them."""

from contextlib import nullcontext
from typing import Any, NamedTuple

import psutil
import pytest

from twisted_lab.experiments.patience import DEADLINE, LOOK, Deadline


class Times(NamedTuple):
    """Seconds on a processor."""

    user: float
    system: float


class Process:
    """A process in a state, that is on a processor for `share` of the time."""

    def __init__(self, clock: "Clock", status: str, share: float) -> None:
        self._clock = clock
        self._status = status
        self._share = share

    def oneshot(self) -> Any:
        """Do nothing."""
        return nullcontext()

    def status(self) -> str:
        """Give its state; `psutil.Error` if it is over."""
        if not self._status:
            raise psutil.NoSuchProcess(1)
        return self._status

    def cpu_times(self) -> Times:
        """Give what it has used."""
        return Times(self._share * self._clock.now, 0.0)


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def looks_until_over(self, deadline: Deadline, interval: float = LOOK) -> int:
        """Give after how many looks a deadline is over."""
        for number in range(1, round(2 * DEADLINE / interval)):
            self.now += interval
            if deadline.is_over():
                return number
        raise AssertionError("it is never over")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Give the clock that deadlines go by."""
    clock = Clock()
    monkeypatch.setattr("time.monotonic", lambda: clock.now)
    return clock


@pytest.mark.parametrize(
    ("status", "share", "seconds"),
    [
        (psutil.STATUS_SLEEPING, 0.0, 1.0),
        (psutil.STATUS_RUNNING, 1.0, 1.0),
        (psutil.STATUS_RUNNING, 0.5, 2.0),
        (psutil.STATUS_RUNNING, 0.0, DEADLINE),
        (psutil.STATUS_STOPPED, 0.0, DEADLINE),
        (psutil.STATUS_DISK_SLEEP, 0.0, DEADLINE),
        ("", 0.0, 1.0),
    ],
)
def test_what_a_server_had(clock: Clock, status: str, share: float, seconds: float) -> None:
    """A second is over when it was asleep or on a processor for one; one that is kept from running has a minute."""
    deadline = Deadline(1.0, Process(clock, status, share))  # type: ignore[arg-type]
    assert clock.looks_until_over(deadline) * LOOK == pytest.approx(seconds, abs=2 * LOOK)


@pytest.mark.parametrize("status", [None, psutil.STATUS_SLEEPING])
def test_when_we_were_not_there(clock: Clock, status: str | None) -> None:
    """A long time between two looks counts as a moment: what came meanwhile wasn't looked for."""
    deadline = Deadline(1.0, status and Process(clock, status, 0.0))  # type: ignore[arg-type]
    clock.now += 10.0
    assert not deadline.is_over()
    assert clock.looks_until_over(deadline) > 5
