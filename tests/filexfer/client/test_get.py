"""A client's get: into a local file that is whole or isn't there, and into a stream."""

import io
import os
from pathlib import Path
from typing import Any
from unittest import mock

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from tests.descriptors import descriptors, opened_since
from tests.filexfer.client.fake_server import FACTS, ClientTestCase, digest_of
from tests.filexfer.client.test_put import Recorder
from twisted_lab.filexfer.conditions import Condition, Durability
from twisted_lab.filexfer.errors import (
    BadNameError,
    ChangedError,
    DigestMismatchError,
    DisconnectedError,
    ExistsError,
    InputOutputError,
    IsDirectoryError,
    NotFoundError,
    NotRegularFileError,
)
from twisted_lab.wire.errors import RemoteProtocolError

CONTENT = b"hello"


class GetTestCase(ClientTestCase):
    """Get a file of five bytes."""

    def setUp(self) -> None:
        """Make a directory to get it to."""
        super().setUp()
        self.directory = self.temporary()
        self.target = self.directory / "x"
        self.descriptors = descriptors()

    def tearDown(self) -> None:
        """Whatever happened, nothing is open."""
        super().tearDown()
        self.assertEqual(opened_since(self.descriptors), set())

    def getting(self, target: Any = None, **options: Any) -> "Deferred[Any]":
        """Begin to get it."""
        return self.asking(self.files.get("in/x", self.target if target is None else target, **options))

    def getting_known(self, **options: Any) -> "Deferred[Any]":
        """Begin to get it, and answer the stat that comes first."""
        getting = self.getting(**options)
        header = self.taken()
        self.assertEqual((header["type"], header["path"]), ("stat", "in/x"))
        self.server.say({"type": "stat", "id": header["id"], **FACTS})
        return getting

    def send(self, content: bytes = CONTENT, offset: int = 0, **more: Any) -> int:
        """Answer a get with content; give its id."""
        header = self.taken()
        self.assertEqual((header["type"], header.get("offset", 0)), ("get", offset))
        self.server.say({"type": "get", "id": header["id"], "offset": offset, **FACTS, **more}, content)
        return int(header["id"])

    def finish(self, identity: int, content: bytes = CONTENT) -> None:
        """Send the digest."""
        self.server.say({"type": "digest", "id": identity, "digest": digest_of(content)})

    def leave(self, content: bytes) -> None:
        """Leave the beginning of a get that was broken off."""
        self.getting_known()
        header = self.taken()
        self.server.say({"type": "get", "id": header["id"], "offset": 0, **FACTS, "length": 5})
        self.server.hear(content)
        self.server.lose(ConnectionLost())
        self.assertEqual(self.left_over(), [content])
        super().setUp()

    def left_over(self) -> list[bytes]:
        """Give what there is beside the target."""
        return [path.read_bytes() for path in self.directory.iterdir() if path != self.target]

    def goes_on(self) -> None:
        """See that the connection can still be used."""
        asking = self.asking(self.files.ping())
        self.server.say({"type": "ping", "id": self.taken()["id"]})
        self.successResultOf(asking)


