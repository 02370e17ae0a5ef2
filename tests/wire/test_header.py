"""The header protocol's codec: same bytes, any cuts, same events; every malformed message by its code."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies
from twisted.trial.unittest import SynchronousTestCase

from tests.wire.cuts import PLACES, cut
from tests.wire.test_fields import FIELDS
from twisted_lab.wire.errors import LocalProtocolError, RemoteProtocolError, TruncatedError
from twisted_lab.wire.header import MAX_HEADER, Content, End, Event, Header, HeaderCodec, Message

MESSAGES = strategies.lists(strategies.builds(Message, FIELDS, strategies.binary(max_size=40)), max_size=5)


def decode(pieces: list[bytes]) -> tuple[list[Event], str | None]:
    """Give the events of `pieces`, content chunks joined, and the code of the error that ends the stream, if any."""
    codec = HeaderCodec()
    events: list[Event] = []
    code = None
    try:
        for piece in pieces:
            for event in codec.feed(piece):
                match events, event:
                    case [*_, Content(before)], Content(data):
                        events[-1] = Content(before + data)
                    case _:
                        events.append(event)
        codec.eof()
    except RemoteProtocolError as error:
        code = error.code
    return events, code


def whole(messages: list[Message]) -> list[Event]:
    """Give the events that `messages` make."""
    events: list[Event] = []
    for message in messages:
        length = {"length": len(message.content)} if message.content else {}
        events += [
            Header({**message.header, **length}),
            *([Content(message.content)] if message.content else ()),
            End(),
        ]
    return events


class HeaderCodecTests(SynchronousTestCase):
    """`HeaderCodec`."""

    @given(MESSAGES, PLACES)
    def test_round_trip(self, messages: list[Message], places: list[int]) -> None:
        """What was encoded is decoded, wherever it was cut."""
        stream = b"".join(map(HeaderCodec().encode, messages))
        self.assertEqual(decode(cut(stream, places)), (whole(messages), None))

    @given(MESSAGES, strategies.binary(max_size=40), PLACES)
    def test_any_bytes(self, messages: list[Message], tail: bytes, places: list[int]) -> None:
        """Any bytes after some messages, in any cuts, give the same events and the same error, and nothing else."""
        stream = b"".join(map(HeaderCodec().encode, messages)) + tail
        events, code = decode([stream])
        self.assertEqual(decode(cut(stream, places)), (events, code))
        self.assertEqual(events[: len(whole(messages))], whole(messages))

    @given(MESSAGES.filter(bool), strategies.integers(1, 10**6))
    def test_truncated(self, messages: list[Message], missing: int) -> None:
        """A stream that ends inside a message is truncated; one that ends between two isn't."""
        last = HeaderCodec().encode(messages[-1])
        stream = b"".join(map(HeaderCodec().encode, messages[:-1])) + last[: -(missing % (len(last) - 1) + 1)]
        events, code = decode([stream])
        self.assertEqual(code, "truncated" if stream else None)
        self.assertEqual(events[: len(whole(messages[:-1]))], whole(messages[:-1]))

    def test_the_events_before_a_fault_are_kept(self) -> None:
        """Messages that came before a malformed one, in the same read, are delivered."""
        codec = HeaderCodec()
        good = Message({"type": "t"}, b"content")
        self.assertEqual(codec.feed(codec.encode(good) + b"\0\0\0\2[]" + codec.encode(good)), whole([good]))
        assert codec.error is not None
        self.assertEqual(codec.error.code, "not-an-object")
        self.assertFalse(codec.at_boundary)
        self.assertIs(self.assertRaises(RemoteProtocolError, codec.feed, b""), codec.error)

    def test_content_is_not_kept(self) -> None:
        """Content is handed on as it comes: a chunk that is all content isn't even copied."""
        codec = HeaderCodec()
        codec.feed(codec.encode_header({"type": "t", "length": 2**53 - 1}))
        chunk = b"x" * 65536
        (event,) = codec.feed(chunk)
        assert isinstance(event, Content)
        self.assertIs(event.data, chunk)

    def test_feeds(self) -> None:
        """The end of a message tells in how many pieces it came, the pieces it shares with others included."""
        codec = HeaderCodec()
        stream = codec.encode(Message({"type": "t"}, b"content"))
        feeds = []
        for piece in (stream, stream[:3], stream[3:20], b"", stream[20:] + stream[:5], stream[5:] + stream):
            feeds += [event.feeds for event in codec.feed(piece) if isinstance(event, End)]
        self.assertEqual(feeds, [1, 3, 2, 1])

    def test_boundary(self) -> None:
        """The codec tells whether it stands between messages."""
        codec = HeaderCodec()
        stream = codec.encode(Message({"type": "t"}, b"content"))
        boundaries = []
        for piece in (b"", stream, stream[:3], stream[3:-1], stream[-1:]):
            codec.feed(piece)
            boundaries.append(codec.at_boundary)
        self.assertEqual(boundaries, [True, True, False, False, True])

    def test_wanted(self) -> None:
        """Who feeds as many bytes as are wanted sees prefix, header and content one after the other, and the end."""
        codec = HeaderCodec()
        stream = codec.encode(Message({"type": "t"}, b"four")) + codec.encode(Message({"type": "t"}))
        sizes, ends, position = [], [], 0
        while position < len(stream):
            sizes.append(codec.wanted)
            codec.feed(stream[position : position + codec.wanted])
            position += sizes[-1]
            ends.append(codec.at_boundary)
        self.assertEqual(sizes, [4, 23, 4, 4, 12])
        self.assertEqual(ends, [False, False, True, False, True])

    def test_length_agrees_with_the_content(self) -> None:
        """A ``length`` that contradicts the content isn't sent; one that agrees, or of empty content, is."""
        codec = HeaderCodec()
        error = self.assertRaises(LocalProtocolError, codec.encode, Message({"type": "t", "length": 3}, b"four"))
        self.assertEqual(error.code, "bad-length")
        self.assertEqual(codec.encode(Message({"type": "t"})), b'\0\0\0\x0c{"type":"t"}')
        stream = codec.encode(Message({"type": "t", "length": 0}))
        self.assertEqual(decode([stream]), ([Header({"type": "t", "length": 0}), End()], None))

    def test_header_limit(self) -> None:
        """A header may have 65536 bytes and no more, both ways."""
        filler = MAX_HEADER - len('{"type":""}')
        stream = HeaderCodec().encode(Message({"type": "x" * filler}))
        self.assertEqual(decode([stream])[1], None)
        error = self.assertRaises(LocalProtocolError, HeaderCodec().encode, Message({"type": "x" * (filler + 1)}))
        self.assertEqual(error.code, "header-too-long")

    def test_eof_after_an_error(self) -> None:
        """The end of the stream after an error is that error, not a truncation."""
        codec = HeaderCodec()
        codec.feed(b"\xff\xff\xff\xff")
        self.assertEqual(self.assertRaises(RemoteProtocolError, codec.eof).code, "header-too-long")

    def test_eof_tells_what_is_missing(self) -> None:
        """The error of a truncated content says how many bytes are missing."""
        codec = HeaderCodec()
        codec.feed(codec.encode_header({"type": "t", "length": 9}) + b"xx")
        self.assertIn("bytes missing: 7", str(self.assertRaises(TruncatedError, codec.eof)))
        self.assertRaises(TruncatedError, codec.eof)


