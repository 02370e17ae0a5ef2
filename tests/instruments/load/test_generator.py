"""A load in memory, with a clock of the test's: what it counts, from when, and that it can't be fooled."""

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.instruments.load import servers
from tests.instruments.load.servers import HEALTHY, prompt, run, stalling
from twisted_lab.instruments.load import generator
from twisted_lab.instruments.load.generator import LoadFailedError
from twisted_lab.instruments.load.interval import Interval
from twisted_lab.instruments.load.lanes import StreamLane
from twisted_lab.instruments.load.plan import Plan

PLAN = Plan("echo", "nowhere", connections=4, rate=200.0, duration=4.0, warmup=1.0, timeout=2.0)
CLOSED = Plan("echo", "nowhere", connections=1, rate=None, duration=4.0, warmup=1.0, timeout=2.0)


class OpenLoopTests(SynchronousTestCase):
    """Messages at a constant rate."""

    def test_every_message_due_is_sent_and_answered(self) -> None:
        """200 a second for four seconds, whatever the warm-up sent, each within the healthy server's time."""
        measured = run(PLAN)
        self.assertEqual(measured.sent, 801)
        self.assertApproximates(measured.rate, 200, 1)
        self.assertEqual(measured.summaries["latency"]["count"], 801)
        self.assertLess(measured.percentile("latency", 99.9), 2 * HEALTHY)
        self.assertEqual(measured.unanswered, 0)

    def test_a_stall_shows_where_arithmetic_puts_it(self) -> None:
        """
        A server that stalls 200 ms a second holds up each message that is due meanwhile for what is left of it.

        So one message in ten waits more than 100 ms, one in twenty more than 150 ms.
        """
        measured = run(PLAN, stalling)
        self.assertApproximates(measured.percentile("latency", 80), HEALTHY, 0.012)
        self.assertApproximates(measured.percentile("latency", 90), 0.1, 0.012)
        self.assertApproximates(measured.percentile("latency", 95), 0.15, 0.012)
        self.assertApproximates(measured.percentile("latency", 99), 0.19, 0.012)

    def test_what_a_full_window_holds_back_counts_from_when_it_was_due(self) -> None:
        """With room for one message a connection the rest is sent late, and the stall shows all the same."""
        plan = Plan(**{**PLAN.as_json(), "size": 2**20})
        self.assertEqual(plan.window, 1)
        measured = run(plan, stalling)
        self.assertEqual(measured.sent, 801)
        self.assertApproximates(measured.percentile("latency", 90), 0.1, 0.02)
        self.assertLess(measured.percentile("lateness", 99), 0.01)  # it wasn't the load that was late

    def test_a_server_that_never_answers(self) -> None:
        """Its messages count with the time they waited, and the load says that they had no answer."""
        measured = run(PLAN, lambda now: 1e6 if now > 3 else now + HEALTHY)
        status, sentence = measured.verdict
        self.assertEqual(status, 1)
        self.assertIn("had no answer 2 s after", sentence)
        self.assertGreater(measured.percentile("latency", 90), 2)

    def test_intervals_are_seconds(self) -> None:
        """One for each second, and one for what came after."""
        measured = run(PLAN)
        self.assertEqual([interval.second for interval in measured.intervals], [0, 1, 2, 3, 4])
        self.assertEqual([interval.sent for interval in measured.intervals[:3]], [200] * 3)

    def test_without_warm_up(self) -> None:
        """The first interval is as long as the others, so that the load's own share of a core is what it is."""
        intervals: list[Interval] = []
        self.use_processor(0.3)
        measured = run(Plan(**{**PLAN.as_json(), "warmup": 0.0}), intervals=intervals)
        self.assertEqual([round(interval.seconds, 2) for interval in intervals[:4]], [1.0] * 4)
        self.assertApproximates(measured.busy, 0.3, 0.001)

    def test_what_waits_for_the_last_answers_isnt_busy(self) -> None:
        """The load's share of a core is that while it sends; what comes then is an interval by itself."""
        for duration, lengths in ((0.5, [0.5]), (1.0, [1.0]), (2.5, [1.0, 1.0, 0.5])):
            plan = Plan(**{**PLAN.as_json(), "duration": duration})
            self.use_processor(0.95, until=plan.warmup + duration)
            measured = run(plan, lambda _, until=plan.warmup + duration: until + 1.5)  # type: ignore[misc]
            *sending, waiting = [round(interval.seconds, 1) for interval in measured.intervals]
            self.assertEqual((sending, waiting), (lengths, 1.5))
            self.assertApproximates(measured.busy, 0.95, 0.01)

    def test_far_more_than_can_be_sent(self) -> None:
        """All of it is counted, with the time that it waited, though most of it was never sent."""
        most = self.let_messages_take(1e-5)
        plan = Plan(**{**PLAN.as_json(), "rate": 1e6, "duration": 2.0})
        measured = run(plan, lambda _: 1e6, step=0.05)
        self.assertLess(most[0], 1000)  # in one go, until the reactor had its turn
        self.assertApproximates(measured.sent, 2_000_000, 8)
        self.assertEqual(measured.unanswered, measured.sent)
        self.assertEqual(measured.summaries["latency"]["count"], measured.sent)
        self.assertApproximates(measured.percentile("latency", 50), plan.timeout + 1, 0.1)

    def test_what_is_behind_in_the_end_is_sent_all_the_same(self) -> None:
        """Twice as much as it can send is all sent and answered, if there is time enough until it gives up."""
        self.let_messages_take(1e-4)
        plan = Plan(**{**PLAN.as_json(), "rate": 2e4, "duration": 0.2, "warmup": 0.1})
        measured = run(plan)
        self.assertApproximates(measured.sent, 4000, 1)
        self.assertEqual(measured.unanswered, 0)
        self.assertEqual(measured.summaries["latency"]["count"], measured.sent)

    def let_messages_take(self, seconds: float) -> list[int]:
        """Let each take so long to send; give the largest number that was sent until the reactor was called."""
        most, sent, clock = [0], 0, Clock()
        offer, call_later = StreamLane.offer, clock.callLater

        def slowly(lane: StreamLane) -> bool:
            nonlocal sent
            sent += 1
            most[0] = max(most[0], sent)
            clock.rightNow += seconds
            return offer(lane)

        def call(*arguments: Any) -> Any:
            nonlocal sent
            sent = 0
            return call_later(*arguments)

        self.patch(clock, "callLater", call)
        self.patch(servers, "Clock", lambda: clock)
        self.patch(StreamLane, "offer", slowly)
        return most

    def use_processor(self, share: float, until: float = 1e9) -> None:
        """Let the load use that share of a core, until that time."""
        clock = Clock()
        self.patch(servers, "Clock", lambda: clock)
        self.patch(generator, "processor_wanted", lambda: share * min(clock.seconds(), until))

    def test_what_the_warm_up_left_unanswered(self) -> None:
        """It isn't measured: neither is it counted, nor are its times."""
        measured = run(PLAN, lambda now: now + 3600)
        self.assertEqual(measured.unanswered, 801)
        self.assertLess(measured.summaries["latency"]["max"], PLAN.duration + PLAN.timeout + 0.1)

    def test_a_wrong_byte_ends_it(self) -> None:
        """The first one; the sentence says on which connection and in which reply."""

        class Corrupting(servers.Echoing):
            def write(self, data: bytes) -> None:
                wrong = self._clock.seconds() > 2
                super().write(bytes([data[0] ^ 1]) + data[1:] if wrong else data)

        self.patch(servers, "Echoing", Corrupting)
        error = self.assertRaises(LoadFailedError, run, PLAN)
        self.assertRegex(str(error), r"^connection \d: a wrong byte came back, in reply \d+$")

    def test_more_than_was_sent_ends_it(self) -> None:
        """Even if the bytes would have been right later."""

        class Generous(servers.Echoing):
            def write(self, data: bytes) -> None:
                super().write(data + self._lane.load.content.message(1))

        self.patch(servers, "Echoing", Generous)
        self.assertIn("more came back", str(self.assertRaises(LoadFailedError, run, CLOSED)))


