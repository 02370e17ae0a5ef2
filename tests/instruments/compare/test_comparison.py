"""What a comparison makes of its samples, and how it shows them."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from twisted.trial.unittest import SynchronousTestCase

from tests.instruments.load.test_measurement import CLOSED, interval
from twisted_lab.instruments import figures
from twisted_lab.instruments.compare import plots
from twisted_lab.instruments.compare.arena import _numbers
from twisted_lab.instruments.compare.columns import cost, notes, speed
from twisted_lab.instruments.compare.comparison import Comparison, Sample
from twisted_lab.instruments.compare.saved import save
from twisted_lab.instruments.load.histogram import Times
from twisted_lab.instruments.load.measurement import Measurement
from twisted_lab.instruments.load.plan import Plan
from twisted_lab.instruments.run_directory import RunDirectory

ROUNDS = (0.9, 1.0, 1.1, 1.0, 0.95)


def compared(*, limited: bool = False) -> Comparison:
    """Give one of three: the second is a fifth faster in each round, the third the same as the first."""
    comparison = Comparison(["steady", "swift", "same"], [1, 32], "rate", 0)
    for number, luck in enumerate(ROUNDS):
        for count in (1, 32):
            for name, rate in (("steady", 1000), ("swift", 1200), ("same", 1000 + (-1) ** number)):
                times = {"p50": 0.0001, "p99": 0.001, "p99.9": 0.02, "cpu": 1e-5, "memory": 7e6, "threads": 1}
                bottleneck = "the load was late" if limited and name == "swift" else ""
                numbers = {"rate": rate * luck * count, **times}
                comparison.add(Sample(name, count, number, numbers, bottleneck, unanswered=3 * (name == "same")))
    return comparison


class ComparisonTests(SynchronousTestCase):
    """`Comparison` and its tables."""

    def test_a_difference_in_every_round_is_shown(self) -> None:
        """However much the rounds differ from each other."""
        first, swift, same = compared().rows(32)
        self.assertIsNone(first.ratio)
        self.assertEqual(swift.ratio and round(swift.ratio[0], 3), 1.2)
        self.assertTrue(swift.differs)
        self.assertFalse(same.differs)

    def test_the_table_says_which_differ(self) -> None:
        """With units, and the first as the measure."""
        heading, first, swift, same = speed(compared(), 1)
        self.assertEqual(heading[-1], "messages/s, of steady's (95 %)")
        self.assertEqual(first[:4], ["steady", "1,000", "900 … 1,100", "100 µs"])
        self.assertEqual(swift[-1], "1.20 (1.20 … 1.20)")
        self.assertTrue(same[-1].startswith("no difference shown"))
        self.assertEqual(cost(compared(), 1)[1], ["steady", "10.0 µs", "6.7 MiB", "-", "1", "-", "-", "-"])

    def test_a_limit_of_the_load_is_told(self) -> None:
        """The server may do better: its rate is a least."""
        comparison = compared(limited=True)
        self.assertEqual(speed(comparison, 1)[2][1], "≥ 1,200")
        self.assertIn(
            "swift: the load was the bottleneck in 5 of 5 runs: the server may do better", notes(comparison.rows(1))
        )

    def test_what_had_no_answer_is_told(self) -> None:
        """And that it is in the figures."""
        told = "same: up to 3 messages had no answer in the end; they count with the time they waited"
        self.assertIn(told, notes(compared().rows(1)))

    def test_who_serves_one_client_at_a_time_isnt_fast(self) -> None:
        """It has no times, for those of the one client that was served aren't those of all."""
        comparison = Comparison(["steady", "blocking"], [8], "rate", 0)
        comparison.add(Sample("steady", 8, 0, {"rate": 1000, "p50": 0.001, "p99": 0.002, "p99.9": 0.003}))
        comparison.add(Sample("blocking", 8, 0, {"rate": 3000}, unanswered=7, starved=7))
        self.assertEqual(speed(comparison, 8)[2][:4], ["blocking", "3,000", "", "unserved"])
        self.assertEqual(notes(comparison.rows(8)), ["blocking: up to 7 of 8 connections had no answer at all"])

    def test_a_server_that_is_behind_has_no_times_yet(self) -> None:
        """All that it has answered was sent in the warm-up: that isn't to have answered at once."""
        measured = Measurement(CLOSED, [interval(service=Times().flush())])
        self.assertEqual(_numbers(measured, [], 1), {"rate": 100})
        self.assertIn("p99", _numbers(Measurement(CLOSED, [interval()]), [], 1))

    def test_few_rounds_show_nothing(self) -> None:
        """Below five there is no interval, and nothing is said of a difference."""
        comparison = compared()
        comparison.samples = [sample for sample in comparison.samples if sample.round < 4]
        row = comparison.rows(1)[1]
        self.assertIsNone(row.differs)
        self.assertEqual(row.intervals, {})
        self.assertEqual(speed(comparison, 1)[2][-1], "1.20, too few rounds to tell")

    def test_a_failure_has_no_numbers(self) -> None:
        """It is told, and the others are still compared."""
        comparison = compared()
        comparison.add(Sample("broken", 1, 0, failure="a wrong byte"))
        comparison.contestants = [*comparison.contestants, "broken"]
        self.assertEqual(comparison.failures, ["broken, 1 connection: a wrong byte"])
        self.assertEqual(speed(comparison, 1)[-1], ["broken", "-", "", "-", "-", "", "-", ""])
        self.assertEqual(notes(comparison.rows(1))[-1], "broken: a wrong byte")