class GetTests(GetTestCase):
    """A local file, from the first byte on."""

    def test_whole(self) -> None:
        """It is there with its facts, once its digest is right; nothing is seen of it before."""
        watch = Recorder()
        getting = self.getting_known(watch=watch, durability=Durability.MEMORY)
        self.assertEqual(self.server.transport.value().count(b'"if-match":"e1"'), 1)
        identity = self.send()
        self.assertFalse(self.target.exists())
        self.finish(identity)
        receipt = self.successResultOf(getting)
        self.assertEqual((receipt.path, receipt.digest, receipt.size), (str(self.target), digest_of(CONTENT), 5))
        self.assertEqual(receipt.durability, Durability.MEMORY)
        self.assertEqual(self.target.read_bytes(), CONTENT)
        status = self.target.stat()
        self.assertEqual((status.st_mtime_ns, status.st_mode & 0o777), (1_000_000_002, 0o640))
        self.assertEqual(self.left_over(), [])
        self.assertEqual(watch.told, [("moved", 5)])

    def test_relative_target(self) -> None:
        """A name alone is in the working directory."""
        before = Path.cwd()
        os.chdir(self.directory)
        try:
            getting = self.getting("y")
            self.server.say({"type": "stat", "id": self.taken()["id"], **FACTS})
            self.finish(self.send())
            self.assertEqual(self.successResultOf(getting).path, "y")
        finally:
            os.chdir(before)
        self.assertEqual((self.directory / "y").read_bytes(), CONTENT)

    def test_replaces(self) -> None:
        """What was there is there until the new one is."""
        self.target.write_bytes(b"old")
        getting = self.getting_known()
        identity = self.send()
        self.assertEqual(self.target.read_bytes(), b"old")
        self.finish(identity)
        self.successResultOf(getting)
        self.assertEqual(self.target.read_bytes(), CONTENT)

    def test_other_bytes(self) -> None:
        """Bytes that aren't those that were sent are never seen, and not resumed from."""
        getting = self.getting_known()
        self.finish(self.send(), b"jello")
        self.refused(getting, DigestMismatchError)
        self.assertEqual([*self.directory.iterdir()], [])
        self.goes_on()

    def test_changed(self) -> None:
        """A file that changed while it was sent is worth nothing."""
        getting = self.getting_known()
        identity = self.send()
        self.server.say({"type": "error", "id": identity, "code": "changed", "message": "no"})
        self.refused(getting, ChangedError)
        self.assertEqual([*self.directory.iterdir()], [])
        self.goes_on()

    def test_refused(self) -> None:
        """An error in place of the content, or of the facts, is the answer; nothing is left."""
        getting = self.getting()
        self.server.say({"type": "error", "id": self.taken()["id"], "code": "not-found", "message": "no"})
        self.refused(getting, NotFoundError)
        getting = self.getting_known()
        self.server.say({"type": "error", "id": self.taken()["id"], "code": "changed", "message": "no"})
        self.refused(getting, ChangedError)
        self.assertEqual([*self.directory.iterdir()], [])
        self.goes_on()

    def test_no_file(self) -> None:
        """What isn't a regular file isn't asked for."""
        for kind, error in (("directory", IsDirectoryError), ("symlink", NotRegularFileError)):
            getting = self.getting()
            self.server.say({"type": "stat", "id": self.taken()["id"], **FACTS, "kind": kind})
            self.refused(getting, error)
        self.goes_on()

    def test_target_that_cannot_be(self) -> None:
        """It is said before anything is transferred."""
        self.target.write_bytes(b"old")
        for target, options, kind in (
            (self.directory / "no" / "x", {}, NotFoundError),
            (self.directory / "a\x01", {}, BadNameError),
            (self.target, {"condition": Condition(absent=True)}, ExistsError),
            (self.target, {"condition": Condition(etag="e")}, ChangedError),
            (self.directory / "gone", {"condition": Condition(etag="e")}, ChangedError),
        ):
            getting = self.getting(target, **options)
            self.server.say({"type": "stat", "id": self.taken()["id"], **FACTS})
            self.refused(getting, kind)
        self.goes_on()
        self.assertEqual(self.target.read_bytes(), b"old")

    def test_others_meanwhile(self) -> None:
        """Other requests are sent at once, and answered after it."""
        getting = self.getting_known()
        header = self.taken()
        asking = self.asking(self.files.ping())
        ping = self.taken()
        self.server.say({"type": "get", "id": header["id"], "offset": 0, **FACTS}, CONTENT)
        self.finish(header["id"])
        self.server.say({"type": "ping", "id": ping["id"]})
        self.successResultOf(getting)
        self.successResultOf(asking)

    def test_wrong_content(self) -> None:
        """Other content than was asked for, less of it, more of it or from elsewhere, isn't taken."""
        for more in (
            {"length": 4},
            {"length": 6},
            {"length": 2**50, "size": 2**50},
            {"etag": "e2"},
            {"size": 6},
            {"offset": 1},
            {"kind": "directory"},
        ):
            with self.subTest(more=more):
                self.setUp()
                getting = self.getting_known()
                header = self.taken()
                self.server.say({"type": "get", "id": header["id"], "offset": 0, "length": 5, **FACTS, **more})
                self.refused(getting, RemoteProtocolError)
                self.assertTrue(self.server.transport.aborted)
                self.assertEqual([*self.directory.iterdir()], [])

    def test_wrong_end(self) -> None:
        """The content is followed by its digest, of the algorithm that was agreed on."""
        for end in (
            {"type": "ok"},
            {"type": "digest"},
            {"type": "digest", "digest": "md5:00"},
            {"type": "digest", "digest": "blake3:" + "0" * 64},
            {"type": "digest", "digest": digest_of(CONTENT), "id": 99},
        ):
            with self.subTest(end=end):
                self.setUp()
                getting = self.getting_known()
                self.server.say({"id": self.send(), **end})
                self.refused(getting, RemoteProtocolError)
                self.assertFalse(self.target.exists())

    def test_cancelled(self) -> None:
        """Cancelling one that is under way ends the connection and keeps what is there."""
        getting = self.getting_known()
        header = self.taken()
        self.server.say({"type": "get", "id": header["id"], "offset": 0, **FACTS, "length": 5})
        self.server.hear(b"hel")
        getting.cancel()
        self.failureResultOf(getting, CancelledError)
        self.assertTrue(self.server.transport.aborted)
        self.assertEqual(self.left_over(), [b"hel"])

    def test_cancelled_before_it_is_answered(self) -> None:
        """That too: the content would come, and nobody would take it."""
        getting = self.getting_known()
        getting.cancel()
        self.failureResultOf(getting, CancelledError)
        self.assertTrue(self.server.transport.aborted)

    def test_cancelled_while_it_asks(self) -> None:
        """Before anything is transferred the connection goes on."""
        getting = self.getting()
        getting.cancel()
        self.failureResultOf(getting, CancelledError)
        header = self.taken()
        self.server.say({"type": "stat", "id": header["id"], **FACTS})
        self.goes_on()

    def test_disk_that_fails(self) -> None:
        """What can't be written ends it, and the connection: the rest would come for nothing."""
        getting = self.getting_known()
        with mock.patch("os.pwritev", side_effect=OSError(5, "no")), mock.patch("os.pwrite", side_effect=OSError(5)):
            self.send()
        self.refused(getting, InputOutputError)
        self.assertTrue(self.server.transport.aborted)
        self.assertFalse(self.target.exists())

    def test_what_ended_it_is_heard_first(self) -> None:
        """A get that gives up ends the connection: its error comes before that of the next, which only lost it."""
        heard: list[Failure] = []
        getting = self.getting_known()
        pinging = self.asking(self.files.ping())
        for waiting in (pinging, getting):
            waiting.addErrback(heard.append)
        with mock.patch("twisted_lab.filexfer.store.staging.os.pwritev", side_effect=OSError(5, "I/O error")):
            get, _ = self.server.take_headers()
            self.server.say({"type": "get", "id": get["id"], "offset": 0, **FACTS}, CONTENT)
        self.assertEqual([reason.type for reason in heard], [InputOutputError])
        self.server.lose()
        self.assertEqual([reason.type for reason in heard], [InputOutputError, DisconnectedError])


