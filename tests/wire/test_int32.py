"""Int32 strings: same bytes, any cuts, same strings; and no length believed before it is checked."""

from hypothesis import given, strategies
from twisted.trial.unittest import SynchronousTestCase

from tests.wire.cuts import PLACES, cut
from twisted_lab.wire.errors import LocalProtocolError, RemoteProtocolError, TooLongError, TruncatedError
from twisted_lab.wire.int32 import PREFIX, Int32Codec

STRINGS = strategies.lists(strategies.binary(max_size=40), max_size=8)


def decode(codec: Int32Codec, pieces: list[bytes]) -> tuple[list[bytes], str | None]:
    """Give the strings in `pieces`, and the code of the error that ends the stream, if one does."""
    strings: list[bytes] = []
    try:
        for piece in pieces:
            strings += codec.feed(piece)
        codec.eof()
    except RemoteProtocolError as error:
        return strings, error.code
    return strings, None


class Int32CodecTests(SynchronousTestCase):
    """`Int32Codec`."""

    @given(STRINGS, PLACES)
    def test_round_trip(self, strings: list[bytes], places: list[int]) -> None:
        """What was encoded is decoded, wherever it was cut."""
        stream = b"".join(map(Int32Codec().encode, strings))
        self.assertEqual(decode(Int32Codec(), cut(stream, places)), (strings, None))

    @given(strategies.binary(max_size=80), PLACES)
    def test_any_bytes(self, stream: bytes, places: list[int]) -> None:
        """Any bytes, in any cuts, give the same strings and the same error, and no other exception."""
        self.assertEqual(decode(Int32Codec(300), cut(stream, places)), decode(Int32Codec(300), [stream]))

    @given(strategies.integers(0, 2), strategies.integers(0, 20))
    def test_truncated(self, missing: int, length: int) -> None:
        """A stream that ends inside a string, or inside its length, is truncated."""
        stream = Int32Codec().encode(b"x" * length)
        self.assertEqual(decode(Int32Codec(), [stream + stream[: -missing - 1]])[1], "truncated")

    def test_length_is_checked_before_bytes_are_kept(self) -> None:
        """A length over the limit ends the stream as soon as it is read; nothing after it is kept."""
        codec = Int32Codec(10)
        self.assertEqual(codec.feed(codec.encode(b"x" * 10) + PREFIX.pack(11) + b"y" * 1000), [b"x" * 10])
        error = codec.error
        assert isinstance(error, TooLongError)
        self.assertEqual((error.code, error.length, error.limit), ("string-too-long", 11, 10))
        self.assertIs(self.assertRaises(TooLongError, codec.feed, b"z"), error)
        self.assertIs(self.assertRaises(TooLongError, codec.eof), error)
        self.assertIs(codec._body, None)

    def test_length_in_pieces_is_checked(self) -> None:
        """A length over the limit is found when it arrives byte by byte, too."""
        codec = Int32Codec(10)
        for byte in PREFIX.pack(11):
            codec.feed(bytes([byte]))
        self.assertIsInstance(codec.error, TooLongError)

    def test_too_long_to_send(self) -> None:
        """A string over the limit isn't encoded: the peer would refuse it."""
        codec = Int32Codec(10)
        self.assertEqual(codec.encode(b"x" * 10), b"\0\0\0\x0axxxxxxxxxx")
        self.assertEqual(self.assertRaises(LocalProtocolError, codec.encode, b"x" * 11).code, "string-too-long")

    def test_boundary(self) -> None:
        """The codec tells whether it stands between strings."""
        codec = Int32Codec()
        boundaries = []
        for piece in (b"", b"\0\0", b"\0\1", b"x", b"\0\0\0\0", b"\0"):
            codec.feed(piece)
            boundaries.append(codec.at_boundary)
        self.assertEqual(boundaries, [True, False, False, True, True, False])
        self.assertRaises(TruncatedError, codec.eof)
        self.assertFalse(codec.at_boundary)

    @given(STRINGS)
    def test_wanted(self, strings: list[bytes]) -> None:
        """Who feeds as many bytes as are wanted sees each string end where it does, in two feeds at most."""
        codec = Int32Codec()
        for string in strings:
            stream = codec.encode(string)
            self.assertEqual(codec.wanted, 4)
            self.assertEqual(codec.feed(stream[:3]), [])
            self.assertEqual(codec.wanted, 1)
            found = codec.feed(stream[3:4])
            if string:
                self.assertEqual((found, codec.wanted), ([], len(string)))
                found = codec.feed(stream[4:])
            self.assertEqual(found, [string])

    def test_pieces_cost_no_more_than_the_string(self) -> None:
        """A string that arrives byte by byte is held once, not once a piece."""
        codec = Int32Codec()
        codec.feed(PREFIX.pack(10_000))
        for _ in range(9_999):
            codec.feed(b"x")
        self.assertLess(codec._body.__sizeof__(), 20_000)
        self.assertEqual(codec.feed(b"x"), [b"x" * 10_000])