PLAN = Plan("", "", duration=1)


def test_pictures_are_complete_and_the_same_each_time() -> None:
    """Every contestant is named, axes have units, and the same numbers give the same bytes."""
    for draw, words in ((plots.draw_rates, "messages/s"), (plots.draw_latencies, "ms, logarithmic")):
        drawn = figures.render(draw(compared()), "svg")
        texts = {element.text for element in ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")}  # noqa: S314  # ours
        assert {"steady", "swift", "same", words} <= texts
        assert figures.render(draw(compared()), "svg") == drawn


def test_a_picture_of_what_failed_altogether() -> None:
    """Nothing to draw is no error."""
    comparison = Comparison(["one", "two"], [1], "rate", 0)
    comparison.add(Sample("one", 1, 0, failure="it didn't start"))
    assert figures.render(plots.draw_rates(comparison), "png").startswith(b"\x89PNG")
    assert figures.render(plots.draw_latencies(comparison), "png").startswith(b"\x89PNG")


def test_the_report_is_in_one_file(tmp_path: Path) -> None:
    """It has table, pictures, machine, seed and commands, and loads nothing from anywhere."""
    directory = RunDirectory.create(tmp_path, "compare")
    words = ["twisted-lab", "compare", "<b>"]
    files = save(directory, compared(), PLAN, words, {"steady": ["python", "-m", "steady"]})
    assert files == ["report.html", "rates.svg", "rates.png", "latencies.svg", "latencies.png"]
    report = (directory.path / "report.html").read_text()
    for text in (
        "32 connections",
        "no difference shown",
        "twisted-lab compare &#x27;&lt;b&gt;&#x27;",
        "python -m steady",
        "seed",
    ):
        assert text in report
    assert report.count("<svg") == 2
    for loads in ("src=", "@import", "<script", "<link"):
        assert loads not in report


def test_without_matplotlib_there_is_a_report_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it says how to have them."""
    monkeypatch.setattr("twisted_lab.instruments.compare.saved.find_spec", lambda _: None)
    directory = RunDirectory.create(tmp_path, "compare")
    assert save(directory, compared(), PLAN, ["twisted-lab"], {}) == ["report.html"]
    assert "pip install &#x27;twisted-lab[plot]&#x27;" in (directory.path / "report.html").read_text()
