"""The log of what was done, by whom."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import capturedLogs, formatEvent, formatEventAsClassicLogText
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.filexfer.server.audit import Audit, FileRecord

FACTS: dict[str, Any] = {
    "user": "alice",
    "peer": "127.0.0.1:4711",
    "what": "put",
    "path": "in/x",
    "to": None,
    "size": 7,
    "digest": "blake3:9a1e",
    "duration": 0.25,
    "result": "ok",
}


def record(**facts: Any) -> tuple[str, dict[str, Any]]:
    """Give the line that the log gets of FACTS, changed by `facts`, and its event."""
    with capturedLogs() as events:
        Audit().record(**FACTS | facts)
    (event,) = events
    return formatEvent(event), event


class AuditTests(SynchronousTestCase):
    """`Audit`."""

    def test_line(self) -> None:
        """A line says who, from where, what, size, digest, seconds and result; the event has them as they are."""
        line, event = record()
        self.assertEqual(line, 'filexfer: "alice" at 127.0.0.1:4711: put "in/x" 7 B blake3:9a1e, 0.250 s, ok')
        self.assertEqual({key: event[key] for key in FACTS}, FACTS)

    def test_what_there_isnt(self) -> None:
        """What there isn't of it isn't said, and who didn't say who it is is called anonymous."""
        line, _ = record(user="", what="hello", path=None, size=None, digest=None, result="login-required")
        self.assertEqual(line, "filexfer: anonymous at 127.0.0.1:4711: hello, 0.250 s, login-required")

    def test_anonymous_is_no_user(self) -> None:
        """A user who is called anonymous can be told from those who didn't say."""
        self.assertIn('"anonymous"', record(user="anonymous")[0])

    def test_forged_line(self) -> None:
        """
        A name with a newline, an escape sequence or a quote can't forge a line, or rewrite the terminal that shows it.

        magic-wormhole#476 and croc#595: control characters in a name did.
        """
        forged = 'x" 7 B, 0.1 s, ok\n2026-01-01 filexfer: "root" at \x1b[2K\u202e\x9b{user}'
        for field in ("user", "path", "what", "digest", "result", "peer"):
            line, event = record(**{field: forged})
            self.assertTrue(line.isprintable(), line)
            # Each field that isn't a plain word is between quotes, and has none inside: user, path and the forged one.
            self.assertEqual(line.count('"'), 4 if field in {"user", "path"} else 6)
            self.assertEqual(event[field], forged)

    @given(st.text(st.characters()), st.text(st.characters()))
    def test_any_name(self, user: str, path: str) -> None:
        """Whatever a user and a file are called, the line is one line, and both are between the only four quotes."""
        line, _ = record(user=f"u{user}", path=path)
        self.assertTrue(line.isprintable())
        self.assertEqual(line.count('"'), 4)


class RecordFilesTests(SynchronousTestCase):
    """`Audit.record_files`."""

    files = (FileRecord("in/x", 7, "blake3:9a1e", "ok"), FileRecord('a"\n', None, None, "bad-name"))

    def record(self) -> dict[str, Any]:
        """Give the one event of two files."""
        with capturedLogs() as events:
            Audit().record_files(what="put", user="alice", peer="127.0.0.1:4711", duration=0.25, files=self.files)
        (event,) = events
        return event

    def test_lines(self) -> None:
        """Each file has a line that says what the line of a put says; the event has the fields as they are."""
        event = self.record()
        first, second = formatEvent(event).split("\n")
        self.assertEqual(first, record()[0])
        self.assertRegex(second, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} filexfer: ")
        self.assertEqual(
            second.partition(" ")[2],
            'filexfer: "alice" at 127.0.0.1:4711: put "a\\x22\\x0a", 0.250 s, bad-name',
        )
        self.assertEqual((event["user"], event["what"], event["files"]), ("alice", "put", self.files))

    def test_in_a_log_file(self) -> None:
        """In a log file each line has the time, and can't be taken for another event's."""
        first, second, end = str(formatEventAsClassicLogText(self.record())).split("\n")
        self.assertEqual(end, "")
        self.assertEqual(second[0], "\t")
        self.assertEqual(first.partition(" ")[0], second[1:].partition(" ")[0])
