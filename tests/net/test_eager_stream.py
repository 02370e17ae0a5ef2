"""The eager reactor's transports on real sockets: what they send, when, and what they do when they can't."""

import random
import socket
import tracemalloc
from collections.abc import Callable
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.interfaces import IHalfCloseableProtocol, IPullProducer, IPushProducer
from zope.interface import implementer

from tests.net.reactors import RESET, Noting, ReactorTestCase, noise
from twisted_lab.net.eager import EagerReactor

SLOW = 2**16  # a receive buffer, in bytes
MUCH = 2**24  # more bytes than the kernel takes


class Watched:
    """A socket that notes how long each send was."""

    def __init__(self, watched: socket.socket) -> None:
        self.watched = watched
        self.sends: list[int] = []

    def send(self, data: bytes) -> int:
        """Note it."""
        self.sends.append(len(data))
        return self.watched.send(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.watched, name)


class Sipping(Watched):
    """A socket that takes at most 1000 bytes at a time."""

    def send(self, data: bytes) -> int:
        """Take them."""
        return super().send(data[:1000])


@implementer(IHalfCloseableProtocol)
class HalfClosing(Noting):
    """Notes half-closes too."""

    def readConnectionLost(self) -> None:
        """Note it."""
        self.happened.append("read lost")

    def writeConnectionLost(self) -> None:
        """Note it."""
        self.happened.append("write lost")


@implementer(IPushProducer, IPullProducer)
class Producer:
    """Notes what a transport asks of it; `more` is called when it is to resume."""

    def __init__(self, more: Callable[[], object] = lambda: None) -> None:
        self.asked: list[str] = []
        self.more = more

    def pauseProducing(self) -> None:
        """Note it."""
        self.asked.append("pause")

    def resumeProducing(self) -> None:
        """Note it, and produce."""
        self.asked.append("resume")
        self.more()

    def stopProducing(self) -> None:
        """Note it."""
        self.asked.append("stop")


