"""
`Int32Receiver` and `HeaderProtocol` against the seven faults of the stock `Int32StringReceiver`.

Each fault is one test, run on both of ours; `StockClassTests` runs the same tests on the stock class and
asserts that each of them fails there.
"""

import gc
import inspect
import json
import tracemalloc
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import connectionDone
from twisted.internet.testing import StringTransport
from twisted.protocols.basic import Int32StringReceiver, StringTooLongError
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.header import HeaderProtocol
from twisted_lab.net.int32 import Int32Receiver
from twisted_lab.wire.errors import RemoteProtocolError, TooLongError, TruncatedError
from twisted_lab.wire.int32 import PREFIX


def frame(word: str, filler: int = 0) -> bytes:
    """Give a message that every class here takes: an Int32 string with a header of type `word`."""
    string = json.dumps({"type": word, "filler": "x" * filler}).encode()
    return PREFIX.pack(len(string)) + string


class Recorder(Int32StringReceiver):
    """Note what is delivered; `on_word` is called with each word."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.too_long: list[int] = []
        self.reasons: list[BaseException | None] = []
        self.on_word: Callable[[str], object] = lambda _: None

    def stringReceived(self, string: bytes) -> None:
        """Note a string, as the stock class delivers it."""
        self.headerReceived(json.loads(string))

    def headerReceived(self, header: dict[str, Any]) -> None:
        """Note a header, as `HeaderProtocol` delivers it."""
        self.words.append(header["type"])
        self.on_word(header["type"])

    def lengthLimitExceeded(self, length: int) -> None:
        """Don't disconnect: this is allowed, and must not be fatal."""
        self.too_long.append(length)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note the reason, and don't call the base class's, as most protocols don't."""
        self.reasons.append(reason.value)


class Int32Recorder(Recorder, Int32Receiver):
    """Ours, for Int32 strings."""


class HeaderRecorder(Recorder, HeaderProtocol):
    """Ours, for the header protocol."""


class CountingBytes(bytes):
    """Bytes that count how much is copied when they are joined to what came before them."""

    copied = 0

    def __radd__(self, before: bytes) -> bytes:
        """Join, and count."""
        CountingBytes.copied += len(before) + len(self)
        return before + bytes(self)


# A mixin, so that no runner takes it for a test case by itself.
if TYPE_CHECKING:
    Mixin = SynchronousTestCase
else:
    Mixin = object


class SevenFaults(Mixin):
    """One test a fault."""

    recorder: type[Recorder]

    def connect(self) -> tuple[Recorder, StringTransport]:
        """Give a connected recorder and its transport."""
        recorder, transport = self.recorder(), StringTransport()
        recorder.makeConnection(transport)
        return recorder, transport

    def test_1_assembly_is_linear(self) -> None:
        """A message that comes in many pieces isn't joined anew with each of them."""
        recorder, _ = self.connect()
        stream = frame("a", 60_000)
        CountingBytes.copied = 0
        for start in range(0, len(stream), 100):
            recorder.dataReceived(CountingBytes(stream[start : start + 100]))
        self.assertEqual(recorder.words, ["a"])
        self.assertLess(CountingBytes.copied, 3 * len(stream))

    def test_2_limit_is_checked_on_send(self) -> None:
        """A string that the peer's limit forbids isn't sent."""
        recorder, transport = self.connect()
        recorder.sendString(b"x" * recorder.MAX_LENGTH)
        transport.clear()
        self.assertRaises(StringTooLongError, recorder.sendString, b"x" * (recorder.MAX_LENGTH + 1))
        self.assertEqual(transport.value(), b"")

    def test_3_nothing_grows_after_the_limit(self) -> None:
        """An override of lengthLimitExceeded that doesn't disconnect is called once, and memory stays."""
        recorder, _ = self.connect()
        recorder.dataReceived(b"\xff\xff\xff\xff")
        tracemalloc.start()
        try:
            for _ in range(50):
                recorder.dataReceived(b"x" * 65536)
            self.assertLess(tracemalloc.get_traced_memory()[0], 2**20)
        finally:
            tracemalloc.stop()
        self.assertEqual(recorder.too_long, [0xFFFFFFFF])

    def test_4_nothing_is_delivered_after_loseConnection(self) -> None:
        """What follows in the same read is dropped once the protocol has closed the connection."""
        recorder, transport = self.connect()
        recorder.on_word = lambda _: transport.loseConnection()
        recorder.dataReceived(frame("a") + frame("b"))
        self.assertEqual(recorder.words, ["a"])

    def test_5_resume_in_the_callback(self) -> None:
        """Pausing and resuming inside the callback delivers nothing twice, and in order."""
        recorder, _ = self.connect()

        def pause_and_resume(_: str) -> None:
            if len(recorder.words) < 10:  # the stock class would go on for ever
                recorder.pauseProducing()
                recorder.resumeProducing()

        recorder.on_word = pause_and_resume
        recorder.dataReceived(frame("a") + frame("b") + frame("c"))
        self.assertEqual(recorder.words, ["a", "b", "c"])

    def test_6_exception_in_the_callback(self) -> None:
        """A message whose callback raises isn't delivered again, and those after it aren't lost."""
        recorder, _ = self.connect()

        def fail(_: str) -> None:
            recorder.on_word = lambda _: None
            raise ZeroDivisionError

        recorder.on_word = fail
        self.assertRaises(ZeroDivisionError, recorder.dataReceived, frame("a") + frame("b"))
        recorder.dataReceived(frame("c"))
        self.assertEqual(recorder.words, ["a", "b", "c"])

    def test_7_truncation_is_reported(self) -> None:
        """A clean close in the middle of a message isn't reported as a clean close."""
        recorder, _ = self.connect()
        recorder.dataReceived(frame("a") + frame("b")[:-1])
        recorder.connectionLost(Failure(ConnectionDone()))
        self.assertIsInstance(recorder.reasons[0], TruncatedError)


