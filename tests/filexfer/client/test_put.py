"""A client's put, part by part, with everything that can come between."""

import io
import os
from collections.abc import Callable
from typing import Any
from unittest import mock

from twisted.internet.defer import CancelledError, Deferred, execute
from twisted.internet.error import ConnectionLost

from tests.descriptors import descriptors, opened_since
from tests.filexfer.client.fake_server import ClientTestCase, digest_of
from twisted_lab.filexfer.client import put
from twisted_lab.filexfer.conditions import Condition, Durability
from twisted_lab.filexfer.errors import (
    DigestMismatchError,
    DisconnectedError,
    InputOutputError,
    IsDirectoryError,
    NoSpaceError,
    NotFoundError,
    NotRegularFileError,
    SourceChangedError,
)
from twisted_lab.wire.errors import RemoteProtocolError

PIECE = 4


class SlowReading:
    """Threads in which what isn't reading is done at once, and reading when the test says so."""

    def __init__(self) -> None:
        self.under_way: list[tuple[Deferred[Any], Callable[[], Any]]] = []

    def __call__(self, function: Any, *arguments: Any) -> "Deferred[Any]":
        """Call it, sooner or later."""
        if function.__name__ != "read":
            return execute(function, *arguments)
        done: Deferred[Any] = Deferred()
        self.under_way.append((done, lambda: function(*arguments)))
        return done


class Recorder:
    """A watch that notes what it is told; with a gate, it lets pieces pass one by one."""

    def __init__(self, gate: "Deferred[None] | None" = None) -> None:
        self.told: list[tuple[str, int]] = []
        self.gate = gate

    def resumed(self, count: int) -> None:
        """Note it."""
        self.told.append(("resumed", count))

    def moved(self, count: int) -> None:
        """Note it."""
        self.told.append(("moved", count))

    async def allow(self, count: int) -> None:
        """Wait at the gate."""
        if self.gate is not None:
            gate, self.gate = self.gate, None
            await gate


class PutTestCase(ClientTestCase):
    """Put a file of ten bytes in pieces of four."""

    content = b"0123456789"

    def setUp(self) -> None:
        """Write the file."""
        super().setUp()
        self.patch(put, "PIECE", PIECE)
        self.patch(put, "NOT_WORTH_ASKING", 0)
        self.source = self.temporary() / "x"
        self.source.write_bytes(self.content)
        os.utime(self.source, ns=(1_000_000_002, 1_000_000_002))
        self.source.chmod(0o640)

    def putting(self, source: Any = None, **options: Any) -> "Deferred[Any]":
        """Begin to put it."""
        options = {"resume": False, **options}
        return self.asking(self.files.put(self.source if source is None else source, "in/x", **options))

    def ok(self, identity: int, content: bytes | None = None) -> None:
        """Say that it is published."""
        content = self.content if content is None else content
        facts = {"digest": digest_of(content), "size": len(content), "etag": "e2", "durability": "file"}
        self.server.say({"type": "ok", "id": identity, **facts})

    def goes_on(self) -> None:
        """See that the connection can still be used."""
        asking = self.asking(self.files.ping())
        self.server.say({"type": "ping", "id": self.taken()["id"]})
        self.successResultOf(asking)