class ResumeTests(GetTestCase):
    """A get that goes on where another was broken off."""

    def resuming(self, theirs: bytes, watch: Recorder | None = None) -> "Deferred[Any]":
        """Begin, and answer what the first three bytes' digest is."""
        getting = self.getting_known(watch=watch)
        header = self.taken()
        expected = {"type": "digest", "path": "in/x", "offset": 0, "count": 3, "if-match": "e1"}
        self.assertEqual({key: header[key] for key in expected}, expected)
        self.server.say({"type": "digest", "id": header["id"], "digest": digest_of(theirs)})
        return getting

    def test_rest(self) -> None:
        """What is there isn't sent again."""
        self.leave(b"hel")
        watch = Recorder()
        getting = self.resuming(b"hel", watch)
        self.finish(self.send(b"lo", 3, length=2), b"lo")
        self.assertEqual(self.successResultOf(getting).digest, digest_of(CONTENT))
        self.assertEqual(self.target.read_bytes(), CONTENT)
        self.assertEqual(watch.told, [("resumed", 3), ("moved", 2)])

    def test_something_else_is_there(self) -> None:
        """What is there is never believed for its length (sb-mirror#14)."""
        self.leave(b"jel")
        getting = self.resuming(b"hel")
        self.finish(self.send())
        self.successResultOf(getting)
        self.assertEqual(self.target.read_bytes(), CONTENT)

    def test_other_bytes(self) -> None:
        """The rest is checked as the whole is."""
        self.leave(b"hel")
        getting = self.resuming(b"hel")
        self.finish(self.send(b"lo", 3, length=2), b"lO")
        self.refused(getting, DigestMismatchError)
        self.assertEqual([*self.directory.iterdir()], [])

    def test_changed_meanwhile(self) -> None:
        """A file that changed since its facts were asked for isn't mixed with another."""
        self.leave(b"hel")
        getting = self.getting_known()
        self.server.say({"type": "error", "id": self.taken()["id"], "code": "changed", "message": "no"})
        self.refused(getting, ChangedError)
        self.goes_on()

    def test_unwanted(self) -> None:
        """Unless one resumes, it begins at 0."""
        self.leave(b"hel")
        getting = self.getting_known(resume=False)
        self.finish(self.send())
        self.successResultOf(getting)
        self.assertEqual(self.target.read_bytes(), CONTENT)


