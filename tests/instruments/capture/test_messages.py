"""Messages from streams: the same whatever the reads, each with its size and its reads."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given, strategies
from twisted.trial.unittest import SynchronousTestCase

from tests.instruments.capture.packets import CLIENT, SERVER
from tests.wire.cuts import PLACES, cut
from twisted_lab.instruments.capture.messages import Broken, MakeCodec, Message, Messages
from twisted_lab.instruments.capture.streams import MAX_CONNECTIONS, Connection, Ended, Happening, Noted, Opened, Read
from twisted_lab.instruments.capture.summary import LONGEST, Summary
from twisted_lab.instruments.directions import DOWNSTREAM, UPSTREAM
from twisted_lab.wire import header
from twisted_lab.wire.header import Content, Header, HeaderCodec
from twisted_lab.wire.int32 import Int32Codec

THE = Connection(1, CLIENT, SERVER)
OPENED = Opened(THE, 0.0, (), midst=False)
STRINGS = strategies.lists(strategies.binary(max_size=40), max_size=8)


def encode(kind: str, content: bytes = b"", **fields: Any) -> bytes:
    """Give a message of the header protocol."""
    return HeaderCodec().encode(header.Message({"type": kind, **fields}, content))


def look(pieces: Sequence[bytes], make_codec: MakeCodec | None = HeaderCodec) -> list[Happening]:
    """Give what happens when the client sends these pieces, one a second, and then shuts its side."""
    messages = Messages(make_codec)
    happenings = [
        OPENED,
        *(Read(THE, float(number), UPSTREAM, piece, (f"read {number}",)) for number, piece in enumerate(pieces, 1)),
        Ended(THE, 99.0, UPSTREAM, reset=False, comments=()),
    ]
    return [each for happening in happenings for each in messages.take(happening)]


def messages_of(pieces: Sequence[bytes], make_codec: MakeCodec | None = HeaderCodec) -> list[Message]:
    """Give the messages alone."""
    return [each for each in look(pieces, make_codec) if isinstance(each, Message)]


class Slow:
    """An Int32 codec of someone who doesn't say how many bytes are wanted."""

    def __init__(self) -> None:
        self._codec = Int32Codec()
        self.feed = self._codec.feed
        self.eof = self._codec.eof
        self.encode = self._codec.encode

    error = property(lambda self: self._codec.error)
    at_boundary = property(lambda self: self._codec.at_boundary)


