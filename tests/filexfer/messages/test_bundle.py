"""Bundles: many small files in one run of bytes, cut anywhere."""

from collections.abc import Mapping

from hypothesis import given, strategies
from twisted.trial.unittest import SynchronousTestCase

from tests.filexfer.messages.values import DIGESTS, MODES, MTIMES, NAMES
from tests.wire.cuts import PLACES, cut
from twisted_lab.filexfer.errors import BadNameError, BadRequestError, UnsupportedError
from twisted_lab.filexfer.messages.bundle import (
    MAX_BUNDLE,
    MAX_FILE,
    MAX_FILES,
    BundleDecoder,
    BundleFault,
    encode_small,
)
from twisted_lab.filexfer.small_file import SmallFile
from twisted_lab.wire.header import HeaderCodec, Message

FILES = strategies.lists(
    strategies.builds(
        SmallFile,
        NAMES,
        strategies.binary(max_size=40),
        DIGESTS,
        strategies.none() | MTIMES,
        strategies.none() | MODES,
    ),
    max_size=5,
)
DIGEST = "sha-256:" + "0" * 64
GOOD = SmallFile(("a", "b"), b"content", DIGEST)


def decode(pieces: list[bytes]) -> tuple[list[SmallFile | BundleFault], str | None]:
    """Give the files of a bundle, and what is wrong with the bundle itself, if anything is."""
    decoder = BundleDecoder()
    found: list[SmallFile | BundleFault] = []
    try:
        for piece in pieces:
            found += decoder.feed(piece)
        decoder.eof()
    except BadRequestError as error:
        return found, str(error)
    return found, None


def entry(header: Mapping[str, object], content: bytes = b"") -> bytes:
    """Give a message of a bundle."""
    return HeaderCodec().encode(Message({"type": "file", "path": "a", "digest": DIGEST, **header}, content))


class BundleTests(SynchronousTestCase):
    """`BundleDecoder` and `encode_small`."""

    @given(FILES, PLACES)
    def test_round_trip(self, files: list[SmallFile], places: list[int]) -> None:
        """The files come out as they went in, wherever their bytes are cut."""
        self.assertEqual(decode(cut(b"".join(map(encode_small, files)), places)), (files, None))

    @given(FILES, strategies.binary(max_size=60), PLACES)
    def test_any_bytes(self, files: list[SmallFile], tail: bytes, places: list[int]) -> None:
        """What comes before bytes that can't be read is given, the same however all of it is cut."""
        stream = b"".join(map(encode_small, files)) + tail
        found, _ = decode([stream])
        self.assertEqual(found[: len(files)], files)
        self.assertEqual(decode(cut(stream, places))[0], found)

    def test_one_bad_file(self) -> None:
        """What is wrong with one file is its own fault: those before and after it are whole."""
        cases: tuple[tuple[dict[str, object], type[Exception], str], ...] = (
            ({"path": "../x"}, BadNameError, r"\.\."),
            ({"path": 7}, BadRequestError, '"path"'),
            ({"digest": "sha-256:0"}, BadRequestError, "digest"),
            ({"digest": None}, BadRequestError, "digest"),
            ({"mode": 0o4755}, BadRequestError, '"mode"'),
            ({"mtime": 1}, BadRequestError, '"mtime"'),
            ({"type": "directory"}, UnsupportedError, "file"),
        )
        for header, error, why in cases:
            stream = encode_small(GOOD) + entry(header, b"dropped") + encode_small(GOOD)
            (first, fault, last), wrong = decode([stream])
            self.assertEqual((first, last, wrong), (GOOD, GOOD, None))
            assert isinstance(fault, BundleFault)
            self.assertIsInstance(fault.error, error)
            self.assertRegex(str(fault.error), why)

    def test_what_is_shown(self) -> None:
        """A name that isn't allowed is told to the log in a form that is fit to print."""
        ((fault,), _) = decode([entry({"path": "a\x1b/../b"})])
        self.assertEqual(fault, BundleFault("a\\x1b/../b", fault.error))  # type: ignore[union-attr]

    def test_large_file(self) -> None:
        """A file over the limit is that file's fault, and no byte of it is kept; one at the limit is taken."""
        header = HeaderCodec().encode_header({"type": "file", "path": "a", "digest": DIGEST, "length": MAX_FILE + 1})
        decoder = BundleDecoder()
        self.assertEqual(decoder.feed(header + bytes(MAX_FILE)), [])
        self.assertEqual(len(decoder._content), 0)
        ((fault), last) = decoder.feed(b"\0" + entry({}, bytes(MAX_FILE)))
        self.assertIsInstance(fault, BundleFault)
        self.assertEqual(last, SmallFile(("a",), bytes(MAX_FILE), DIGEST))

    def test_too_many_files(self) -> None:
        """More files than a bundle may have aren't taken; those before them are."""
        stream = encode_small(GOOD) * (MAX_FILES + 1)
        for pieces in ([stream], [stream[: len(stream) // 2], stream[len(stream) // 2 :]]):
            found, wrong = decode(pieces)
            self.assertEqual(len(found), MAX_FILES)
            self.assertIn(f"at most {MAX_FILES} files", str(wrong))
        self.assertEqual(decode([encode_small(GOOD) * MAX_FILES])[1], None)

    def test_too_many_bytes(self) -> None:
        """A bundle ends at its limit of bytes."""
        decoder = BundleDecoder()
        piece = entry({}, bytes(MAX_FILE))
        for _ in range(MAX_BUNDLE // len(piece)):
            decoder.feed(piece)
        self.assertIn("bytes", str(self.assertRaises(BadRequestError, decoder.feed, piece)))
        self.assertRaises(BadRequestError, decoder.feed, b"")
        self.assertRaises(BadRequestError, decoder.eof)

    def test_truncated(self) -> None:
        """A bundle that ends in the middle of a file is refused; the files before it hold."""
        stream = encode_small(GOOD)
        for end in (1, 10, len(stream) - 1):
            found, wrong = decode([stream + stream[:end]])
            self.assertEqual(found, [GOOD])
            self.assertIn("can't be read any further", str(wrong))
        self.assertEqual(decode([]), ([], None))
