"""The three views: what they show of a conversation with everything in it."""

import json
import xml.etree.ElementTree as ET

from twisted.trial.unittest import SynchronousTestCase

from tests.instruments.capture.packets import CLIENT, SERVER
from twisted_lab.instruments.capture.message_lines import MessageLines
from twisted_lab.instruments.capture.messages import Messages
from twisted_lab.instruments.capture.sequence import MAX_ROWS, Sequence
from twisted_lab.instruments.capture.stream_ruler import MAX_PIECES, MAX_RULERS, StreamRuler
from twisted_lab.instruments.capture.streams import Connection, Ended, Happening, Noted, Opened, Read
from twisted_lab.instruments.capture.view import View, counted
from twisted_lab.instruments.directions import DOWNSTREAM, UPSTREAM
from twisted_lab.wire.header import HeaderCodec, Message

ONE, TWO = Connection(1, CLIENT, SERVER), Connection(2, CLIENT._replace(port=40001), SERVER)
QUESTION = HeaderCodec().encode(Message({"type": "greeting", "id": 7}, b"hello"))
ANSWER = HeaderCodec().encode(Message({"type": "greeting", "id": 7}))
HAPPENINGS = [
    Opened(ONE, 1000.0, (), midst=False),
    Read(ONE, 1000.25, UPSTREAM, QUESTION[:10], ("fault=slicer size=10 seed=42",)),
    Opened(TWO, 1000.5, ("between unix and unix",), midst=True),
    Read(ONE, 1000.75, UPSTREAM, QUESTION[10:] + QUESTION),
    Read(ONE, 1001.0, DOWNSTREAM, ANSWER),
    Read(TWO, 1001.25, UPSTREAM, b"\0\0\0\2[]"),
    Ended(TWO, 1001.5, DOWNSTREAM, reset=True, comments=("closed: \x1b[2J",)),
    Ended(ONE, 1001.75, UPSTREAM, reset=False, comments=()),
    Noted(ONE, 1002.0, UPSTREAM, ("closed: idle",)),
]
MIDST = "(it began before the capture)"
SVG = "{http://www.w3.org/2000/svg}"


def show(view: View, happenings: list[Happening] | None = None) -> list[str]:
    """Give the lines of a view."""
    messages = Messages(HeaderCodec)
    shown = []
    for happening in HAPPENINGS if happenings is None else happenings:
        for each in messages.take(happening):
            shown += [*view.take(each)]
    return "\n".join([*shown, *view.finish()]).split("\n")


def words_of(drawn: str) -> list[str | None]:
    """Give the words in a picture, which must be well-formed."""
    return [element.text for element in ET.fromstring(drawn).iter(f"{SVG}text")]  # noqa: S314  # our own


class CountedTests(SynchronousTestCase):
    """`counted`."""

    def test_counted(self) -> None:
        """What stands there several times is shown once."""
        self.assertEqual(counted(["a", "b\x1b", "a"]), ["a (2 times)", "b\\x1b"])


class MessageLinesTests(SynchronousTestCase):
    """Messages as lines."""

    def test_lines(self) -> None:
        """A line for each message and each other thing that happened, with its faults below."""
        self.assertEqual(
            show(MessageLines()),
            [
                "  0.000000    1       127.0.0.1:40000 opens a connection to 127.0.0.1:5679",
                f"  0.500000    2       127.0.0.1:40001 opens a connection to 127.0.0.1:5679 {MIDST}",
                "                     between unix and unix",
                "  0.750000    1  ->  greeting id=7 'hello'  [46 B in 2 reads]",
                "                     fault=slicer size=10 seed=42",
                "  0.750000    1  ->  greeting id=7 'hello'  [46 B]",
                "  1.000000    1  <-  greeting id=7  [30 B]",
                "  1.250000    2  ->  the header isn't a JSON object; 6 B of the message were there",
                "  1.500000    2  <-  the server resets the connection",
                "                     closed: \\x1b[2J",
                "  1.750000    1  ->  the client has sent everything",
                "  2.000000    1  ->  closed: idle",
            ],
        )

    def test_json_of_anything(self) -> None:
        """What a peer has sent is escaped: it can't do to a terminal what it likes."""
        sent = HeaderCodec().encode(Message({"type": "a\u009b31m\u202eb"}))
        happenings: list[Happening] = [Opened(ONE, 1.0, (), midst=False), Read(ONE, 1.0, UPSTREAM, sent)]
        _, line = show(MessageLines(as_json=True), happenings)
        self.assertTrue(line.isascii())
        self.assertEqual(json.loads(line)["header"]["type"], "a\u009b31m\u202eb")

    def test_json(self) -> None:
        """The same for programs, with real times and whole headers."""
        lines = [json.loads(line) for line in show(MessageLines(as_json=True))]
        events = ["opened", "opened", "message", "message", "message", "broken", "reset", "ended", "noted"]
        self.assertEqual([line["event"] for line in lines], events)
        self.assertEqual(
            lines[2],
            {
                "event": "message",
                "connection": 1,
                "time": 1000.75,
                "after": 0.75,
                "from": "client",
                "began": 1000.25,
                "size": 46,
                "reads": 2,
                "type": "greeting",
                "header": {"type": "greeting", "id": 7, "length": 5},
                "content": 5,
                "text": "id=7 'hello'",
                "comments": ["fault=slicer size=10 seed=42"],
            },
        )
        self.assertEqual((lines[0]["client"], lines[0]["server"]), ("127.0.0.1:40000", "127.0.0.1:5679"))