class MessagesTests(SynchronousTestCase):
    """`Messages`."""

    @given(STRINGS, PLACES, strategies.sampled_from((Int32Codec, Slow)))
    def test_any_cuts(self, strings: list[bytes], places: list[int], make_codec: Any) -> None:
        """Each message has its size, when it began and ended, and its number of reads."""
        stream = b"".join(map(Int32Codec().encode, strings))
        pieces = [piece for piece in cut(stream, places) if piece]
        reads = [number for number, piece in enumerate(pieces, 1) for _ in piece]  # of each byte
        expected, position = [], 0
        for string in strings:
            of_it = reads[position : position + 4 + len(string)]
            expected.append((4 + len(string), of_it[0], of_it[-1], len({*of_it})))
            position += len(of_it)
        found = [(each.size, each.began, each.time, each.reads) for each in messages_of(pieces, make_codec)]
        self.assertEqual(found, expected)

    def test_what_they_say(self) -> None:
        """A message says its type, its keys and how its content begins."""
        one, two = encode("greeting", b"x" * 100, id=7), encode("bye now")
        first, second = messages_of([one[:10], one[10:] + two])
        self.assertEqual((first.summary.kind, second.summary.kind), ("greeting", "bye now"))
        self.assertEqual(first.summary.text, f"id=7 '{'x' * 32}' and 68 B")
        self.assertEqual((first.reads, second.reads), (2, 1))
        self.assertEqual((first.comments, second.comments), (("read 1", "read 2"), ()))
        self.assertEqual(first.summary.as_json()["header"], {"type": "greeting", "id": 7, "length": 100})

    def test_without_a_codec(self) -> None:
        """Each read is a message, also one that took several packets."""
        self.assertEqual([each.summary.text for each in messages_of([b"one", b"two"], None)], ["'one'", "'two'"])

    def test_a_read_that_continues(self) -> None:
        """Packets of one read count as one read."""
        messages = Messages(HeaderCodec)
        stream = encode("t", b"x" * 10)
        happenings = [
            OPENED,
            Read(THE, 1.0, UPSTREAM, stream[:5]),
            Read(THE, 1.0, UPSTREAM, stream[5:9], continues=True),
            Read(THE, 2.0, UPSTREAM, stream[9:]),
        ]
        found = [each for happening in happenings for each in messages.take(happening)]
        self.assertEqual([each.reads for each in found if isinstance(each, Message)], [2])

    def test_broken(self) -> None:
        """Where a stream breaks the protocol its messages end, with the codec's sentence; the reads go on."""
        good = encode("t")
        found = look([good + b"\0\0\0\2[]" + good, good])
        self.assertEqual([type(each) for each in found], [Opened, Read, Message, Broken, Read, Noted, Ended])
        broken = found[3]
        assert isinstance(broken, Broken)
        self.assertEqual((broken.size, broken.why), (6, "the header isn't a JSON object"))
        self.assertEqual(found[5], Noted(THE, 2.0, UPSTREAM, ("read 2",)))

    def test_cut_off(self) -> None:
        """A stream that ends in a message says so, also by a reset of the other side."""
        found = look([encode("t", b"content")[:-1]])
        self.assertEqual([type(each) for each in found], [Opened, Read, Broken, Ended])
        broken = found[2]
        assert isinstance(broken, Broken)
        self.assertEqual(broken.comments, ("read 1",))  # what cut it off may stand there
        messages = Messages(HeaderCodec)
        happenings = [
            OPENED,
            Read(THE, 1.0, UPSTREAM, b"\0"),
            Ended(THE, 2.0, DOWNSTREAM, reset=True, comments=()),
        ]
        found = [each for happening in happenings for each in messages.take(happening)]
        self.assertEqual([type(each) for each in found], [Opened, Read, Broken, Ended])

    def test_decoders_are_bounded(self) -> None:
        """Connections that never end don't add up."""
        messages = Messages(HeaderCodec)
        for number in range(MAX_CONNECTIONS + 10):
            list(messages.take(Opened(Connection(number, CLIENT, SERVER), 0.0, (), midst=False)))
        self.assertEqual(len(messages._decoders), 2 * MAX_CONNECTIONS)

    def test_one_of_too_many_says_so(self) -> None:
        """What is given up has its unfinished message shown."""
        messages = Messages(HeaderCodec)
        for happening in (OPENED, Read(THE, 1.0, UPSTREAM, b"\0")):
            list(messages.take(happening))
        opened = [
            Opened(Connection(number, CLIENT, SERVER), 2.0, (), midst=False) for number in range(2, MAX_CONNECTIONS + 2)
        ]
        (broken,) = [each for one in opened for each in messages.take(one) if isinstance(each, Broken)]
        self.assertEqual((broken.size, broken.why), (1, "more connections are open than can be followed"))

    def test_a_gap(self) -> None:
        """Behind a gap nobody knows where messages begin; what was noted there is still told."""
        messages = Messages(HeaderCodec)
        happenings = [
            OPENED,
            Read(THE, 1.0, UPSTREAM, b"\0", ("before",)),
            Read(THE, 2.0, UPSTREAM, encode("t"), ("behind",), missing=1000),
            Read(THE, 3.0, UPSTREAM, encode("t"), ("later",)),
        ]
        *_, broken, _, noted = [each for happening in happenings for each in messages.take(happening)]
        why = "1,000 bytes weren't captured"
        self.assertEqual(broken, Broken(THE, 2.0, UPSTREAM, 1, why, ("before", "behind")))
        self.assertEqual(noted, Noted(THE, 3.0, UPSTREAM, ("later",)))

    def test_a_gap_without_a_codec(self) -> None:
        """Where each read is a message, so are those behind a gap."""
        messages = Messages(None)
        reads = [Read(THE, 1.0, UPSTREAM, b"one", missing=2), Read(THE, 2.0, UPSTREAM, b"two", ("why",))]
        found = [each for happening in [OPENED, *reads] for each in messages.take(happening)]
        self.assertEqual([type(each) for each in found], [Opened, Read, Broken, Message, Read, Message])
        self.assertEqual([each.comments for each in found if isinstance(each, Broken | Message)], [(), (), ("why",)])

    @given(STRINGS, PLACES, strategies.integers(0, 12))
    def test_a_capture_that_ends_anywhere(self, strings: list[bytes], places: list[int], kept: int) -> None:
        """Each byte of its reads is in a message, or counts as what there is of one."""
        pieces = [piece for piece in cut(b"".join(map(Int32Codec().encode, strings)), places) if piece][:kept]
        messages = Messages(Int32Codec)
        reads = [Read(THE, float(number), UPSTREAM, piece) for number, piece in enumerate(pieces)]
        found = [each for happening in [OPENED, *reads] for each in messages.take(happening)]
        rest = [each for each in messages.finish() if isinstance(each, Broken)]
        whole = sum(each.size for each in found if isinstance(each, Message))
        self.assertEqual(whole + sum(each.size for each in rest), len(b"".join(pieces)))
        for broken in rest:
            self.assertEqual(
                (broken.time, broken.why), (reads[-1].time, "the capture ended in the middle of a message")
            )


class SummaryTests(SynchronousTestCase):
    """`Summary`."""

    def test_it_is_fit_to_print(self) -> None:
        """What a peer sent can't rewrite the terminal, and isn't longer than a line."""
        summary = Summary()
        summary.add(Header({"type": "\x1b[2J", "id": 1, "name": "\u202etxt", "long": "y" * 5000}))
        summary.add(Content(b"\x1b[2J"))
        self.assertEqual(summary.kind, "\\x1b[2J")
        self.assertTrue(summary.text.isprintable())
        self.assertLessEqual(len(summary.text), LONGEST + 1)

    def test_passwords_are_not_shown(self) -> None:
        """Neither to people nor to programs."""
        summary = Summary()
        summary.add(Header({"type": "hello", "user": "alice", "password": "secret"}))
        self.assertEqual(summary.text, "user=alice password=…")
        self.assertNotIn("secret", str(summary.as_json()))

    def test_little_is_kept(self) -> None:
        """Of content, and of events that are none of ours, the beginning."""
        summary = Summary()
        for _ in range(1000):
            summary.add(Content(b"x" * 1000))
            summary.add(("event", "y" * 1000))
        self.assertLess(len(summary._content) + len(summary._other), 2000)
        self.assertEqual(summary.as_json()["content"], 1_000_000)
