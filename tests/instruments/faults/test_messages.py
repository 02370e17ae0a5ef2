"""Faults of whole messages."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.instruments.faults.faulty import FaultTestCase
from tests.wire.cuts import PLACES, cut
from twisted_lab.wire.header import Header, HeaderCodec, Message
from twisted_lab.wire.int32 import Int32Codec

MESSAGES = [b"message %d" % number for number in range(40)]
encode = Int32Codec().encode


def decode(data: bytes) -> list[bytes]:
    """Give the messages in a stream that has nothing else in it."""
    codec = Int32Codec()
    messages = codec.feed(data)
    codec.eof()
    return messages


class MessageFaultTests(FaultTestCase):
    """Each fault of messages.py."""

    def run_messages(
        self, fault: str, seed: int = 1, cuts: tuple[int, ...] = (), pieces: list[bytes] | None = None
    ) -> list[bytes]:
        """Send all messages through the fault; give those that arrive."""
        self.join(fault, seed=seed, codec=Int32Codec, cuts=cuts)
        self.send(*(pieces or [b"".join(map(encode, MESSAGES))]))
        self.server.wire.loseWriteConnection()
        self.pass_time(10, 0.05)
        self.assertEqual(self.client.happened, ["end"])
        return decode(self.client.data)

    def test_drop(self) -> None:
        """Some messages don't arrive, the others do, and the stream stays whole."""
        arrived = self.run_messages("drop_message:probability=0.3")
        self.assertTrue(15 < len(arrived) < 37, len(arrived))
        self.assertEqual(arrived, [message for message in MESSAGES if message in arrived])
        self.assertEqual(
            self.struck()[0], f"message {MESSAGES.index(next(m for m in MESSAGES if m not in arrived)) + 1} dropped"
        )

    def test_duplicate(self) -> None:
        """Some messages arrive twice, one after the other."""
        arrived = self.run_messages("duplicate_message:probability=0.3")
        self.assertTrue(42 < len(arrived) < 65, len(arrived))
        self.assertEqual([*dict.fromkeys(arrived)], MESSAGES)
        self.assertEqual(arrived, sorted(arrived, key=MESSAGES.index))

    def test_reorder(self) -> None:
        """Some messages change places with the next; none is lost."""
        arrived = self.run_messages("reorder_message:probability=0.3")
        self.assertEqual(sorted(arrived), sorted(MESSAGES))
        self.assertNotEqual(arrived, MESSAGES)
        self.assertTrue(all(abs(MESSAGES.index(message) - place) <= 1 for place, message in enumerate(arrived)))

    def test_reorder_the_last(self) -> None:
        """One that nothing follows arrives when the direction ends, or the fault is removed."""
        arrived = self.run_messages("reorder_message:probability=1", pieces=[encode(b"alone")])
        self.assertEqual(arrived, [b"alone"])
        self.join("reorder_message:probability=1", codec=Int32Codec)
        self.send(encode(b"alone"))
        self.assertEqual(self.client.data, b"")
        self.connection.remove("reorder_message_downstream")
        self.clock.advance(0)
        self.assertEqual(decode(self.client.data), [b"alone"])

    def test_delay(self) -> None:
        """A message is late, and those that follow it wait for it."""
        self.join("delay_message:probability=1,delay=100", codec=Int32Codec)
        self.send(encode(b"one") + encode(b"two"))
        self.pass_time(0.25)
        self.assertEqual((decode(self.client.data), self.client.times), ([b"one", b"two"], [0.1, 0.2]))

    @given(PLACES)
    @settings(max_examples=40)
    def test_cuts_make_no_difference(self, places: list[int]) -> None:
        """However the bytes come, the same messages are struck."""
        stream = b"".join(map(encode, MESSAGES))
        for fault in ("drop_message", "duplicate_message", "reorder_message"):
            once = self.run_messages(f"{fault}:probability=0.3", seed=7)
            again = self.run_messages(f"{fault}:probability=0.3", seed=7, pieces=cut(stream, places))
            self.assertEqual(once, again)

    @given(st.integers(0, 10**6))
    @settings(max_examples=20)
    def test_probabilities(self, seed: int) -> None:
        """With 0 nothing is struck, with 1 everything."""
        self.assertEqual(self.run_messages("drop_message:probability=0", seed=seed), MESSAGES)
        self.assertEqual(self.run_messages("drop_message:probability=1", seed=seed), [])

    def test_long_messages(self) -> None:
        """A long one is dropped without being held; where it would have to be held it is left alone."""
        long = encode(bytes(3 * 2**19))
        for fault, arrives in (("drop_message", 0), ("duplicate_message", len(long)), ("reorder_message", len(long))):
            self.join(f"{fault}:probability=1", codec=Int32Codec)
            self.send(long)
            self.assertEqual(len(self.client.data), arrives, fault)

    def test_headers_and_contents(self) -> None:
        """Messages of the header protocol are dropped with their content."""
        codec = HeaderCodec()
        messages = [Message({"type": "a", "id": number}, bytes(5000)) for number in range(20)]
        self.join("drop_message:probability=0.5", codec=HeaderCodec)
        self.send(b"".join(map(codec.encode, messages)))
        events = HeaderCodec().feed(self.client.data)
        headers = [event.fields for event in events if isinstance(event, Header)]
        self.assertTrue(0 < len(headers) < 20)
        self.assertEqual(len(self.client.data) % (len(codec.encode(messages[0]))) // 100, 0)

    def test_changed_inside_a_message(self) -> None:
        """A message meets one fate, and the next is one again, whether the fault is removed or changed meanwhile."""
        for fault in ("drop_message", "duplicate_message", "reorder_message", "delay_message:delay=10"):
            for changed in (None, 0.0, 1.0):
                self.join(f"{fault}{',' if ':' in fault else ':'}probability=1", codec=Int32Codec)
                one, two = encode(b"ABCDEFGH"), encode(b"Z")
                self.send(one[:8])
                name = f"{fault.partition(':')[0]}_downstream"
                if changed is None:
                    self.connection.remove(name)
                else:
                    self.connection.change(name, probability=changed)
                self.clock.advance(0)
                self.send(one[8:], two)
                self.server.wire.loseWriteConnection()
                self.pass_time(0.1)
                arrived = decode(self.client.data)
                self.assertEqual(self.client.happened, ["end"])
                untouched = {"drop_message": [], "duplicate_message": [b"ABCDEFGH"] * 2}.get(fault, [b"ABCDEFGH"])
                if changed != 1.0:
                    self.assertEqual(arrived, [*untouched, b"Z"], (fault, changed))

    def test_numbers_go_on(self) -> None:
        """What is said of a message counts all of the connection that the fault has seen."""
        self.join("drop_message:probability=1", codec=Int32Codec)
        self.send(encode(b"one"))
        self.connection.change("drop_message_downstream", probability=0.99)
        self.send(encode(b"two"))
        self.assertEqual(self.struck(), ["message 1 dropped", "message 2 dropped"])

    def test_what_breaks_the_protocol_passes(self) -> None:
        """From there on nobody knows what a message is, and nothing is struck."""
        self.join("drop_message:probability=1", codec=HeaderCodec)
        self.send(b"\0\0\0\x02[]" + b"whatever")
        self.assertEqual(self.client.data[-8:], b"whatever")
        self.send(b" comes")
        self.assertEqual(self.client.data[-6:], b" comes")
