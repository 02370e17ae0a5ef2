"""Alarms: that they ring, when they are set, and not when they are stopped."""

import time
from typing import Any

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFDSet
from twisted.internet.task import Clock, deferLater

from twisted_lab.instruments.load.alarm import DelayedAlarm, TimerAlarm, make_alarm

reactor: Any = _reactor


@pytest_twisted.ensureDeferred  # type: ignore[untyped-decorator]
async def test_a_timer_rings_no_sooner_than_it_should() -> None:
    """At the time of the monotonic clock that it was set to, the last time that was said."""
    rung: Deferred[float] = Deferred()
    alarm = make_alarm(reactor, lambda: rung.callback(time.monotonic()), time.monotonic)
    wanted = time.monotonic() + 0.02
    alarm.set(wanted + 60)
    alarm.set(wanted)
    try:
        assert await rung.addTimeout(30, reactor) >= wanted
    finally:
        alarm.stop()


@pytest_twisted.ensureDeferred  # type: ignore[untyped-decorator]
async def test_a_time_that_is_past_rings_at_once() -> None:
    """Though zero means never to the kernel."""
    rung: Deferred[None] = Deferred()
    alarm = make_alarm(reactor, lambda: rung.callback(None), time.monotonic)
    alarm.set(0)
    await rung.addTimeout(30, reactor)
    alarm.stop()
    alarm.stop()


@pytest_twisted.ensureDeferred  # type: ignore[untyped-decorator]
async def test_a_stopped_timer_doesnt_ring() -> None:
    """It leaves the reactor."""
    alarm = make_alarm(reactor, lambda: pytest.fail("it rang"), time.monotonic)
    alarm.set(time.monotonic() + 0.01)
    alarm.stop()
    await deferLater(reactor, 0.03)


def test_without_descriptors_a_delayed_call_does() -> None:
    """In memory, with a clock."""
    clock, rung = Clock(), []
    alarm = make_alarm(clock, lambda: rung.append(clock.seconds()), clock.seconds)
    assert isinstance(alarm, DelayedAlarm)
    alarm.set(5)
    alarm.set(2)
    clock.advance(2)
    clock.advance(10)
    assert rung == [2]
    alarm.set(20)
    alarm.stop()
    assert not clock.getDelayedCalls()
    with pytest.raises(OSError, match="no descriptors that are timers"):
        TimerAlarm(clock, alarm.stop)


def test_this_reactor_has_descriptors() -> None:
    """Else the tests above tried the other alarm."""
    assert IReactorFDSet.providedBy(reactor)