class SequenceTests(SynchronousTestCase):
    """The sequence diagram."""

    def test_lines(self) -> None:
        """Arrows lead from who sends to who receives; faults stand between the two; lines fit a terminal."""
        lines = show(Sequence())
        self.assertEqual({len(line) for line in lines[1:]}, {77})
        self.assertEqual(
            [line[17:] for line in lines[4:7]],
            [
                "|-- [46 B in 2 reads] greeting id=7 'hello' -------------->|",
                "|               fault=slicer size=10 seed=42               |",
                "|-- [46 B] greeting id=7 'hello' ------------------------->|",
            ],
        )
        self.assertEqual(lines[7], f"  1.000000    1  |<- [30 B] greeting id=7 {'-' * 34}|")
        self.assertTrue(all(line.isprintable() for line in lines))

    def test_picture(self) -> None:
        """The picture has both sides, the time with its unit, a row for each message, and arrows that lead right."""
        sequence = Sequence()
        lines = show(sequence)
        drawn = sequence.draw()
        words = words_of(drawn)
        self.assertLessEqual({"client", "server", "seconds", "0.750000", "fault=slicer size=10 seed=42"}, {*words})
        self.assertEqual(words.count("[46 B] greeting id=7 'hello'"), 1)
        arrows = [part for part in drawn.splitlines() if "v8z" in part]
        self.assertEqual(len(arrows), sum("->|" in line or "|<-" in line for line in lines))
        self.assertIn('d="M700.0 ', arrows[0])  # from the client to the server

    def test_much_is_cut(self) -> None:
        """A picture has so many rows, and says that there were more."""
        sequence = Sequence()
        happenings = [HAPPENINGS[0], *(Read(ONE, 1001.0, DOWNSTREAM, ANSWER) for _ in range(MAX_ROWS + 9))]
        self.assertEqual(len(show(sequence, happenings)), MAX_ROWS + 9 + 2)
        self.assertEqual(words_of(sequence.draw())[-1], "and 10 more")


class StreamRulerTests(SynchronousTestCase):
    """The boundary ruler."""

    def test_lines(self) -> None:
        """For each direction, its messages above its reads."""
        lines = show(StreamRuler())
        self.assertEqual(lines[0], "connection 1, from client to server")
        self.assertEqual(lines[2], "messages  " + 23 * "1" + 23 * "2")
        self.assertEqual(lines[3], "reads     " + 5 * "1" + 41 * "2")
        rulers = [line for line in lines if line.startswith("connection")]
        self.assertEqual(
            rulers,
            [
                f"connection {which}"
                for which in ("1, from client to server", "1, from server to client", "2, from client to server")
            ],
        )

    def test_first_bytes(self) -> None:
        """Of the first bytes alone, byte by byte."""
        lines = show(StreamRuler(20))
        self.assertEqual(lines[2:4], ["messages  " + 20 * "1", "reads     " + 10 * "1" + 10 * "2"])

    def test_picture(self) -> None:
        """The picture has a ruler for each direction, and its unit."""
        ruler = StreamRuler()
        show(ruler)
        words = words_of(ruler.draw())
        self.assertEqual(words.count("bytes"), 3)
        self.assertEqual(words.count("messages"), 3)

    def test_bounds(self) -> None:
        """No more pieces and rulers are kept than anybody sees; it is said how many connections were left out."""
        ruler = StreamRuler()
        connections = [Connection(number, CLIENT, SERVER) for number in range(1, 100)]
        opened = [Opened(connection, 0.0, (), midst=False) for connection in connections]
        reads = [Read(connections[0], 0.0, UPSTREAM, b"\0") for _ in range(MAX_PIECES + 10)]
        more = Read(connections[-1], 0.0, UPSTREAM, b"\0")
        lines = show(ruler, [*opened, *reads, more])
        self.assertEqual(lines[-1], f"and {99 - MAX_RULERS // 2} connections more")
        self.assertEqual(len(ruler._cuts[connections[0], UPSTREAM]["reads"]), MAX_PIECES)
