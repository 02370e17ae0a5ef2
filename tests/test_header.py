"""`HeaderProtocol` and `MessageProtocol`: messages both ways, streamed or whole, and never more than was said."""

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IConsumer
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.net.fakes import FakeTransport
from twisted_lab.header import HeaderProtocol, MessageProtocol
from twisted_lab.wire.errors import LocalProtocolError
from twisted_lab.wire.header import HeaderCodec, Message

DONE = Failure(ConnectionDone())


def encode(header: dict[str, Any], content: bytes = b"") -> bytes:
    """Give a message's bytes."""
    return HeaderCodec().encode(Message(header, content))


class Streamed(HeaderProtocol):
    """Note each event."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def headerReceived(self, header: dict[str, Any]) -> None:
        """Note it."""
        self.events.append(header)

    def contentReceived(self, data: bytes) -> None:
        """Note it."""
        self.events.append(data)

    def messageFinished(self) -> None:
        """Note in how many reads."""
        self.events.append(self.received_in)


class Producer:
    """Content under the test's control."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.calls: list[str] = []
        self.done: Deferred[None] = Deferred()

    def startProducing(self, consumer: IConsumer) -> "Deferred[None]":
        """Note the consumer."""
        self.consumer = consumer
        return self.done

    def pauseProducing(self) -> None:
        """Note it."""
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        """Note it."""
        self.calls.append("resume")

    def stopProducing(self) -> None:
        """Note it."""
        self.calls.append("stop")