def corpus() -> list[tuple[str, bytes]]:
    """Give the malformed messages that docs/header-protocol.rst lists: code and bytes."""
    page = (Path(__file__).parents[2] / "docs" / "header-protocol.rst").read_text()
    rows = re.findall(r"^   ([a-z0-9-]+) \| ``(.+)`` \| ", page, re.MULTILINE)
    return [(code, evaluate(stream)) for code, stream in rows]


def evaluate(text: str) -> bytes:
    """Evaluate bytes literals joined by ``+`` and ``*``."""

    def value(node: ast.AST) -> Any:
        match node:
            case ast.Expression(body):
                return value(body)
            case ast.Constant(constant):
                return constant
            case ast.BinOp(left, ast.Add(), right):
                return value(left) + value(right)
            case ast.BinOp(left, ast.Mult(), right):
                return value(left) * value(right)
        raise ValueError(f"not a literal: {text}")

    return bytes(value(ast.parse(text, mode="eval")))


@pytest.mark.parametrize(("code", "stream"), corpus())
def test_corpus(code: str, stream: bytes) -> None:
    """Each malformed message of the page has the code that the page gives it, however it is cut, and is no message."""
    events, found = decode([stream])
    assert found == code
    assert End() not in events
    assert decode([bytes([byte]) for byte in stream]) == (events, code)


def test_corpus_is_complete() -> None:
    """The page has a malformed message for each code that the codec's source can give."""
    wire = Path(__file__).parents[2] / "twisted_lab" / "wire"
    source = "".join((wire / name).read_text() for name in ("fields.py", "header.py", "errors.py"))
    codes = set(re.findall(r'"((?:bad|not|too|duplicate|missing|header)-[a-z0-9-]+|truncated)"', source))
    codes |= {f"bad-{key}" for key in ("type", "id", "length", "content-type", "content-encoding")}
    codes |= {"header-too-long"}
    assert codes == {code for code, _ in corpus()}