class Int32ReceiverFaultTests(SevenFaults, SynchronousTestCase):
    """`Int32Receiver` has none of the faults."""

    recorder = Int32Recorder


class HeaderProtocolFaultTests(SevenFaults, SynchronousTestCase):
    """`HeaderProtocol` has none of the faults."""

    recorder = HeaderRecorder


class StockClassTests(SynchronousTestCase):
    """The stock class has every one of them: else the tests above show nothing."""

    def test_each_test_fails_on_the_stock_class(self) -> None:
        """Each of the seven tests fails on `Int32StringReceiver`."""

        class OnStock(SevenFaults, SynchronousTestCase):
            recorder = Recorder

        tests = [name for name in dir(OnStock) if name.startswith("test_")]
        self.assertEqual(len(tests), 7)
        for name in tests:
            with self.subTest(name):
                self.assertRaises(self.failureException, getattr(OnStock(name), name))


class Int32ReceiverTests(SynchronousTestCase):
    """`Int32Receiver`, apart from the faults; `HeaderProtocol` shares this code."""

    def setUp(self) -> None:
        """Connect."""
        self.transport = StringTransport()
        self.recorder = Int32Recorder()
        self.recorder.makeConnection(self.transport)

    def test_is_a_stock_class(self) -> None:
        """It takes the stock class's place: what asks with isinstance is content."""
        self.assertIsInstance(self.recorder, Int32StringReceiver)
        self.assertIsInstance(HeaderProtocol(), Int32StringReceiver)

    def test_talks_to_the_stock_class(self) -> None:
        """What it sends, the stock class receives, and the other way round."""
        stock, transport = Recorder(), StringTransport()
        stock.makeConnection(transport)
        self.recorder.sendString(b'{"type":"there"}')
        stock.dataReceived(self.transport.value())
        stock.sendString(b'{"type":"back"}')
        self.recorder.dataReceived(transport.value())
        self.assertEqual((stock.words, self.recorder.words), (["there"], ["back"]))

    def test_pause(self) -> None:
        """While paused nothing is delivered, and the transport reads nothing; later all of it is, in order."""
        self.recorder.on_word = lambda _: self.recorder.pauseProducing()
        self.recorder.dataReceived(frame("a") + frame("b") + frame("c"))
        self.assertEqual((self.recorder.words, self.transport.producerState), (["a"], "paused"))
        self.recorder.dataReceived(frame("d"))  # a TLS transport still has some
        self.assertFalse(self.recorder.is_idle())
        for _ in "bcd":
            self.recorder.resumeProducing()
        self.assertEqual((self.recorder.words, self.transport.producerState), ([*"abcd"], "paused"))
        self.recorder.resumeProducing()
        self.assertEqual(self.transport.producerState, "producing")
        self.assertTrue(self.recorder.is_idle())

    def test_resume_in_the_callback_is_not_recursive(self) -> None:
        """Pausing and resuming in each of many callbacks doesn't nest them."""
        depths = []

        def pause_and_resume(_: str) -> None:
            depths.append(len(inspect.stack(0)))
            self.recorder.pauseProducing()
            self.recorder.resumeProducing()

        self.recorder.on_word = pause_and_resume
        self.recorder.dataReceived(frame("a") * 20)
        self.assertEqual({*depths}, {depths[0]})

    def test_no_cycle_is_left(self) -> None:
        """A connection that ended is freed at once: nothing waits for the garbage collector."""
        recorder = Int32Recorder()
        recorder.makeConnection(StringTransport())
        recorder.dataReceived(frame("a"))
        freed = weakref.ref(recorder)
        gc.disable()
        self.addCleanup(gc.enable)
        recorder.connectionLost(Failure(ConnectionDone()))
        del recorder
        self.assertIs(freed(), None)

    def test_data_in_the_callback(self) -> None:
        """Data that arrives inside a callback are delivered after what was there already."""

        def feed_more(word: str) -> None:
            if word == "a":
                self.recorder.dataReceived(frame("c"))

        self.recorder.on_word = feed_more
        self.recorder.dataReceived(frame("a") + frame("b"))
        self.assertEqual(self.recorder.words, ["a", "b", "c"])

    def test_error_after_messages(self) -> None:
        """Messages before a fault are delivered, however long that takes; then the fault is reported, once."""
        errors: list[RemoteProtocolError] = []
        self.recorder.streamFailed = errors.append  # type: ignore[assignment, method-assign]
        self.recorder.on_word = lambda _: self.recorder.pauseProducing()
        self.recorder.dataReceived(frame("a") + b"\xff\xff\xff\xff")
        self.assertEqual((self.recorder.words, errors), (["a"], []))
        for _ in range(2):
            self.recorder.resumeProducing()
            self.recorder.dataReceived(frame("b"))
        self.assertEqual([type(error) for error in errors], [TooLongError])
        self.assertEqual(self.recorder.words, ["a"])

    def test_limit_disconnects(self) -> None:
        """Without an override, a length over the limit closes the connection, and connectionLost says why."""
        recorder = Int32Receiver()
        recorder.makeConnection(self.transport)
        recorder.dataReceived(b"\xff\xff\xff\xff")
        self.assertTrue(self.transport.disconnecting)

    def test_the_error_is_the_reason(self) -> None:
        """When the connection was closed for an error, connectionLost gets that error."""
        self.recorder.dataReceived(b"\xff\xff\xff\xff")
        self.transport.loseConnection()
        self.recorder.connectionLost(Failure(ConnectionDone()))
        self.assertIsInstance(self.recorder.reasons[0], TooLongError)

    def test_our_own_close_truncates_nothing(self) -> None:
        """Closing in the middle of what the peer sends isn't the peer's fault."""
        self.recorder.dataReceived(frame("a")[:-1])
        self.transport.loseConnection()
        self.recorder.connectionLost(Failure(ConnectionDone()))
        self.assertIsInstance(self.recorder.reasons[0], ConnectionDone)

    def test_other_reasons_pass(self) -> None:
        """A connection that broke says so, in the middle of a message too; one closed between two is closed."""
        self.recorder.dataReceived(frame("a")[:-1])
        self.recorder.connectionLost(Failure(ConnectionLost()))
        clean = Int32Recorder()
        clean.makeConnection(StringTransport())
        clean.dataReceived(frame("a"))
        clean.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(
            [type(reason) for reason in self.recorder.reasons + clean.reasons], [ConnectionLost, ConnectionDone]
        )

    def test_nothing_after_the_end(self) -> None:
        """What was waiting when the connection was lost is reported as lost, and not delivered by a late resume."""
        self.recorder.on_word = lambda _: self.recorder.pauseProducing()
        self.recorder.dataReceived(frame("a") + frame("b"))
        self.recorder.connectionLost(Failure(ConnectionDone()))
        self.assertIsInstance(self.recorder.reasons[0], TruncatedError)
        self.recorder.resumeProducing()
        self.assertEqual(self.recorder.words, ["a"])

    def test_data_after_closing(self) -> None:
        """Data that still come in after loseConnection are dropped, not kept."""
        self.transport.loseConnection()
        self.recorder.dataReceived(frame("a"))
        self.assertEqual(self.recorder.words, [])