class HeaderProtocolTests(SynchronousTestCase):
    """`HeaderProtocol`."""

    def setUp(self) -> None:
        """Connect."""
        self.protocol, self.transport = Streamed(), FakeTransport()
        self.protocol.makeConnection(self.transport)

    def assert_local_error(self, code: str, call: Any, *arguments: Any) -> None:
        """Assert that a call is refused with `code`, and sends nothing."""
        before = self.transport.value()
        self.assertEqual(self.assertRaises(LocalProtocolError, call, *arguments).code, code)
        self.assertEqual(self.transport.value(), before)

    def test_receive(self) -> None:
        """Header, content as it comes, end, and the number of reads it took."""
        stream = encode({"type": "t"}, b"content")
        self.protocol.dataReceived(stream[:-3])
        self.protocol.dataReceived(stream[-3:] + encode({"type": "u"}))
        self.assertEqual(self.protocol.events, [{"type": "t", "length": 7}, b"cont", b"ent", 2, {"type": "u"}, 1])

    def test_default_hooks(self) -> None:
        """A protocol that overrides nothing takes messages and does nothing with them."""
        protocol = HeaderProtocol()
        protocol.makeConnection(self.transport)
        protocol.dataReceived(encode({"type": "t"}, b"content"))
        self.assertEqual(self.transport.value(), b"")

    def test_pause_in_content(self) -> None:
        """Pausing in the middle of the content holds back the rest, and the next message."""
        self.protocol.dataReceived(encode({"type": "t"}, b"content")[:-3])
        self.protocol.pauseProducing()
        self.protocol.dataReceived(b"ent" + encode({"type": "u"}))
        self.assertEqual(self.protocol.events[1:], [b"cont"])
        self.protocol.resumeProducing()
        self.assertEqual(self.protocol.events[1:], [b"cont", b"ent", 2, {"type": "u"}, 1])

    def test_send(self) -> None:
        """A message of bytes goes out whole, its length set; the Deferred has fired."""
        self.successResultOf(self.protocol.sendMessage({"type": "t"}, b"content"))
        self.successResultOf(self.protocol.sendMessage({"type": "u"}))
        self.assertEqual(self.transport.value(), encode({"type": "t"}, b"content") + encode({"type": "u"}))

    def test_send_in_parts(self) -> None:
        """Header first, then the content it announced, piece by piece, and not a byte more."""
        self.protocol.sendHeader({"type": "t", "length": 7})
        self.protocol.sendContent(b"cont")
        self.assert_local_error("content-missing", self.protocol.sendHeader, {"type": "u"})
        self.assert_local_error("content-missing", self.protocol.sendMessage, {"type": "u"})
        self.assert_local_error("content-too-long", self.protocol.sendContent, b"ent!")
        self.protocol.sendContent(b"ent")
        self.protocol.sendHeader({"type": "u"})
        self.assertEqual(self.transport.value(), encode({"type": "t", "length": 7}, b"content") + encode({"type": "u"}))

    def test_invalid_headers_are_not_sent(self) -> None:
        """A header that the peer would refuse isn't sent, and spoils nothing for the next one."""
        self.assert_local_error("missing-type", self.protocol.sendHeader, {})
        self.assert_local_error("bad-length", self.protocol.sendHeader, {"type": "t", "length": "7"})
        self.assert_local_error("bad-length", self.protocol.sendMessage, {"type": "t", "length": 1}, b"two")
        self.assert_local_error("bad-length", self.protocol.sendMessage, {"type": "t"}, Producer(-1))
        self.protocol.sendHeader({"type": "t"})

    def test_send_error(self) -> None:
        """An error tells code and sentence, and the request's id if it had one."""
        self.protocol.sendError("no-such-thing", "There is no such thing.", {"type": "t", "id": 7})
        self.protocol.sendError("bad-day", "Today not.", {"type": "t"})
        codec = HeaderCodec()
        headers = [event.fields for event in codec.feed(self.transport.value())[::2]]  # type: ignore[union-attr]
        self.assertEqual(
            headers,
            [
                {"type": "error", "code": "no-such-thing", "message": "There is no such thing.", "id": 7},
                {"type": "error", "code": "bad-day", "message": "Today not."},
            ],
        )

    def test_send_from_a_producer(self) -> None:
        """Content from a producer goes out as it is made, paused and resumed by the transport; then others may send."""
        producer = Producer(7)
        sent = self.protocol.sendMessage({"type": "t"}, producer)
        self.assertTrue(self.transport.streaming)
        assert self.transport.producer is not None
        self.transport.producer.pauseProducing()
        self.transport.producer.resumeProducing()
        producer.consumer.write(b"cont")
        self.assert_local_error("content-missing", self.protocol.sendMessage, {"type": "u"})
        self.assertRaises(RuntimeError, producer.consumer.registerProducer, producer, True)
        producer.consumer.write(b"ent")
        self.assertNoResult(sent)
        producer.consumer.unregisterProducer()
        producer.done.callback(None)
        self.successResultOf(sent)
        self.assertEqual((producer.calls, self.transport.producer), (["pause", "resume"], None))
        self.assertEqual(self.transport.value(), encode({"type": "t"}, b"content"))

    def test_producer_of_too_little(self) -> None:
        """A producer that ends early fails the message, and the connection with it: the peer would wait for ever."""
        producer = Producer(7)
        sent = self.protocol.sendMessage({"type": "t"}, producer)
        producer.consumer.write(b"cont")
        producer.done.callback(None)
        self.assertEqual(self.failureResultOf(sent, LocalProtocolError).value.code, "content-too-short")
        self.assertTrue(self.transport.aborted)

    def test_producer_of_too_much(self) -> None:
        """A producer that doesn't end is stopped; what it wrote beyond its length isn't sent."""
        producer = Producer(4)
        sent = self.protocol.sendMessage({"type": "t"}, producer)
        producer.consumer.write(b"cont")
        producer.consumer.write(b"e")
        producer.done.callback(None)
        self.assertEqual(self.failureResultOf(sent, LocalProtocolError).value.code, "content-too-long")
        self.assertEqual((self.transport.aborted, producer.calls), (True, ["stop"]))
        self.assertTrue(self.transport.value().endswith(b"cont"))

    def test_producer_that_fails(self) -> None:
        """What the producer fails with is what the message fails with."""
        producer = Producer(7)
        sent = self.protocol.sendMessage({"type": "t"}, producer)
        producer.done.errback(ZeroDivisionError())
        self.failureResultOf(sent, ZeroDivisionError)
        self.assertTrue(self.transport.aborted)

    def test_lost_while_producing(self) -> None:
        """When the connection is lost the producer is stopped, and the sender told."""
        producer = Producer(7)
        sent = self.protocol.sendMessage({"type": "t"}, producer)
        assert self.transport.producer is not None
        self.transport.producer.stopProducing()
        self.failureResultOf(sent, ConnectionLost)
        self.assertEqual(producer.calls, ["stop"])

    def test_lost_before_producing(self) -> None:
        """On a connection that is lost already the producer is stopped, and what it writes goes nowhere."""
        producer = Producer(7)
        self.transport.registerProducer = lambda producer, _: producer.stopProducing()  # type: ignore[method-assign]
        self.failureResultOf(self.protocol.sendMessage({"type": "t"}, producer), ConnectionLost)
        self.assertEqual(producer.calls, ["stop"])
        before = self.transport.value()
        producer.consumer.write(b"content")
        self.assertEqual(self.transport.value(), before)

    def test_producer_that_ends_when_stopped(self) -> None:
        """A producer whose Deferred fires when it is stopped isn't taken for one that ended early."""
        producer = Producer(7)
        producer.stopProducing = lambda: producer.done.callback(None)  # type: ignore[method-assign]
        sent = self.protocol.sendMessage({"type": "t"}, producer)
        assert self.transport.producer is not None
        self.transport.producer.stopProducing()
        self.failureResultOf(sent, ConnectionLost)

    def test_producer_is_resumed_only_if_paused(self) -> None:
        """A resume that was meant for an earlier producer doesn't reach this one; nor a second pause."""
        producer = Producer(7)
        self.protocol.sendMessage({"type": "t"}, producer)
        assert self.transport.producer is not None
        self.transport.producer.resumeProducing()
        self.transport.producer.pauseProducing()
        self.transport.producer.pauseProducing()
        self.assertEqual(producer.calls, ["pause"])

    def test_producer_whose_length_disagrees(self) -> None:
        """A ``length`` that contradicts the producer's is refused."""
        self.assert_local_error("bad-length", self.protocol.sendMessage, {"type": "t", "length": 3}, Producer(7))

    def test_nothing_in_the_middle_of_content(self) -> None:
        """A bare string can't get into the middle of content either."""
        self.protocol.sendHeader({"type": "t", "length": 7})
        self.assert_local_error("content-missing", self.protocol.sendString, b'{"type":"u"}')

    def test_bytes_like_content(self) -> None:
        """Content may be any kind of bytes."""
        for content in (bytearray(b"content"), memoryview(b"content")):
            self.transport.clear()
            self.protocol.sendMessage({"type": "t"}, content)
            self.assertEqual(self.transport.value(), encode({"type": "t"}, b"content"))

    def test_cancel(self) -> None:
        """Cancelling stops the producer and aborts."""
        producer = Producer(7)
        sent = self.protocol.sendMessage({"type": "t"}, producer)
        sent.cancel()
        self.failureResultOf(sent, CancelledError)
        self.assertEqual((self.transport.aborted, producer.calls), (True, ["stop"]))


