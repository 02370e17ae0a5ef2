"""The clock does what Twisted's does."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.instruments.conform.clock import QueueClock

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("call"), st.integers(0, 5)),
        st.tuples(st.just("advance"), st.integers(0, 3)),
        st.tuples(st.just("cancel"), st.integers(0, 9)),
        st.tuples(st.just("reset"), st.tuples(st.integers(0, 9), st.integers(0, 6))),
    ),
    max_size=40,
)


def play(clock: Any, steps: list[Any]) -> list[tuple[float, int]]:
    """Take steps; give what was called, and when. Each call makes another."""
    happened: list[tuple[float, int]] = []
    made: list[Any] = []

    def happen(number: int, *, again: bool = True) -> None:
        happened.append((clock.seconds(), number))
        if again:
            clock.callLater(number % 3, happen, -number, again=False)

    for what, value in steps:
        if what == "call":
            made.append(clock.callLater(value, happen, len(made)))
        elif what == "advance":
            clock.advance(value)
        else:
            number, delay = value if what == "reset" else (value, None)
            if number < len(made) and made[number].active():
                made[number].cancel() if delay is None else made[number].reset(delay)
    clock.advance(20)
    clock.advance(20)
    return happened


class ClockTests(SynchronousTestCase):
    """`QueueClock`."""

    @given(STEPS)
    def test_the_same_happens(self, steps: list[Any]) -> None:
        """All calls are made, at the same times, whatever was put off or cancelled."""
        self.assertEqual(sorted(play(QueueClock(), steps)), sorted(play(Clock(), steps)))