class PutTests(PutTestCase):
    """A file, from the first byte on."""

    def test_whole(self) -> None:
        """Facts, parts and digest are sent; the receipt is the server's."""
        watch = Recorder()
        putting = self.putting(condition=Condition(absent=True), durability=Durability.FILE, watch=watch)
        (first, _), *parts, (last, _) = self.server.take()
        identity = first["id"]
        expected = {
            "type": "put",
            "id": identity,
            "path": "in/x",
            "size": 10,
            "offset": 0,
            "length": 0,
            "mtime": [1, 2],
            "mode": 0o640,
            "if": "absent",
            "durability": "file",
        }
        self.assertEqual(first, expected)
        self.assertEqual([content for _, content in parts], [b"0123", b"4567", b"89"])
        self.assertEqual({header["type"] for header, _ in parts}, {"part"})
        self.assertEqual(last, {"type": "digest", "id": identity, "digest": digest_of(self.content)})
        self.assertNoResult(putting)
        self.ok(identity)
        receipt = self.successResultOf(putting)
        self.assertEqual((receipt.path, receipt.etag, receipt.durability), ("in/x", "e2", Durability.FILE))
        self.assertEqual(watch.told, [("moved", 4), ("moved", 4), ("moved", 2)])

    def test_empty(self) -> None:
        """An empty file has no parts."""
        self.source.write_bytes(b"")
        putting = self.putting()
        first, last = self.server.take_headers()
        self.assertEqual((first["size"], last["digest"]), (0, digest_of(b"")))
        self.ok(first["id"], b"")
        self.successResultOf(putting)

    def test_own_facts(self) -> None:
        """Time and mode are what the caller says, if it does."""
        self.putting(mtime_ns=3, mode=0o600)
        header = self.server.take_headers()[0]
        self.assertEqual((header["mtime"], header["mode"]), ([0, 3], 0o600))

    def test_bad_sources(self) -> None:
        """What isn't there, or is no regular file, is said before anything is sent."""
        fifo = self.temporary() / "fifo"
        os.mkfifo(fifo)
        for source, kind in (
            (self.source.with_name("gone"), NotFoundError),
            (str(self.source.parent), IsDirectoryError),
            (fifo, NotRegularFileError),
        ):
            self.refused(self.putting(source), kind)
        self.assertEqual(self.server.take(), [])

    def test_source_changed(self) -> None:
        """A file that was written to while it was sent is abandoned; the connection goes on."""
        gate: Deferred[None] = Deferred()
        putting = self.putting(watch=Recorder(gate))
        self.source.write_bytes(b"0123456780")
        os.utime(self.source, ns=(7, 7))
        gate.callback(None)
        self.refused(putting, SourceChangedError)
        types = self.server.take_types()
        self.assertEqual((types[0], types[-1]), ("put", "abandon"))
        self.goes_on()

    def test_source_became_shorter(self) -> None:
        """So is one that lost bytes that weren't read yet: no part is announced that can't be sent."""
        gate: Deferred[None] = Deferred()
        putting = self.putting(watch=Recorder(gate))
        os.truncate(self.source, 5)
        gate.callback(None)
        self.refused(putting, SourceChangedError)
        self.assertEqual(self.server.take_types()[-1], "abandon")
        self.goes_on()

    def test_an_error_that_crosses_the_abandon(self) -> None:
        """An error for a put that was abandoned meanwhile is nobody else's reply."""
        gate: Deferred[None] = Deferred()
        putting = self.putting(watch=Recorder(gate))
        os.truncate(self.source, 5)
        gate.callback(None)
        self.refused(putting, SourceChangedError)
        identity = self.server.take_headers()[0]["id"]
        asking = self.asking(self.files.ping())
        self.server.say({"type": "error", "id": identity, "code": "no-space", "message": "full"})
        self.assertNoResult(asking)
        self.server.say({"type": "ping", "id": self.taken()["id"]})
        self.successResultOf(asking)

    def test_early_error(self) -> None:
        """An error that comes early stops the sending after the part (localsend#2440), and the connection goes on."""
        gate: Deferred[None] = Deferred()
        putting = self.putting(watch=Recorder(gate))
        (header,) = self.server.take_headers()
        self.server.say({"type": "error", "id": header["id"], "code": "no-space", "message": "full"})
        gate.callback(None)
        self.refused(putting, NoSpaceError)
        self.assertEqual(self.server.take_types(), ["abandon"])
        self.goes_on()

    def test_late_error(self) -> None:
        """An error after the digest is the answer."""
        putting = self.putting()
        identity = self.server.take_headers()[0]["id"]
        self.server.say({"type": "error", "id": identity, "code": "digest-mismatch", "message": "other bytes"})
        self.refused(putting, DigestMismatchError)
        self.goes_on()

    def test_ok_too_early(self) -> None:
        """A server that is content before it has everything isn't believed."""
        gate: Deferred[None] = Deferred()
        putting = self.putting(watch=Recorder(gate))
        self.ok(self.taken()["id"])
        gate.callback(None)
        self.refused(putting, RemoteProtocolError)
        self.assertTrue(self.server.transport.aborted)

    def test_receipt_for_something_else(self) -> None:
        """Nor is one that has other bytes, or another number of them."""
        putting = self.putting()
        self.ok(self.server.take_headers()[0]["id"], b"0123456780")
        self.refused(putting, RemoteProtocolError)

    def test_others_meanwhile(self) -> None:
        """Other requests wait until the put is sent, not until it is answered; none comes in between."""
        gate: Deferred[None] = Deferred()
        putting = self.putting(watch=Recorder(gate))
        asking = self.asking(self.files.ping())
        gate.callback(None)
        headers = self.server.take_headers()
        self.assertEqual([header["type"] for header in headers], ["put", "part", "part", "part", "digest", "ping"])
        self.ok(headers[0]["id"])
        self.server.say({"type": "ping", "id": headers[-1]["id"]})
        self.successResultOf(putting)
        self.successResultOf(asking)

    def test_backpressure(self) -> None:
        """While the server takes nothing, nothing more is read and sent."""
        producer = self.server.transport.producer
        assert producer is not None
        producer.pauseProducing()
        putting = self.putting()
        self.assertEqual(self.server.take(), [])
        producer.resumeProducing()
        headers = self.server.take_headers()
        self.assertEqual(len(headers), 5)
        self.ok(headers[0]["id"])
        self.successResultOf(putting)

    def test_signs_of_life(self) -> None:
        """While the source or the watch lets it wait, a part without content is sent now and then."""
        gate: Deferred[None] = Deferred()
        putting = self.putting(watch=Recorder(gate))
        identity = self.taken()["id"]
        self.server.clock.pump([50.0] * 8)
        parts = self.server.take_headers()
        self.assertGreater(len(parts), 4)
        self.assertEqual(parts[0], {"type": "part", "id": identity, "length": 0})
        self.assertIsNone(self.files.lost, "the server had nothing to say")
        gate.callback(None)
        self.ok(identity)
        self.successResultOf(putting)

    def test_signs_of_life_after_it(self) -> None:
        """Once it is sent, a ping is the sign of life again, while the server publishes."""
        putting = self.putting()
        identity = self.server.take_headers()[0]["id"]
        self.server.clock.pump([50.0] * 3)
        self.assertEqual(self.server.take_types(), ["ping"])
        self.ok(identity)
        self.successResultOf(putting)

    def test_last_word(self) -> None:
        """What the server said before it went says more than that it went."""
        gate: Deferred[None] = Deferred()
        putting = self.putting(watch=Recorder(gate))
        identity = self.taken()["id"]
        producer = self.server.transport.producer
        assert producer is not None
        producer.pauseProducing()
        gate.callback(None)
        self.server.say({"type": "error", "id": identity, "code": "no-space", "message": "full"})
        self.server.lose(ConnectionLost())
        self.refused(putting, NoSpaceError)

    def test_lost(self) -> None:
        """A connection that is lost ends it, whether it waits to send or to hear."""
        gate: Deferred[None] = Deferred()
        putting, after = self.putting(watch=Recorder(gate)), self.putting()
        self.server.lose(ConnectionLost())
        gate.callback(None)
        self.refused(putting, DisconnectedError)
        self.refused(after, DisconnectedError)

    def test_cancelled(self) -> None:
        """Cancelling one that is under way ends the connection, so that the server keeps what it has."""
        putting = self.putting(watch=Recorder(Deferred()))
        putting.cancel()
        self.failureResultOf(putting, CancelledError)
        self.assertTrue(self.server.transport.aborted)
        self.assertNotIn("abandon", self.server.take_types())

    def test_cancelled_while_it_waits_for_the_reply(self) -> None:
        """That too."""
        putting = self.putting()
        putting.cancel()
        self.failureResultOf(putting, CancelledError)
        self.assertTrue(self.server.transport.aborted)

    def test_cancelled_before_it_began(self) -> None:
        """One that waits for its turn to speak is just forgotten."""
        gate: Deferred[None] = Deferred()
        first, second = self.putting(watch=Recorder(gate)), self.putting()
        second.cancel()
        self.failureResultOf(second, CancelledError)
        gate.callback(None)
        headers = self.server.take_headers()
        self.assertEqual(sum(header["type"] == "put" for header in headers), 1)
        self.ok(headers[0]["id"])
        self.successResultOf(first)

    def test_files_are_closed(self) -> None:
        """Whatever becomes of it, no descriptor stays open; a thread that still reads is waited for."""
        before = descriptors()
        slow = self.server.threads = SlowReading()
        putting = self.putting()
        putting.cancel()
        self.assertNoResult(putting)
        self.assertEqual(len(opened_since(before)), 1)
        ((done, read),) = slow.under_way
        done.callback(read())
        self.failureResultOf(putting, CancelledError)
        self.assertEqual(opened_since(before), set())


