"""The header service and its client, and peers that know nothing but the wire format."""

import contextlib
import json
import socket
import struct
from io import BytesIO
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.endpoints import clientFromString, connectProtocol
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.protocols.basic import Int32StringReceiver
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import FileBodyProducer

from tests.net.fakes import FakeTransport
from tests.net.wires import WireTestCase, reactor, read_all, send_until_stuck
from tests.test_header import Producer, encode
from twisted_lab.header import MAX_CONTENT
from twisted_lab.header_service import HeaderClient, HeaderClientFactory, HeaderServerFactory
from twisted_lab.wire.errors import LocalProtocolError, RemoteProtocolError, TruncatedError
from twisted_lab.wire.header import Content, Header, HeaderCodec

DONE = Failure(ConnectionDone())


def decode(stream: bytes) -> list[tuple[dict[str, Any], bytes]]:
    """Give the messages in `stream`."""
    messages: list[tuple[dict[str, Any], bytes]] = []
    codec = HeaderCodec()
    for event in codec.feed(stream):
        match event:
            case Header(fields):
                messages.append((fields, b""))
            case Content(data):
                messages[-1] = (messages[-1][0], messages[-1][1] + data)
    codec.eof()
    return messages


class HeaderServerTests(SynchronousTestCase):
    """`HeaderServer`, without a network."""

    def setUp(self) -> None:
        """Connect."""
        self.clock = Clock()
        self.factory = HeaderServerFactory(self.clock)
        self.protocol, self.transport = self.connect()

    def connect(self) -> tuple[Any, FakeTransport]:
        """Give a connection and its transport."""
        protocol, transport = self.factory.buildProtocol(None), FakeTransport()
        assert protocol is not None
        protocol.makeConnection(transport)
        return protocol, transport

    def answers(self) -> list[tuple[dict[str, Any], bytes]]:
        """Give what was answered."""
        return decode(self.transport.value())

    def test_answer(self) -> None:
        """A message comes back with its type, content, id and kind of content, and in how many reads it came."""
        header = {"type": "t", "id": 7, "content-type": "text/plain", "content-encoding": "gzip", "x": 1}
        stream = encode(header, b"content")
        self.protocol.dataReceived(stream[:9])
        self.protocol.dataReceived(stream[9:])
        del header["x"]
        self.assertEqual(self.answers(), [({**header, "received-in": 2, "length": 7}, b"content")])
        self.assertEqual((self.protocol.bytes_in, self.protocol.bytes_out), (len(stream), len(self.transport.value())))

    def test_errors_are_not_answered(self) -> None:
        """An error isn't answered: two servers would answer each other for ever."""
        self.protocol.dataReceived(encode({"type": "error", "code": "x", "message": "y"}))
        self.assertEqual(self.answers(), [])

    def test_content_too_large(self) -> None:
        """Too much content is refused when it is announced, and skipped; then the next message is answered."""
        self.protocol.dataReceived(HeaderCodec().encode_header({"type": "t", "id": 7, "length": MAX_CONTENT + 1}))
        ((error, _),) = self.answers()
        self.assertEqual((error["type"], error["code"], error["id"]), ("error", "content-too-large", 7))
        self.protocol.dataReceived(b"x" * (MAX_CONTENT + 1) + encode({"type": "u"}))
        self.assertEqual(self.answers()[1:], [({"type": "u", "received-in": 1}, b"")])

    def test_malformed(self) -> None:
        """A malformed message is answered with its code, and is the last that is read; our side is shut."""
        self.protocol.dataReceived(encode({"type": "t"}) + b"\0\0\0\2[]" + encode({"type": "u"}))
        self.assertEqual([header["type"] for header, _ in self.answers()], ["t", "error"])
        self.assertEqual(self.answers()[1][0]["code"], "not-an-object")
        self.protocol.dataReceived(encode({"type": "u"}))
        self.assertEqual((len(self.answers()), self.transport.write_closed), (2, True))
        self.clock.advance(self.factory.close_timeout)
        self.assertTrue(self.transport.aborted)

    def test_half_close(self) -> None:
        """A peer that shuts its side after its messages gets its answers; then the connection closes."""
        self.protocol.dataReceived(encode({"type": "t"}))
        self.protocol.readConnectionLost()
        self.assertEqual([header["type"] for header, _ in self.answers()], ["t"])
        self.assertTrue(self.transport.disconnecting)

    def test_half_close_in_a_message(self) -> None:
        """A peer that shuts its side inside a message is told that it was truncated."""
        self.protocol.dataReceived(encode({"type": "t"}, b"content")[:-1])
        self.protocol.readConnectionLost()
        self.assertEqual([header["code"] for header, _ in self.answers()], ["truncated"])
        self.assertTrue(self.transport.disconnecting)

    def test_backpressure(self) -> None:
        """While the peer doesn't read, nothing is read or answered; then all of it is."""
        assert self.transport.producer is not None
        producer = self.transport.producer
        producer.pauseProducing()
        self.protocol.dataReceived(encode({"type": "t"}))
        self.assertEqual((self.answers(), self.transport.producerState), ([], "paused"))
        producer.resumeProducing()
        self.assertEqual((len(self.answers()), self.transport.producerState), (1, "producing"))

    def test_content_from_a_producer(self) -> None:
        """A service may answer from a producer: the next request waits until its content is out."""
        producer = Producer(7)
        answers = iter([producer, b"second"])
        self.protocol.messageReceived = lambda header, _: self.protocol.sendMessage(header, next(answers))
        self.protocol.dataReceived(encode({"type": "a"}) + encode({"type": "b"}))
        producer.consumer.write(b"content")
        self.assertEqual(self.answers(), [({"type": "a", "length": 7}, b"content")])
        producer.done.callback(None)
        self.assertEqual(self.answers()[1:], [({"type": "b", "length": 6}, b"second")])
        self.assertEqual(self.transport.producerState, "producing")
        self.transport.producer.pauseProducing()  # type: ignore[union-attr]
        self.assertEqual(self.transport.producerState, "paused")

    def test_a_pause_is_undone_for_itself(self) -> None:
        """A handler that pauses to answer later isn't resumed because the peer reads, or a producer ended."""
        assert self.transport.producer is not None
        self.protocol.messageReceived = lambda *_: self.protocol.pauseProducing()
        self.protocol.dataReceived(encode({"type": "a"}) + encode({"type": "b"}))
        self.transport.producer.pauseProducing()
        self.transport.producer.resumeProducing()
        producer = Producer(0)
        self.protocol.sendMessage({"type": "a"}, producer)
        producer.done.callback(None)
        self.assertEqual(self.transport.producerState, "paused")
        self.protocol.messageReceived = lambda *_: self.protocol.sendMessage({"type": "b"})
        self.protocol.resumeProducing()
        self.assertEqual([header["type"] for header, _ in self.answers()], ["a", "b"])
        self.assertEqual(self.transport.producerState, "producing")

    def test_stop_waits_for_a_handler(self) -> None:
        """A stop waits, within the grace period, for a handler that has paused to answer later."""
        self.protocol.messageReceived = lambda *_: self.protocol.pauseProducing()
        self.protocol.dataReceived(encode({"type": "a"}))
        ensureDeferred(self.factory.shutdown(5.0))
        self.assertFalse(self.transport.write_closed)
        self.protocol.sendMessage({"type": "a"})
        self.protocol.resumeProducing()
        self.assertTrue(self.transport.write_closed)

    def test_nothing_is_read_while_stopping(self) -> None:
        """What arrives after the last answer is dropped."""
        ensureDeferred(self.factory.shutdown(5.0))
        self.protocol.dataReceived(encode({"type": "a"}))
        self.assertEqual(self.answers(), [])

    def test_reply_too_long(self) -> None:
        """A header so long that its reply's would be too long is answered with an error."""
        self.protocol.dataReceived(encode({"type": "x" * 65510, "id": 1}))
        ((error, _),) = self.answers()
        self.assertEqual((error["code"], error["id"]), ("reply-too-long", 1))

    def test_errors_with_content(self) -> None:
        """An error isn't answered even if its content is too large."""
        header = {"type": "error", "code": "x", "message": "y", "length": MAX_CONTENT + 1}
        self.protocol.dataReceived(HeaderCodec().encode_header(header))
        self.assertEqual(self.answers(), [])

    def test_stop_while_producing(self) -> None:
        """A stop lets a producer finish its content."""
        producer = Producer(7)
        self.protocol.sendMessage({"type": "a"}, producer)
        ensureDeferred(self.factory.shutdown(5.0))
        producer.consumer.write(b"content")
        self.assertFalse(self.transport.aborted)
        producer.done.callback(None)
        self.assertEqual((self.transport.disconnecting, self.transport.producer), (True, None))
        self.assertEqual(self.answers(), [({"type": "a", "length": 7}, b"content")])

    def test_stop(self) -> None:
        """A stopping server closes idle connections at once, and answers what is arriving first."""
        stream = encode({"type": "t"}, b"content")
        self.protocol.dataReceived(stream + stream[:-1])
        _, idle = self.connect()
        ensureDeferred(self.factory.shutdown(5.0))
        self.assertEqual((idle.write_closed, self.transport.write_closed), (True, False))
        self.protocol.dataReceived(stream[-1:])
        self.assertEqual((len(self.answers()), self.transport.write_closed), (2, True))

    def test_stop_while_paused(self) -> None:
        """Messages that wait because the peer doesn't read are answered too before a stop."""
        assert self.transport.producer is not None
        producer = self.transport.producer
        producer.pauseProducing()
        self.protocol.dataReceived(encode({"type": "t"}) * 2)
        ensureDeferred(self.factory.shutdown(5.0))
        self.assertFalse(self.transport.write_closed)
        producer.resumeProducing()
        self.assertEqual((len(self.answers()), self.transport.write_closed), (2, True))

    def test_refusal(self) -> None:
        """A surplus connection gets an error with a code."""
        self.factory.max_connections = 1
        _, transport = self.connect()
        ((error, _),) = decode(transport.value())
        self.assertEqual((error["type"], error["code"]), ("error", "too-many-connections"))


