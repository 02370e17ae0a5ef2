"""What a load says of itself and of the server."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.instruments.load.histogram import Times
from twisted_lab.instruments.load.interval import Interval
from twisted_lab.instruments.load.measurement import FAIL, PASS, UNKNOWN, Measurement
from twisted_lab.instruments.load.plan import Plan

OPEN = Plan("echo", "nowhere", rate=100.0, duration=2.0)
CLOSED = Plan("echo", "nowhere", rate=None, duration=2.0)


def times(seconds: float) -> str:
    """Give a histogram of a hundred times the same."""
    measured = Times()
    measured.record(seconds, 100)
    return measured.flush()


def interval(second: int = 0, **more: Any) -> Interval:
    """Give a healthy second, but for `more`."""
    healthy = {name: times(0.0002) for name in ("latency", "service", "lateness", "loop_delay")}
    counts = {"sent": 100, "answered": 100, "unanswered": 0, "starved": 0, "wanted": 0.1}
    return Interval(**{"second": second, "seconds": 1.0, **counts, **healthy, **more})


class MeasurementTests(SynchronousTestCase):
    """`Measurement.verdict`, and the sums."""

    def verdict(self, plan: Plan, **more: Any) -> int:
        """Give the exit status of two equal seconds."""
        return Measurement(plan, [interval(0, **more), interval(1, **more)]).verdict[0]

    def test_a_healthy_run_passes(self) -> None:
        """And its sums are those of its seconds."""
        measured = Measurement(OPEN, [interval(0), interval(1)])
        self.assertEqual(measured.verdict[0], PASS)
        self.assertEqual((measured.sent, measured.rate), (200, 100))
        self.assertApproximates(measured.busy, 0.1, 1e-9)

    def test_a_late_load_says_nothing_of_the_server(self) -> None:
        """Whether it sent late or looked late; but not if the server took so long that it doesn't matter."""
        for name in ("lateness", "loop_delay"):
            self.assertEqual(self.verdict(OPEN, **{name: times(0.005)}), UNKNOWN)
            # A backlog of the load's own makes the latency long, and isn't an excuse.
            self.assertEqual(self.verdict(OPEN, **{name: times(0.005), "latency": times(1)}), UNKNOWN)
            self.assertEqual(self.verdict(OPEN, **{name: times(0.005), "service": times(0.1)}), PASS)

    def test_a_saturated_load_measures_itself(self) -> None:
        """In a closed loop always; in an open one if it is behind: what it can't send isn't the server's fault."""
        self.assertEqual(self.verdict(CLOSED, wanted=0.95), UNKNOWN)
        self.assertEqual(self.verdict(OPEN, wanted=0.95), PASS)
        self.assertEqual(self.verdict(OPEN, wanted=0.95, answered=90), UNKNOWN)
        self.assertEqual(self.verdict(OPEN, answered=90), PASS)

    def test_what_measured_nothing_doesnt_pass(self) -> None:
        """If no message was due nobody knows."""
        self.assertEqual(self.verdict(OPEN, sent=0, answered=0), UNKNOWN)

    def test_a_run_that_was_broken_off_counts_what_it_did(self) -> None:
        """Its rate is that of the time for which it ran."""
        measured = Measurement(OPEN, [interval(seconds=0.5, answered=50)], "connection 1: a wrong byte")
        self.assertEqual(measured.rate, 100)

    def test_a_late_reactor_doesnt_matter_to_a_closed_loop(self) -> None:
        """It is late with the next message as well."""
        self.assertEqual(self.verdict(CLOSED, loop_delay=times(0.005)), PASS)

    def test_what_was_not_answered_fails(self) -> None:
        """And so does what the load says of a connection, first of all."""
        self.assertEqual(self.verdict(OPEN, unanswered=3), FAIL)
        self.assertEqual(
            Measurement(OPEN, [], "connection 1: a wrong byte").verdict, (FAIL, "connection 1: a wrong byte")
        )

    def test_busy_is_of_each_process(self) -> None:
        """Two processes that use a core each are as busy as one that does."""
        plan = Plan("echo", "nowhere", connections=2, rate=None, duration=2.0, workers=2)
        together = Interval.together([interval(0, wanted=0.95), interval(0, wanted=0.95)])
        measured = Measurement(plan, [together, together])
        self.assertApproximates(measured.busy, 0.95, 1e-9)
        self.assertEqual(measured.verdict[0], UNKNOWN)
