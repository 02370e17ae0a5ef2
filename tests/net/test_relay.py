"""A worker's log, in the log of who started it."""

import io

from twisted.logger import Logger, LogLevel, capturedLogs, eventAsText
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.net.relay import MAX_LINE, Lines, Relay, relaying_observer


class Unprintable:
    """What JSON has no form for."""

    def __str__(self) -> str:
        return "a thing"


class RelayTests(SynchronousTestCase):
    """`relaying_observer` and `Relay`."""

    def relay(self, *, cut: int = 7) -> list[dict[str, object]]:
        """Give the events that arrive of those that the worker has logged, in pieces of `cut` bytes."""
        data = self.out.getvalue().encode()
        with capturedLogs() as events:
            relay = Relay(4711)
            for start in range(0, len(data), cut):
                relay.events.feed(data[start : start + cut])
        return [*events]

    def setUp(self) -> None:
        """Have a worker's log."""
        self.out = io.StringIO()
        self.log = Logger("there", observer=relaying_observer(self.out))

    def test_an_event(self) -> None:
        """An event comes with its level, its time, its text as it would be there, and its fields."""
        self.log.warn("{name}: {thing}, {duration:.3f} s", name="echo", thing=Unprintable(), duration=0.5, count=7)
        (event,) = self.relay()
        self.assertEqual(event["log_level"], LogLevel.warn)
        self.assertEqual((event["name"], event["duration"], event["count"], event["worker"]), ("echo", 0.5, 7, 4711))
        text = eventAsText(event, includeTimestamp=False)
        self.assertEqual(text, "[worker 4711 there#warn] echo: a thing, 0.500 s")

    def test_a_failure(self) -> None:
        """A failure comes with its traceback."""
        self.log.failure("it failed", Failure(ValueError("out of luck")))
        (event,) = self.relay()
        self.assertEqual(event["log_level"], LogLevel.critical)
        self.assertRegex(eventAsText(event), r"(?s)it failed\nTraceback.*ValueError: out of luck")

    def test_text(self) -> None:
        """What isn't an event is logged as it is."""
        for line in ("hello {name}", "[1]", "7", "{}", '{"log_level": "none"}', '{"log_level": 7}'):
            self.out = io.StringIO(f"{line}\n")
            (event,) = self.relay()
            self.assertEqual(eventAsText(event, includeTimestamp=False), f"[worker 4711 stderr#warn] {line}")


class LinesTests(SynchronousTestCase):
    """`Lines`."""

    def setUp(self) -> None:
        """Collect the lines."""
        self.seen: list[str] = []
        self.lines = Lines(self.seen.append)

    def test_cut_anywhere(self) -> None:
        """Lines are put together again; the last one needs no end."""
        for byte in "你好\n\nworld".encode():
            self.lines.feed(bytes([byte]))
        self.lines.end()
        self.assertEqual(self.seen, ["你好", "world"])

    def test_a_bound(self) -> None:
        """A line without an end isn't kept for ever."""
        for _ in range(3):
            self.lines.feed(b"x" * (MAX_LINE // 2 + 1))
        self.assertEqual([*map(len, self.seen)], [MAX_LINE + 2])
