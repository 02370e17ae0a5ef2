"""What is said of what was done: to people, to programs, and on standard error."""

import json
import os
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.cli.filexfer.progress import Progress
from twisted_lab.cli.filexfer.report import Report
from twisted_lab.filexfer.conditions import Durability
from twisted_lab.filexfer.errors import DisconnectedError, NotFoundError, SourceChangedError
from twisted_lab.filexfer.receipt import Receipt

MEBIBYTE = 2**20
DIGEST = "blake3:" + "9a" * 32


class ReportTests(SynchronousTestCase):
    """`Report`."""

    def setUp(self) -> None:
        """Catch both outputs."""
        self.output, self.errors = StringIO(), StringIO()
        self.clock = Clock()
        self.progress = Progress(self.clock)
        for redirection in (redirect_stdout(self.output), redirect_stderr(self.errors)):
            redirection.__enter__()
            self.addCleanup(redirection.__exit__, None, None, None)

    def report(self, **options: bool) -> Report:
        """Make a report of a put."""
        return Report("put", self.progress, **options)

    def lines(self) -> list[dict[str, Any]]:
        """Give what a program reads."""
        return [json.loads(line) for line in self.output.getvalue().splitlines()]

    def arrive(self, report: Report, target: str = ":in/x", size: int = 48213, **facts: Any) -> None:
        """Tell that a file arrived."""
        receipt = Receipt("in/x", DIGEST, size, "77d2", facts.pop("durability", Durability.DIRECTORY))
        report.file("x", target, receipt, **facts)

    def test_a_receipt(self) -> None:
        """One file is one line: what arrived where, how large, its digest in short, and what was promised."""
        report = self.report()
        self.arrive(report)
        self.assertEqual(report.end(), 0)
        self.assertEqual(self.output.getvalue(), ":in/x: 47.1 KiB, blake3:9a9a9a9a9a9a, on disk\n")
        self.assertEqual(self.errors.getvalue(), "")

    def test_what_was_promised(self) -> None:
        """A lesser durability is never called "on disk"; what was there from a broken transfer is named."""
        report = self.report()
        self.arrive(report, durability=Durability.MEMORY, resumed=10_000)
        self.assertIn("in the other side's memory, 9.8 KiB of it were there\n", self.output.getvalue())

    def test_for_programs(self) -> None:
        """With --json each line is an object, and the keys are these."""
        report = self.report(json_lines=True)
        self.arrive(report, resumed=5)
        report.step("mkdir", ":in")
        report.entry("for people", path=":in/x", size=1)
        report.failed(":y", NotFoundError("y: there is nothing of that name"))
        self.progress.moved = 48208
        self.progress.resumed = 5
        self.clock.advance(2.5)
        self.assertEqual(report.end(), 23)
        facts = {"size": 48213, "digest": DIGEST, "etag": "77d2", "durability": "directory", "resumed": 5}
        counts = {
            "files": 1,
            "size": 48213,
            "same": 0,
            "failed": 1,
            "moved": 48208,
            "resumed": 5,
            "seconds": 2.5,
            "status": 23,
        }
        message = "there is nothing of that name"
        self.assertEqual(
            self.lines(),
            [
                {"type": "file", "verb": "put", "source": "x", "target": ":in/x", **facts},
                {"type": "step", "action": "mkdir", "path": ":in"},
                {"type": "entry", "path": ":in/x", "size": 1},
                {"type": "error", "path": ":y", "code": "not-found", "message": message, "status": 66},
                {"type": "summary", "verb": "put", **counts},
            ],
        )

    def test_a_failure(self) -> None:
        """A failure is one sentence on standard error, which says the name once."""
        report = self.report()
        report.failed(":in/y", NotFoundError("in/y: there is nothing of that name"))
        self.assertEqual(report.end(), 66)
        self.assertEqual(self.errors.getvalue(), "filexfer: :in/y: there is nothing of that name\n")
        self.assertEqual(self.output.getvalue(), "")

    def test_told_once(self) -> None:
        """An error that ends everything is told where it happens, and not once more when everything has ended."""
        report = self.report()
        error = NotFoundError("the disk is full")
        report.failed(":x", error)
        report.failed(":", error)
        self.assertEqual(self.errors.getvalue(), "filexfer: :x: the disk is full\n")

    def test_a_failure_of_something_else(self) -> None:
        """A sentence that begins with another name keeps it; one about nothing in particular stands alone."""
        report = self.report()
        report.failed(":in/y", NotFoundError("in: there is nothing of that name"))
        report.failed("", NotFoundError("nobody is there"))
        self.assertEqual(
            self.errors.getvalue(),
            "filexfer: :in/y: in: there is nothing of that name\nfilexfer: nobody is there\n",
        )

    def test_nothing_rewrites_the_terminal(self) -> None:
        """Control characters of names (croc#595) and of a server's sentences are escaped, and escapes stay single."""
        report = self.report()
        report.failed(":a\x1b[2J", NotFoundError("no\x1b]0;owned\x07 such \\x1b file\u202e"))
        report.step("rm", ":b\n", to=":c\r")
        self.arrive(report, ":d\x9b")
        self.assertEqual(self.errors.getvalue(), "filexfer: :a\\x1b[2J: no\\x1b]0;owned\\x07 such \\x1b file\\u202e\n")
        self.assertTrue(self.output.getvalue().startswith("rm :b\\x0a -> :c\\x0d\n:d\\u009b: "))

    def test_quiet(self) -> None:
        """With -q success is silent; failures aren't, nor is what ls was asked for."""
        report = self.report(quiet=True)
        self.arrive(report)
        self.arrive(report)
        report.step("mkdir", ":in")
        self.assertEqual(self.output.getvalue(), "")
        report.entry("x")
        report.failed(":y", NotFoundError("why"))
        self.assertEqual((self.output.getvalue(), self.errors.getvalue()), ("x\n", "filexfer: :y: why\n"))

    def test_many(self) -> None:
        """Many files are summed up: how many, how large, what is sure of them, what failed, how fast."""
        report = self.report()
        for _ in range(3):
            self.arrive(report, size=MEBIBYTE, one_of_many=True)
        report.failed(":y", SourceChangedError("y: it changed"))
        self.progress.moved = 3 * MEBIBYTE
        self.clock.advance(1.5)
        self.assertEqual(report.end(), 24)
        self.assertEqual(self.output.getvalue(), "3 files, 3.0 MiB, verified and on disk, 1 failed, 1.5 s, 2.0 MiB/s\n")

    def test_interrupted(self) -> None:
        """Ctrl-C: what is kept, and how to go on."""
        report = self.report()
        self.progress.moved, self.progress.resumed = 8 * MEBIBYTE, 4 * MEBIBYTE
        self.assertEqual(report.end(interrupted=130), 130)
        self.assertEqual(
            self.errors.getvalue(), "filexfer: interrupted; 12.0 MiB are kept, run the same command again to go on\n"
        )

    def test_a_stream_interrupted(self) -> None:
        """Of a stream nothing is kept, and it isn't said."""
        self.progress.moved = MEBIBYTE
        report = self.report()
        report.advice = None
        self.assertEqual(report.end(interrupted=130), 130)
        self.assertNotIn("kept", self.errors.getvalue())

    def test_the_connection_is_lost(self) -> None:
        """75, whatever failed before, and what is kept."""
        report = self.report()
        report.failed(":x", NotFoundError("why"))
        report.failed(":y", DisconnectedError("the connection is lost"))
        self.progress.moved = MEBIBYTE
        self.assertEqual(report.end(), os.EX_TEMPFAIL)
        self.assertIn("broken off; 1.0 MiB are kept, run the same command again", self.errors.getvalue())

    def test_the_progress_line_makes_way(self) -> None:
        """What is written doesn't stand behind the progress line."""
        drawn: list[str] = []
        progress = Progress(self.clock, drawn.append)
        progress.expected = MEBIBYTE
        progress.start()
        self.addCleanup(progress.stop)
        report = Report("put", progress)
        for tell in (lambda: report.step("mkdir", ":in"), lambda: report.complain("why")):
            self.clock.advance(2)
            self.assertNotEqual(drawn[-1], "\r\x1b[K")
            tell()
            self.assertEqual(drawn[-1], "\r\x1b[K")
