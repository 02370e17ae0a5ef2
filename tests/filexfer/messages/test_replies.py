"""Replies: what the server writes is what the client reads, and a server that says anything else is found out."""

import json
from typing import Any

from hypothesis import given, strategies
from twisted.trial.unittest import SynchronousTestCase

from tests.filexfer.messages.values import ANYTHING, DIGESTS, DURABILITIES, ETAGS, MODES, MTIMES, SIZES
from tests.filexfer.test_names import COMPONENTS
from twisted_lab.filexfer.conditions import Durability
from twisted_lab.filexfer.errors import ExistsError, FilexferError, NotFoundError
from twisted_lab.filexfer.messages.replies import (
    Limits,
    Welcome,
    entries_from,
    entry_line,
    error_from,
    receipt_fields,
    receipt_from,
    result_line,
    results_from,
    status_fields,
    status_from,
    welcome_fields,
    welcome_from,
)
from twisted_lab.filexfer.names import show_name
from twisted_lab.filexfer.receipt import Receipt
from twisted_lab.filexfer.status import Entry, Status
from twisted_lab.wire.errors import RemoteProtocolError
from twisted_lab.wire.fields import parse, serialize

STATUSES = strategies.builds(
    Status,
    strategies.sampled_from(["file", "directory", "symlink", "other"]),
    SIZES,
    MTIMES,
    MODES,
    ETAGS,
    strategies.none() | strategies.text(strategies.characters(codec="utf-8"), max_size=20),
)
RECEIPTS = strategies.builds(Receipt, strategies.just("a/b"), DIGESTS, SIZES, ETAGS, DURABILITIES)
WELCOME = Welcome(1, "blake3", "read", "joe", 0.5, Limits(), ("symlink",))
FILE = Status("file", 3, 1, 0o644, "e")
DIGEST = "sha-256:" + "0" * 64


class ReplyTestCase(SynchronousTestCase):
    """Whose fault a reply is."""

    def assert_bad(self, read: Any, *arguments: Any) -> None:
        """Check that this is the server's fault."""
        self.assertEqual(self.assertRaises(RemoteProtocolError, read, *arguments).code, "bad-reply")

    def assert_read_or_bad(self, read: Any, *arguments: Any) -> None:
        """Check that nothing but the server is found at fault."""
        try:
            read(*arguments)
        except RemoteProtocolError as error:
            self.assertEqual(error.code, "bad-reply")
            self.assertTrue(str(error).isprintable())


class ReplyTests(ReplyTestCase):
    """The replies that have no content."""

    def test_welcome(self) -> None:
        """The reply to hello says it all, and comes back; a timeout without a fraction is an integer."""
        self.assertEqual(welcome_from(parse(serialize(welcome_fields(WELCOME, 1)))), WELCOME)
        written = welcome_fields(Welcome(1, "sha-256", "drop", "", 300.0), 7)
        self.assertEqual((written["type"], written["id"]), ("hello", 7))
        self.assertEqual(repr(written["idle-timeout"]), "300")
        self.assertEqual(
            set(written["limits"]), {"pipeline", "page", "part", "bundle-files", "bundle-file", "bundle-bytes"}
        )

    def test_hostile_welcome(self) -> None:
        """A welcome without limits, or with limits that nobody can keep to, is none."""
        changes: tuple[dict[str, Any], ...] = (
            {"version": "1"},
            {"mode": "write"},
            {"idle-timeout": -1},
            {"limits": {}},
            {"limits": {**welcome_fields(WELCOME, 1)["limits"], "pipeline": 0}},
            {"features": "symlink"},
            {"features": ["x" * 65]},
        )
        for keys in changes:
            self.assert_bad(welcome_from, {**welcome_fields(WELCOME, 1), **keys})

    @given(STATUSES)
    def test_status(self, status: Status) -> None:
        """A file's facts come back."""
        self.assertEqual(status_from(parse(serialize({"type": "stat", **status_fields(status)}))), status)

    def test_special_bits(self) -> None:
        """Set-user-id, set-group-id and sticky bits aren't carried, and taken from nobody."""
        self.assertEqual(status_fields(Status("file", 0, 0, 0o6755, "e"))["mode"], 0o755)
        self.assert_bad(status_from, {**status_fields(FILE), "mode": 0o4755})

    @given(RECEIPTS)
    def test_receipt(self, receipt: Receipt) -> None:
        """A receipt comes back, with the path that the client knows."""
        self.assertEqual(receipt_from(receipt_fields(receipt), "a/b"), receipt)
        self.assert_bad(receipt_from, {**receipt_fields(receipt), "digest": "sha-256:0"}, "a/b")

    def test_errors(self) -> None:
        """An error is what it was on the server; its sentence is fit to print, and not too long."""
        error = error_from({"code": "not-found", "message": "a\x1b[2Jb" + "x" * 10**6})
        self.assertIsInstance(error, NotFoundError)
        self.assertTrue(str(error).startswith("a\\x1b[2Jb"))
        self.assertLess(len(str(error)), 2000)
        self.assertEqual(error_from({"code": "new-one", "message": ""}).code, "new-one")
        for header in ({"code": "A b", "message": ""}, {"code": "x"}, {"message": ""}, {"code": 7, "message": ""}):
            self.assert_bad(error_from, header)

    @given(strategies.dictionaries(strategies.sampled_from(["code", "message", *status_fields(FILE)]), ANYTHING))
    def test_anything(self, header: dict[str, Any]) -> None:
        """Whatever the server sends is read, or is its fault."""
        for read in (welcome_from, status_from, error_from, lambda header: receipt_from(header, "a")):
            self.assert_read_or_bad(read, header)