class HeaderClientTests(SynchronousTestCase):
    """`HeaderClient`, without a network."""

    def setUp(self) -> None:
        """Connect."""
        client, self.transport = HeaderClientFactory().buildProtocol(None), FakeTransport()
        assert isinstance(client, HeaderClient)
        self.client = client
        self.client.makeConnection(self.transport)

    def ask(self, *message: Any) -> "Deferred[tuple[dict[str, Any], bytes]]":
        """Send a request."""
        return ensureDeferred(self.client.request(*message))

    def test_replies_in_order(self) -> None:
        """Each request gets its reply, in order; one that nobody asked for is dropped."""
        first, second = self.ask({"type": "a"}), self.ask({"type": "b"}, b"content")
        self.client.dataReceived(encode({"type": "a"}))
        self.assertEqual(self.successResultOf(first), ({"type": "a"}, b""))
        self.assertNoResult(second)
        self.client.dataReceived(encode({"type": "error", "code": "x"}) + encode({"type": "unasked"}))
        self.assertEqual(self.successResultOf(second)[0]["type"], "error")

    def test_lost(self) -> None:
        """Those who wait are told why no reply comes: the connection's end, or the truncated reply."""
        waiting = self.ask({"type": "a"})
        self.client.connectionLost(DONE)
        self.failureResultOf(waiting, ConnectionDone)
        self.setUp()
        waiting = self.ask({"type": "a"})
        self.client.dataReceived(encode({"type": "a"})[:-1])
        self.client.connectionLost(DONE)
        self.failureResultOf(waiting, TruncatedError)

    def test_lost_before(self) -> None:
        """A request on a connection that is over fails with what ended it."""
        self.client.connectionLost(DONE)
        self.failureResultOf(self.ask({"type": "a"}), ConnectionDone)

    def test_reply_too_large(self) -> None:
        """A reply whose content is over the limit fails its request with both numbers, and ends the connection."""
        waiting = self.ask({"type": "a"})
        self.client.dataReceived(HeaderCodec().encode_header({"type": "a", "length": MAX_CONTENT + 1}))
        error = self.failureResultOf(waiting, RemoteProtocolError).value
        self.assertEqual(error.code, "content-too-large")
        self.assertIn("1048577 bytes, the limit is 1048576", str(error))
        self.assertTrue(self.transport.aborted)

    def test_invalid(self) -> None:
        """A request that can't be sent is refused, and no reply is waited for."""
        self.failureResultOf(self.ask({}), LocalProtocolError)
        self.client.connectionLost(DONE)

    def test_producer_fails(self) -> None:
        """A request whose content fails, fails with that."""
        producer = Producer(7)
        waiting = self.ask({"type": "a"}, producer)
        producer.done.errback(ZeroDivisionError())
        self.failureResultOf(waiting, ZeroDivisionError)
        self.client.connectionLost(DONE)

    def test_early_reply(self) -> None:
        """A reply that comes before the content is sent is given at once; the rest isn't sent."""
        producer = Producer(7)
        waiting = self.ask({"type": "a"}, producer)
        self.client.dataReceived(encode({"type": "error", "code": "content-too-large"}))
        self.assertEqual(self.successResultOf(waiting)[0]["code"], "content-too-large")
        self.assertEqual((producer.calls, self.transport.aborted), (["stop"], True))