class ClosedLoopTests(SynchronousTestCase):
    """One message at a time."""

    def test_it_sends_when_it_is_answered(self) -> None:
        """A server that takes a millisecond gets nearly a thousand a second over one connection."""
        measured = run(CLOSED)
        self.assertApproximates(measured.rate, 1000, 120)

    def test_it_hides_a_stall(self) -> None:
        """The same stalls that the open loop shows at p90: one message a second sees one, and p99 sees none."""
        measured = run(CLOSED, stalling)
        self.assertLess(measured.percentile("service", 99), 2 * HEALTHY)
        self.assertGreater(measured.summaries["service"]["max"], 0.19)
        opened = run(PLAN, stalling).percentile("latency", 90)
        self.assertLess(5 * measured.percentile("service", 99), opened)
        self.assertGreater(measured.summaries["service"]["max"], opened)

    def test_several_connections(self) -> None:
        """Each has its own message on its way."""
        plan = Plan(**{**CLOSED.as_json(), "connections": 3})
        self.assertApproximates(run(plan, prompt).rate, 3000, 360)

    def test_what_has_no_answer_is_in_the_times(self) -> None:
        """A server that serves one client and leaves the others waiting: they are counted, and told."""
        plan = Plan(**{**CLOSED.as_json(), "connections": 3})
        served: list[object] = []

        def one_at_a_time(now: float) -> float:
            return now + HEALTHY

        class Blocking(servers.Echoing):
            def write(self, data: bytes) -> None:
                if not served:
                    served.append(self)
                if served == [self]:
                    super().write(data)

        self.patch(servers, "Echoing", Blocking)
        measured = run(plan, one_at_a_time)
        self.assertEqual((measured.starved, measured.unanswered), (2, 2))
        self.assertGreater(measured.summaries["service"]["max"], plan.duration)
        self.assertEqual(measured.verdict[0], 1)

    def test_what_a_load_that_fails_has_measured(self) -> None:
        """The second that was begun is handed on, too."""
        intervals: list[Interval] = []

        class Hanging(servers.Echoing):
            def write(self, data: bytes) -> None:
                if self._clock.seconds() > 2.5:
                    data = b"?" * len(data)
                super().write(data)

        self.patch(servers, "Echoing", Hanging)
        self.assertRaises(LoadFailedError, run, CLOSED, prompt, 0.0005, intervals)
        self.assertEqual(len(intervals), 2)
        self.assertApproximates(intervals[1].seconds, 0.5, 0.01)
        self.assertGreater(intervals[1].answered, 400)