class LineTests(ReplyTestCase):
    """The replies whose content is lines of JSON."""

    @given(strategies.lists(strategies.tuples(COMPONENTS, STATUSES), max_size=6, unique_by=lambda entry: entry[0]))
    def test_entries(self, found: list[tuple[str, Status]]) -> None:
        """A page of a directory comes back, in its order."""
        entries = [Entry(name, show_name(name), status) for name, status in sorted(found, key=lambda entry: entry[0])]
        content = b"".join(map(entry_line, entries))
        self.assertEqual(content.count(b"\n"), len(entries))
        self.assertEqual(entries_from(content), entries)
        self.assertEqual(entries_from(content, count=max(1, len(entries))), entries)

    def test_hostile_names(self) -> None:
        """A server that names what isn't in the directory is found out (CVE-2019-6111)."""
        for name in ("../.bashrc", "..", ".", "", "/etc/passwd", "a/b", "a\n", "\x1b", ".filexfer-1", None, 7, ["a"]):
            self.assert_bad(entries_from, listed(name))
        self.assert_bad(entries_from, b'{"name":"\\ud800","kind":"file"}\n')

    def test_order(self) -> None:
        """Names come in order, each once, after the one that was asked for."""
        self.assertEqual([entry.name for entry in entries_from(listed("a", "b"), after="A")], ["a", "b"])
        for content in (listed("b", "a"), listed("a", "a")):
            self.assert_bad(entries_from, content)
        self.assert_bad(lambda: entries_from(listed("a"), after="a"))

    def test_more_than_asked_for(self) -> None:
        """A page has no more entries than were asked for, and its last line an end."""
        self.assertEqual(len(entries_from(listed("a", "b"), count=2)), 2)
        self.assert_bad(lambda: entries_from(listed("a", "b", "c"), count=2))
        self.assert_bad(entries_from, listed("a")[:-1])
        self.assert_bad(entries_from, b"\n" * 10**6)

    def test_lines_that_are_no_objects(self) -> None:
        """What isn't JSON, however deep, is the server's fault."""
        for line in (b"{", b"[]", b"\xff", b"[" * 10**5, b"9" * 5000, b""):
            self.assert_bad(entries_from, line + b"\n")

    def test_results(self) -> None:
        """What became of a bundle's files comes back, in order, one for each."""
        receipt = Receipt("a", DIGEST, 3, "e", Durability.FILE)
        content = result_line(receipt) + result_line(ExistsError("b: it exists already"))
        good, bad = results_from(content, ["a", "b"])
        self.assertEqual(good, receipt)
        assert isinstance(bad, FilexferError)
        self.assertEqual((bad.code, str(bad)), ("exists", "b: it exists already"))
        for paths in ([], ["a"], ["a", "b", "c"]):
            self.assert_bad(results_from, content, paths)

    @given(strategies.binary(max_size=40) | ANYTHING.map(lambda value: json.dumps(value).encode() + b"\n"))
    def test_any_content(self, content: bytes) -> None:
        """Any content is read, or is the server's fault."""
        self.assert_read_or_bad(entries_from, content)
        self.assert_read_or_bad(results_from, content, ["a"])


def listed(*names: object) -> bytes:
    """Give what a server lists of files of these names."""
    return b"".join(json.dumps({"name": name, **status_fields(FILE)}).encode() + b"\n" for name in names)