class StockPeer(Int32StringReceiver):
    """A plain Int32StringReceiver: all that it takes to talk to the service, while there is no content."""

    def __init__(self) -> None:
        self.strings: list[bytes] = []
        self.lost: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        """Send two headers, then end."""
        self.sendString(b'{"type": "one"}')
        self.sendString(b'{"type": "two"}')
        self.transport.loseWriteConnection()  # type: ignore[union-attr]

    def stringReceived(self, string: bytes) -> None:
        """Note an answer."""
        self.strings.append(string)

    def connectionLost(self, reason: object = None) -> None:
        """Fire `lost`."""
        self.lost.callback(None)


class HeaderServiceWireTests(WireTestCase):
    """The service on real sockets."""

    async def connect(self, protocol: Protocol) -> Any:
        """Connect `protocol` to a service."""
        port = await self.serve(HeaderServerFactory(reactor))
        return await connectProtocol(clientFromString(reactor, f"tcp:127.0.0.1:{port}"), protocol)

    async def test_peer_of_socket_and_struct(self) -> None:
        """A peer written from the page, with nothing but socket and struct, is understood and understands."""

        def receive(client: socket.socket, count: int) -> bytes:
            data = b""
            while len(data) < count:
                piece = client.recv(count - len(data))
                assert piece, "the stream ended"
                data += piece
            return data

        def send(client: socket.socket, header: bytes, content: bytes = b"") -> None:
            client.sendall(struct.pack("!I", len(header)) + header + content)

        def message(client: socket.socket) -> tuple[bytes, bytes]:
            (length,) = struct.unpack("!I", receive(client, 4))
            header = receive(client, length)
            _, _, rest = header.partition(b'"length":')
            return header, receive(client, int(rest.rstrip(b"}") or 0))

        def talk(client: socket.socket) -> list[tuple[bytes, bytes]]:
            send(client, b'{"type":"t","id":1}')
            answers = [message(client)]
            send(client, b' { "length" : 300000, "type" : "u" } ', b"x" * 300_000)
            answers.append(message(client))
            send(client, b"[1]")
            answers.append(message(client))
            assert read_all(client) == b""
            return answers

        port = await self.serve(HeaderServerFactory(reactor))
        first, (second, content), (error, _) = await self.as_client(port, talk)
        self.assertEqual(first, (b'{"type":"t","id":1,"received-in":1}', b""))
        self.assertRegex(second, rb'^{"type":"u","received-in":[0-9]+,"length":300000}$')
        self.assertEqual(content, b"x" * 300_000)
        self.assertEqual(error, b'{"type":"error","code":"not-an-object","message":"the header isn\'t a JSON object"}')

    async def test_stock_peer(self) -> None:
        """Twisted's own class is a peer."""
        peer = await self.connect(StockPeer())
        await peer.lost
        self.assertEqual([json.loads(string)["type"] for string in peer.strings], ["one", "two"])

    async def test_content_from_a_file(self) -> None:
        """Content from a twisted.web FileBodyProducer arrives, and requests may be sent ahead."""
        client = await self.connect(HeaderClient())
        content = bytes(range(256)) * 2**12
        first = ensureDeferred(client.request({"type": "t"}, FileBodyProducer(BytesIO(content))))
        self.assertEqual((await first)[1], content)
        waiting = [ensureDeferred(client.request({"type": "t", "id": number})) for number in range(100)]
        self.assertEqual([(await reply)[0]["id"] for reply in waiting], [*range(100)])
        client.transport.loseConnection()

    async def test_last_word_arrives(self) -> None:
        """A peer that goes on sending after its malformed message still reads the error: no reset overtakes it."""

        def talk(client: socket.socket) -> bytes:
            with contextlib.suppress(OSError):
                client.sendall(b"\xff\xff\xff\xff" + b"x" * 2**22)
                client.shutdown(socket.SHUT_WR)
            return read_all(client)

        port = await self.serve(HeaderServerFactory(reactor))
        ((error, _),) = decode(await self.as_client(port, talk))
        self.assertEqual(error["code"], "header-too-long")

    async def test_peer_that_never_reads(self) -> None:
        """A peer that asks and never reads is stopped within what the kernel buffers."""
        port = await self.serve(HeaderServerFactory(reactor))
        message, most = encode({"type": "t"}, b"x" * 2**16), 2**28
        sent = await self.as_client(port, lambda client: send_until_stuck(client, message, most))
        self.assertLess(sent, most)