class ResumeTests(PutTestCase):
    """A put that goes on where another was broken off."""

    def resuming(self, offset: int, digest: str, watch: Recorder | None = None) -> "Deferred[Any]":
        """Begin, and let the server say what it has."""
        putting = self.putting(resume=True, watch=watch)
        header = self.taken()
        self.assertEqual((header["type"], header["path"], header["size"]), ("resume", "in/x", 10))
        self.server.say({"type": "resume", "id": header["id"], "offset": offset, "digest": digest})
        return putting

    def test_rest(self) -> None:
        """What the server has isn't sent again; the digest is that of all."""
        for offset, parts in ((5, [b"5678", b"9"]), (10, [])):
            watch = Recorder()
            putting = self.resuming(offset, digest_of(self.content[:offset]), watch)
            (first, _), *middle, (last, _) = self.server.take()
            self.assertEqual(first["offset"], offset)
            self.assertEqual([content for _, content in middle], parts)
            self.assertEqual(last["digest"], digest_of(self.content))
            self.assertEqual(watch.told[0], ("resumed", offset))
            self.ok(first["id"])
            self.assertEqual(self.successResultOf(putting).size, 10)

    def test_in_pieces(self) -> None:
        """What is there is hashed piece by piece."""
        self.patch(put, "HASHED", 2)
        self.resuming(5, digest_of(b"01234"))
        self.assertEqual(self.server.take()[0][0]["offset"], 5)

    def test_something_else_is_there(self) -> None:
        """What the server has is never believed for its length (sb-mirror#14)."""
        putting = self.resuming(5, digest_of(b"01239"))
        (first, _), *parts, (last, _) = self.server.take()
        self.assertEqual((first["offset"], last["digest"]), (0, digest_of(self.content)))
        self.assertEqual(b"".join(content for _, content in parts), self.content)
        self.ok(first["id"])
        self.successResultOf(putting)

    def test_nothing_is_there(self) -> None:
        """Then it begins at 0."""
        self.resuming(0, digest_of(b""))
        self.assertEqual(self.server.take()[0][0]["offset"], 0)

    def test_impossible(self) -> None:
        """A server can't have more than there is, or half a byte, or another kind of digest."""
        for offset, digest in (
            (11, digest_of(b"")),
            (-1, digest_of(b"")),
            ("5", ""),
            (5, "blake3:" + "0" * 64),
            (5, ""),
        ):
            with self.subTest(offset=offset):
                self.setUp()
                self.refused(self.resuming(offset, digest), RemoteProtocolError)  # type: ignore[arg-type]

    def test_refused(self) -> None:
        """An error in place of the offset is the put's."""
        putting = self.putting(resume=True)
        self.server.say({"type": "error", "id": self.taken()["id"], "code": "not-found", "message": "no"})
        self.refused(putting, NotFoundError)
        self.assertEqual(self.server.take(), [])
        self.goes_on()

    def test_not_worth_asking(self) -> None:
        """For a few bytes nobody asks."""
        self.patch(put, "NOT_WORTH_ASKING", 10)
        self.putting(resume=True)
        self.assertEqual(self.server.take_types()[0], "put")