class Whole(MessageProtocol):
    """Note each message."""

    MAX_CONTENT = 10

    def __init__(self) -> None:
        self.messages: list[tuple[dict[str, Any], bytes]] = []

    def messageReceived(self, header: dict[str, Any], content: bytes) -> None:
        """Note it."""
        self.messages.append((header, content))


class MessageProtocolTests(SynchronousTestCase):
    """`MessageProtocol`."""

    def setUp(self) -> None:
        """Connect."""
        self.protocol, self.transport = Whole(), FakeTransport()
        self.protocol.makeConnection(self.transport)

    def test_whole_messages(self) -> None:
        """Header and content come together, however they were cut."""
        for byte in encode({"type": "t"}, b"0123456789") + encode({"type": "u"}):
            self.protocol.dataReceived(bytes([byte]))
        self.assertEqual(self.protocol.messages, [({"type": "t", "length": 10}, b"0123456789"), ({"type": "u"}, b"")])

    def test_limit_closes(self) -> None:
        """Content over the limit closes the connection as soon as it is announced."""
        self.protocol.dataReceived(encode({"type": "t"}, b"0123456789!")[:-11])
        self.assertTrue(self.transport.disconnecting)

    def test_limit_overridden(self) -> None:
        """An override may go on: the message is skipped, and the next one arrives."""
        refused: list[dict[str, Any]] = []
        self.protocol.contentLimitExceeded = refused.append  # type: ignore[assignment, method-assign]
        self.protocol.dataReceived(encode({"type": "t"}, b"0123456789!") + encode({"type": "u"}, b"!"))
        self.assertEqual(refused, [{"type": "t", "length": 11}])
        self.assertEqual(self.protocol.messages, [({"type": "u", "length": 1}, b"!")])

    def test_default_hook(self) -> None:
        """A protocol that overrides nothing takes messages and does nothing with them."""
        protocol = MessageProtocol()
        protocol.makeConnection(self.transport)
        protocol.dataReceived(encode({"type": "t"}, b"content"))
        self.assertEqual(self.transport.value(), b"")