class SendingTests(ReactorTestCase):
    """`EagerStream` with a peer that reads."""

    def test_answer_is_sent_without_epoll(self) -> None:
        """An answer goes out before the reactor waits again, and epoll isn't asked when the socket takes bytes."""
        server, client = self.pair()
        server.received = server.wire.write
        asked: list[object] = []
        self.patch(self.reactor, "addWriter", asked.append)
        for _ in range(100):
            client.send(b"hello")
            self.assertEqual(self.read(client, 5), b"hello")
        self.assertEqual(asked, [])

    def test_writes_of_one_callback_leave_in_one_send(self) -> None:
        """A header and its body aren't two packets, the second of which Nagle's algorithm would hold back."""
        server, client = self.pair()
        server.wire.socket = watched = Watched(server.wire.socket)

        def answer(data: bytes) -> None:
            server.wire.write(b"header ")
            server.wire.writeSequence([b"and ", b"", b"body "])
            server.wire.write(data)

        server.received = answer
        for _ in range(3):
            client.send(b"sent")
            self.assertEqual(self.read(client, 20), b"header and body sent")
        self.assertEqual(watched.sends, [20, 20, 20])

    def test_timed_calls_and_connections_of_others(self) -> None:
        """What a timer writes, and what one connection's protocol writes to another's, goes out as well."""
        first, _ = self.pair()
        second, client = self.pair()
        for _ in range(2):
            self.reactor.callLater(0, second.wire.write, b"timer")
            self.assertEqual(self.read(client, 5), b"timer")
        first.received = second.wire.write
        for _ in range(2):
            first.dataReceived(b"other")
            self.assertEqual(self.read(client, 5), b"other")

    def test_order_with_a_slow_reader(self) -> None:
        """Whatever is written, and however slowly it is read, the bytes are those of Twisted's reactor, in order."""
        dice = random.Random(4)  # noqa: S311
        sizes = [dice.choice([0, 1, 64, 5000, 70_000, 400_000]) for _ in range(120)]
        pieces = noise(1, sizes)
        for kind in (EagerReactor, EPollReactor):
            self.use(kind)
            server, client = self.pair(buffer=SLOW)
            got = b""
            for number, piece in enumerate(pieces):
                if number % 3:
                    server.wire.write(piece)
                else:
                    server.wire.writeSequence([piece[:9], piece[9:]])
                if number % 4 == 0:
                    self.turn(1)
                if number % 5 == 0 and sum(sizes[:number]) - len(got) > 10**6:
                    got += self.read(client, 300_000, piece=dice.choice([3000, 60_000]))
            server.wire.loseConnection()
            self.assertEqual(got + self.read(client, sum(sizes) + 1), b"".join(pieces))
            self.spin(server.happened.__len__)
            self.assertEqual(server.happened, ["ConnectionDone"])

    def test_order_with_a_reader_that_nearly_keeps_up(self) -> None:
        """Writes that the kernel takes in part, with others after them, arrive whole and in order."""
        dice = random.Random(5)  # noqa: S311
        pieces = noise(2, [dice.randrange(1, 2**16) for _ in range(1500)])
        server, client = self.pair(buffer=SLOW)
        got = bytearray()
        for number, piece in enumerate(pieces):
            server.wire.write(piece)
            if number % 7 < 5:
                self.turn(1)
            waiting = sum(map(len, pieces[: number + 1])) - len(got)
            if waiting > 6 * 10**6:
                got += self.read(client, dice.randrange(1, waiting))
        server.wire.loseConnection()
        got += self.read(client, 10**9)
        self.assertTrue(got == b"".join(pieces))

    def test_large_and_small_writes_of_one_callback(self) -> None:
        """A small write goes out after a large one before it."""
        server, client = self.pair()
        server.wire.write(b"a" * 70_000)
        server.wire.write(b"b")
        self.assertEqual(self.read(client, 70_001), b"a" * 70_000 + b"b")

    def test_left_over_bytes_are_not_copied(self) -> None:
        """While 64 MiB go out bit by bit they stay the object that was written; pieces are joined as they go."""
        server, client = self.pair(buffer=SLOW)
        whole = bytes(2**26)
        server.wire.write(whole)
        self.turn(1)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        left = len(whole)
        while left:
            self.assertTrue(server.wire.dataBuffer is whole or not server.wire.dataBuffer, "it was copied")
            left -= len(self.read(client, min(left, 2**22)))
        self.assertLess(tracemalloc.get_traced_memory()[1], len(whole) // 4)
        tracemalloc.stop()
        pieces = [bytes(1000)] * 64_000
        server.wire.writeSequence(pieces)
        self.turn(1)
        longest = 0
        for _ in range(64):
            longest = max(longest, len(server.wire.dataBuffer))
            self.assertEqual(len(self.read(client, 10**6)), 10**6)
        self.assertLess(longest, server.wire.SEND_LIMIT + 1000)

    def test_left_over_bytes_are_not_joined_again(self) -> None:
        """Writes that come while a buffer goes out in small sends don't have it copied."""
        server, client = self.pair()
        server.wire.socket = Sipping(server.wire.socket)
        server.wire.write(b"a" * 50_000)
        self.turn(1)
        buffer = server.wire.dataBuffer
        for _ in range(20):
            server.wire.write(b"b")
            self.turn(1)
            self.assertIs(server.wire.dataBuffer, buffer)
        self.assertEqual(self.read(client, 50_020), b"a" * 50_000 + b"b" * 20)

    def test_what_is_no_bytes_is_refused(self) -> None:
        """As in Twisted, only bytes are written."""
        server, client = self.pair()
        for wrong in ("text", bytearray(b"array"), memoryview(b"view"), None, 7):
            self.assertRaises(TypeError, server.wire.write, wrong)
            self.assertRaises(TypeError, server.wire.writeSequence, [b"good", wrong])
        server.wire.write(b"good")
        self.assertEqual(self.read(client, 4), b"good")

    def test_reactor_run_from_within(self) -> None:
        """A callback that writes, and runs the reactor until the answer is there, gets it."""
        server, client = self.pair()

        def ask(_: bytes) -> None:
            server.received = lambda _: None
            server.wire.write(b"question")
            self.assertEqual(self.read(client, 8), b"question")

        server.received = ask
        client.send(b"go")
        self.spin(lambda: server.happened)
        server.received = server.wire.write
        client.send(b"and on")
        self.assertEqual(self.read(client, 6), b"and on")


class ProducerTests(ReactorTestCase):
    """Producers are asked for the same as with Twisted's reactor."""

    def test_push(self) -> None:
        """It is paused by the write that makes more than `bufferSize` bytes wait, and resumed when all have gone."""

        def scenario() -> list[str]:
            server, client = self.pair()
            producer = Producer()
            server.wire.registerProducer(producer, True)
            for count in (1, 65, 66, 67, 200):
                for _ in range(count):
                    server.wire.write(bytes(1000))
                producer.asked.append(str(count))
                self.assertEqual(len(self.read(client, count * 1000)), count * 1000)
                self.turn()
            client.close()
            self.spin(lambda: server.happened)
            return producer.asked[:5]

        self.assertEqual(self.both(scenario), [["1", "65", "pause", "66", "resume"]] * 2)

    def test_push_with_a_slow_reader(self) -> None:
        """A producer that writes until it is paused is held while the peer doesn't read, and loses nothing."""
        server, client = self.pair(buffer=SLOW)
        written: list[bytes] = []

        def more() -> None:
            while producer.asked[-1] == "resume" and len(written) < 3000:
                written.append(bytes([len(written) % 251]) * 4000)
                server.wire.write(written[-1])

        producer = Producer(more)
        server.wire.registerProducer(producer, True)
        producer.resumeProducing()
        self.turn(50)
        self.assertEqual(producer.asked[-1], "pause")
        self.assertLess(len(written), 3000)
        waiting = len(server.wire.dataBuffer) - server.wire.offset + server.wire._tempDataLen
        self.assertLess(waiting, server.wire.bufferSize + 4001)
        self.assertEqual(self.read(client, 12_000_000), b"".join(written))

    def test_pull(self) -> None:
        """It is asked once for each write, and when it has finished the connection can be closed."""

        def scenario() -> list[str]:
            server, client = self.pair()

            def more() -> None:
                server.wire.write(bytes(70_000))
                if len(producer.asked) == 20:
                    server.wire.unregisterProducer()
                    server.wire.loseConnection()

            producer = Producer(more)
            server.wire.registerProducer(producer, False)
            self.assertEqual(len(self.read(client, 10**7)), 20 * 70_000)
            return producer.asked

        self.assertEqual(self.both(scenario), [["resume"] * 20] * 2)

    def test_pull_that_has_nothing_yet(self) -> None:
        """One that doesn't write when it is asked isn't asked again and again; its later write goes out."""
        server, client = self.pair()
        server.wire.write(b"before ")
        producer = Producer()
        server.wire.registerProducer(producer, False)
        self.assertEqual(self.read(client, 7), b"before ")
        self.turn(20)
        self.assertEqual(producer.asked, ["resume", "resume"])
        server.wire.write(b"after")
        self.assertEqual(self.read(client, 5), b"after")
        self.spin(lambda: len(producer.asked) == 3)

    def test_producer_of_a_closed_connection(self) -> None:
        """One that is registered after the end is stopped at once."""
        server, client = self.pair()
        client.close()
        self.spin(lambda: server.happened)
        producer = Producer()
        server.wire.registerProducer(producer, True)
        self.assertEqual(producer.asked, ["stop"])


class ClosingTests(ReactorTestCase):
    """Closing, aborting and losing a connection are those of Twisted's reactor."""

    def test_lose_connection_sends_all_first(self) -> None:
        """What was written before it, even after it, goes out; then the stream ends, and never within the call."""

        def scenario() -> object:
            server, client = self.pair()

            def end(_: bytes) -> None:
                server.wire.write(b"one ")
                server.wire.loseConnection()
                server.wire.write(b"two")
                server.happened.append("said so")

            server.received = end
            client.send(b"end")
            return self.read(client, 100), server.happened

        stock, ours = self.both(scenario)
        self.assertEqual(stock, ours)
        self.assertEqual(ours, (b"one two", [3, "said so", "ConnectionDone"]))

    def test_half_closes(self) -> None:
        """Each side is shut by itself, after what was written, and the other goes on."""

        def scenario() -> object:
            server, client = self.pair(HalfClosing)
            server.wire.write(b"last")
            server.wire.loseWriteConnection()
            got = self.read(client, 100)
            server.wire.write(b"dropped")
            client.send(b"still read")
            self.spin(lambda: 10 in server.happened)
            client.shutdown(socket.SHUT_WR)
            self.spin(lambda: "read lost" in server.happened)
            server.wire.loseConnection()
            return got, server.happened

        stock, ours = self.both(scenario)
        self.assertEqual(stock, ours)
        self.assertEqual(ours, (b"last", ["write lost", 10, "read lost", "ConnectionDone"]))

    def test_peer_shuts_its_side_first(self) -> None:
        """The protocol is told so, and may go on writing."""
        server, client = self.pair(HalfClosing)
        client.shutdown(socket.SHUT_WR)
        self.spin(server.happened.__len__)
        self.assertEqual(server.happened, ["read lost"])
        server.wire.write(b"still here")
        server.wire.loseConnection()
        self.assertEqual(self.read(client, 100), b"still here")

    def test_peer_that_shuts_its_side_gets_the_rest(self) -> None:
        """After the peer's half-close a long answer still goes out whole."""
        server, client = self.pair(HalfClosing, buffer=SLOW)
        server.received = lambda _: server.wire.write(bytes(MUCH))
        client.send(b"all")
        client.shutdown(socket.SHUT_WR)
        self.spin(lambda: "read lost" in server.happened)
        server.wire.loseConnection()
        self.assertEqual(len(self.read(client, MUCH + 1)), MUCH)

    def test_abort(self) -> None:
        """It drops what waits, what was written in the same callback too, and resets the connection."""
        for size in (10, MUCH):

            def scenario(size: int = size) -> object:
                server, client = self.pair()

                def stop(_: bytes) -> None:
                    server.wire.write(bytes(size))
                    server.wire.abortConnection()
                    server.wire.write(b"more")

                server.received = stop
                client.send(b"stop")
                self.spin(lambda: len(server.happened) > 1)
                self.assertRaises(ConnectionResetError, client.recv, 1)
                return server.happened

            self.assertEqual(self.both(scenario), [[4, "ConnectionAborted"]] * 2)

    def test_abort_with_bytes_that_wait(self) -> None:
        """They are never sent."""
        server, client = self.pair(buffer=SLOW)
        server.wire.write(bytes(MUCH))
        self.turn()
        server.wire.abortConnection()
        self.spin(lambda: server.happened)
        with self.assertRaises(ConnectionResetError):
            self.read(client, MUCH)

    def test_writing_after_the_end(self) -> None:
        """It does nothing, as with Twisted's reactor."""

        def scenario() -> object:
            server, client = self.pair()
            client.close()
            self.spin(lambda: server.happened)
            server.wire.write(b"late")
            server.wire.writeSequence([b"late"])
            server.wire.loseConnection()
            server.wire.abortConnection()
            self.turn()
            return server.happened

        self.assertEqual(self.both(scenario), [["ConnectionDone"]] * 2)

    def test_error_of_a_send_shows_later(self) -> None:
        """A write to a peer that has reset the connection returns; it is lost later, for the same reason."""
        for resets in (1, 2):

            def scenario(resets: int = resets) -> object:
                server, client = self.pair()
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                client.close()
                for number in range(resets):
                    server.wire.write(b"in vain")
                    server.happened.append(f"written {number}")
                self.spin(lambda: len(server.happened) > resets)
                return server.happened

            stock, ours = self.both(scenario)
            self.assertEqual(stock, ours)
            self.assertEqual(ours, [f"written {number}" for number in range(resets)] + ["ConnectionLost"])

    def test_bytes_before_a_reset_are_delivered(self) -> None:
        """What the peer sent before it reset the connection is read, though a write fails first."""

        def scenario() -> object:
            server, client = self.pair()
            client.send(b"last words")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.close()
            server.wire.write(b"in vain")
            self.spin(lambda: len(server.happened) > 1)
            return server.happened

        stock, ours = self.both(scenario)
        self.assertEqual(stock, ours)