class StreamTests(PutTestCase):
    """A source whose size nobody knows."""

    def test_whole(self) -> None:
        """It is sent without a size, and can't be resumed."""
        putting = self.putting(io.BytesIO(self.content), resume=True)
        (first, _), *parts, (last, _) = self.server.take()
        self.assertEqual({"size", "mtime", "mode"} & first.keys(), set())
        self.assertEqual(b"".join(content for _, content in parts), self.content)
        self.assertEqual(last["digest"], digest_of(self.content))
        self.ok(first["id"])
        self.assertEqual(self.successResultOf(putting).size, 10)

    def test_stream_stays_open(self) -> None:
        """It is the caller's to close."""
        stream = io.BytesIO(self.content)
        self.putting(stream)
        self.assertFalse(stream.closed)

    def test_pipe(self) -> None:
        """What a pipe has is sent, without waiting until a piece is full."""
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb") as stream:
            os.write(writer, b"01")
            os.close(writer)
            self.putting(stream)
            self.assertEqual([content for _, content in self.server.take()][1:-1], [b"01"])

    def test_unreadable(self) -> None:
        """A stream that fails is abandoned."""
        stream = mock.Mock(spec=["read"])
        stream.read.side_effect = OSError(5, "no")
        self.refused(self.putting(stream), InputOutputError)
        self.assertEqual(self.server.take_types(), ["put", "abandon"])
        self.goes_on()

    def test_silent_pipe(self) -> None:
        """An error, or being cancelled, doesn't wait until a silent pipe speaks; and its thread ends."""
        for how in ("error", "cancel"):
            self.setUp()
            slow = self.server.threads = SlowReading()
            reader, writer = os.pipe()
            with os.fdopen(reader, "rb") as stream, os.fdopen(writer, "wb"):
                putting = self.putting(stream)
                identity = self.taken()["id"]
                if how == "error":
                    self.server.say({"type": "error", "id": identity, "code": "no-space", "message": "full"})
                    self.assertEqual(self.server.take_types(), ["abandon"])
                else:
                    putting.cancel()
                    self.assertTrue(self.server.transport.aborted)
                ((done, read),) = slow.under_way
                with self.assertRaises(InputOutputError) as caught:
                    read()
                done.errback(caught.exception)
                self.failureResultOf(putting, NoSpaceError if how == "error" else CancelledError)
