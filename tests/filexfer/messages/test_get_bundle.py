"""Bundles that are got: what is asked, and that no answer is taken that can't be relied on."""

from dataclasses import replace

from hypothesis import given, strategies
from twisted.trial.unittest import SynchronousTestCase

from tests.filexfer.messages.values import ANYTHING, ETAGS, MODES, MTIMES, NAMES
from twisted_lab.filexfer.digests import Digest
from twisted_lab.filexfer.errors import (
    BadNameError,
    BadRequestError,
    DigestMismatchError,
    FilexferError,
    NotFoundError,
)
from twisted_lab.filexfer.messages.bundle import MAX_FILES
from twisted_lab.filexfer.messages.get_bundle import (
    MAX_ANSWER,
    MAX_LINE,
    answers_from,
    encode_answer,
    parse_wanted,
    split_wanted,
    wanted_line,
)
from twisted_lab.filexfer.names import Name, join_name
from twisted_lab.filexfer.small_file import SmallFile
from twisted_lab.wire.errors import RemoteProtocolError
from twisted_lab.wire.fields import serialize
from twisted_lab.wire.header import HeaderCodec, Message


def file(name: Name, content: bytes, mtime_ns: int = 0, mode: int = 0o644, etag: str = "e") -> SmallFile:
    """Give a file as it is got."""
    digest = Digest("sha-256")
    digest.update(content)
    return SmallFile(name, content, digest.text, mtime_ns, mode, etag)


FILES = strategies.lists(
    strategies.builds(file, NAMES, strategies.binary(max_size=40), MTIMES, MODES, ETAGS), max_size=5
)
GOOD = file(("a", "b"), b"content")


class WantedTests(SynchronousTestCase):
    """What a client asks for."""

    @given(strategies.lists(strategies.tuples(NAMES, strategies.none() | ETAGS), min_size=1, max_size=5))
    def test_round_trip(self, wanted: list[tuple[Name, str | None]]) -> None:
        """What is asked for is what is read."""
        content = b"".join(wanted_line(join_name(name), etag) for name, etag in wanted)
        self.assertEqual([parse_wanted(line) for line in split_wanted(content)], wanted)

    @given(
        strategies.binary(max_size=60) | ANYTHING.map(lambda value: serialize_any(value))  # noqa: PLW0108  # it is defined below
    )
    def test_any_line(self, line: bytes) -> None:
        """Whatever a line is, it is read, or refused by an error of ours."""
        try:
            name, _ = parse_wanted(line)
        except (BadRequestError, BadNameError):
            return
        join_name(name)

    def test_bounds(self) -> None:
        """Lines that are none, too many or unfinished are refused, and one that is too long, or nested too deep."""
        for content in (b"", b"{}", b"{}\n{}", b"{}\n" * (MAX_FILES + 1)):
            self.assertRaises(BadRequestError, split_wanted, content)
        self.assertEqual(len(split_wanted(b"{}\n" * MAX_FILES)), MAX_FILES)
        for line in (b" " * MAX_LINE, b"[" * (MAX_LINE - 1), b"[]", b"{}", b'{"path":"a","if-match":7}'):
            self.assertRaises(BadRequestError, parse_wanted, line)
        self.assertRaises(BadNameError, parse_wanted, b'{"path":"../x"}')

    def test_longest(self) -> None:
        """The longest name and etag fit in a line, however they are escaped, and in what an answer may have."""
        name = ("é" * 127,) * 15 + ("\\" * 255,)
        line = b'{"path":"%b","if-match":"%b"}' % (b"\\u0061" * 4000, b"\\u0061" * 64)
        self.assertLess(len(line), MAX_LINE)
        answers: list[SmallFile | FilexferError] = [
            replace(GOOD, name=name, content=b""),
            NotFoundError("\U0001f600" * 1000),
        ]
        self.assertLess(max(len(encode_answer(answer)) for answer in answers), MAX_ANSWER)


class AnswerTests(SynchronousTestCase):
    """What a server answers."""

    @given(FILES)
    def test_round_trip(self, files: list[SmallFile]) -> None:
        """The files come out as they went in."""
        content = b"".join(map(encode_answer, files))
        self.assertEqual(answers_from(content, [join_name(each.name) for each in files], "sha-256"), files)

    def test_errors(self) -> None:
        """An error is one file's, in its place."""
        content = encode_answer(GOOD) + encode_answer(NotFoundError("no")) + encode_answer(GOOD)
        first, error, last = answers_from(content, ["a/b", "c", "a/b"], "sha-256")
        self.assertEqual((first, last, str(error)), (GOOD, GOOD, "no"))
        self.assertIsInstance(error, NotFoundError)

    def test_other_bytes(self) -> None:
        """A digest that is of other bytes is that file's failure."""
        content = encode_answer(replace(GOOD, content=b"other")) + encode_answer(GOOD)
        first, last = answers_from(content, ["a/b", "a/b"], "sha-256")
        self.assertIsInstance(first, DigestMismatchError)
        self.assertEqual(last, GOOD)

    @given(strategies.binary(max_size=80))
    def test_any_bytes(self, content: bytes) -> None:
        """What can't be read is a fault of the server's, whatever it is."""
        self.assertRaises(RemoteProtocolError, answers_from, content, ["a"], "sha-256")

    def test_what_is_not_believed(self) -> None:
        """A name that wasn't asked for, too many, too few, cut off, another algorithm, a key that is missing."""
        good = encode_answer(GOOD)
        header = {"type": "file", "path": "a/b", "digest": GOOD.digest, "mtime": [0, 0], "mode": 0, "etag": "e"}
        for content in (
            encode_answer(replace(GOOD, name=("a", "c"))),
            message({**header, "path": "../../.bashrc"}),
            message({**header, "path": 7}),
            message({**header, "type": "directory"}),
            message({**header, "mode": 0o4755}),
            message({**header, "digest": "blake3:" + "0" * 64}),
            message({**header, "digest": "sha-256:0"}),
            message({key: value for key, value in header.items() if key != "etag"}),
            message({"type": "error", "code": "not-found", "message": "no"}, b"content"),
            message({"type": "error", "code": "NOT FOUND", "message": "no"}),
            good + good,
            good[:-1],
            b"",
        ):
            self.assertRaises(RemoteProtocolError, answers_from, content, ["a/b"], "sha-256")


def message(header: dict[str, object], content: bytes = b"") -> bytes:
    """Give a message of a bundle."""
    return HeaderCodec().encode(Message(header, content))


def serialize_any(value: object) -> bytes:
    """Give a line with that value as its path, as far as it is Unicode."""
    try:
        return serialize({"type": "", "path": value})
    except Exception:  # noqa: BLE001  # half surrogate pairs, numbers out of range
        return b"{}"