class StreamTests(GetTestCase):
    """A get into a stream."""

    def test_whole(self) -> None:
        """The bytes are written as they come; the stream stays open."""
        stream = io.BytesIO()
        getting = self.getting(stream)
        identity = self.send()
        self.assertEqual(stream.getvalue(), CONTENT)
        self.assertNoResult(getting)
        self.finish(identity)
        self.assertEqual(self.successResultOf(getting).digest, digest_of(CONTENT))
        self.assertFalse(stream.closed)

    def test_other_bytes(self) -> None:
        """At the end it is said that they were wrong."""
        getting = self.getting(io.BytesIO())
        self.finish(self.send(), b"jello")
        self.refused(getting, DigestMismatchError)

    def test_stream_that_takes_a_little(self) -> None:
        """A raw stream takes what it likes, and gets the rest again."""
        taken: list[bytes] = []

        def write(data: memoryview) -> int:
            taken.append(bytes(data[:2]))
            return len(taken[-1])

        stream = mock.Mock(spec=["write", "flush"])
        stream.write.side_effect = write
        getting = self.getting(stream)
        self.finish(self.send())
        self.successResultOf(getting)
        self.assertEqual(taken, [b"he", b"ll", b"o"])

    def test_stream_that_breaks(self) -> None:
        """One that can't be written to ends it."""
        stream = mock.Mock(spec=["write", "flush"])
        stream.write.side_effect = BrokenPipeError(32, "Broken pipe")
        getting = self.getting(stream)
        self.send()
        self.assertIn("pipe", self.refused(getting, InputOutputError))
        self.assertTrue(self.server.transport.aborted)

    def test_lost(self) -> None:
        """A lost connection is said."""
        getting = self.getting(io.BytesIO())
        self.server.lose(ConnectionLost())
        self.refused(getting, DisconnectedError)

    def test_slow_consumer(self) -> None:
        """A client that lets the server wait doesn't take that for the server's silence, nor reads without end."""
        gate: Deferred[None] = Deferred()
        stream = io.BytesIO()
        size = 2**20
        getting = self.getting(stream, watch=Recorder(gate))
        header = self.taken()
        facts = {**FACTS, "size": size, "length": size}
        self.server.say({"type": "get", "id": header["id"], "offset": 0, **facts})
        for _ in range(4):
            self.server.hear(bytes(2**16))
        self.assertEqual(self.server.transport.producerState, "producing")
        for _ in range(2):
            self.server.hear(bytes(2**16))
        self.assertEqual(self.server.transport.producerState, "paused")
        self.server.clock.pump([50.0] * 10)
        self.assertIsNone(self.files.lost)
        gate.callback(None)
        self.assertEqual(self.server.transport.producerState, "producing")
        for _ in range(10):
            self.server.hear(bytes(2**16))
        self.finish(header["id"], bytes(size))
        self.successResultOf(getting)
        self.assertEqual(stream.getvalue(), bytes(size))
