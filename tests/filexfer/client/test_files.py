"""The client: requests and replies, one after the other and many at once, and servers that break the protocol."""

import json
from dataclasses import replace
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionLost

from tests.filexfer.client.fake_server import FACTS, WELCOME, ClientTestCase, digest_of
from twisted_lab.filexfer.conditions import Condition, Durability
from twisted_lab.filexfer.errors import (
    AccessError,
    BadNameError,
    BadRequestError,
    BusyError,
    DisconnectedError,
    FilexferError,
    NotFoundError,
)
from twisted_lab.filexfer.messages.bundle import BundleDecoder, encode_small
from twisted_lab.filexfer.messages.replies import Limits, Welcome
from twisted_lab.filexfer.receipt import Receipt
from twisted_lab.filexfer.small_file import SmallFile
from twisted_lab.filexfer.status import Status
from twisted_lab.wire.errors import RemoteProtocolError


def lines(*objects: dict[str, Any]) -> bytes:
    """Give objects as lines of JSON."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in objects)


class RequestTests(ClientTestCase):
    """What has one reply."""

    def test_stat(self) -> None:
        """A file's facts are asked for, and given."""
        asking = self.asking(self.files.stat("a/b"))
        header = self.taken()
        self.assertEqual((header["type"], header["path"]), ("stat", "a/b"))
        self.server.say({"type": "stat", "id": header["id"], **FACTS})
        self.assertEqual(self.successResultOf(asking), Status("file", 5, 1_000_000_002, 0o640, "e1"))

    def test_plain_requests(self) -> None:
        """Each is sent with all that was said, and done when the server says ok."""
        files = self.files
        for doing, expected in (
            (files.mkdir("d", parents=True), {"type": "mkdir", "path": "d", "parents": True}),
            (
                files.rename("a", "b", Condition(absent=True)),
                {"type": "rename", "path": "a", "to": "b", "if": "absent"},
            ),
            (files.remove("a", if_match="e1"), {"type": "remove", "path": "a", "if-match": "e1"}),
            (files.symlink("l", "a"), {"type": "symlink", "path": "l", "target": "a"}),
        ):
            asking = self.asking(doing)
            header = self.taken()
            identity = header.pop("id")
            self.assertEqual(header, expected)
            self.assertNoResult(asking)
            self.server.say({"type": "ok", "id": identity})
            self.assertIsNone(self.successResultOf(asking))

    def test_digest(self) -> None:
        """The digest of a part of a file is asked for, and given."""
        asking = self.asking(self.files.digest("a", 1, 2, if_match="e1"))
        header = self.taken()
        self.assertEqual((header["offset"], header["count"], header["if-match"]), (1, 2, "e1"))
        self.server.say({"type": "digest", "id": header["id"], "digest": digest_of(b"x")})
        self.assertEqual(self.successResultOf(asking), digest_of(b"x"))

    def test_errors_are_typed(self) -> None:
        """An error of the server's is raised as what it is, fit to print, and the connection goes on."""
        asking = self.asking(self.files.stat("a"))
        self.server.say({"type": "error", "id": self.taken()["id"], "code": "busy", "message": "\x1b[2J"})
        self.assertNotIn("\x1b", self.refused(asking, BusyError))
        self.test_stat()

    def test_bad_names_are_not_sent(self) -> None:
        """A name that can't be is refused here."""
        for path in ("../a", "/a", "a\x00"):
            self.refused(self.asking(self.files.stat(path)), BadNameError)
        self.assertEqual(self.server.take(), [])

    def test_pipelined(self) -> None:
        """Requests go out without waiting for each other's replies, which are given in their order."""
        asking = [self.asking(self.files.stat(path)) for path in "abc"]
        headers = self.server.take_headers()
        self.assertEqual([header["path"] for header in headers], [*"abc"])
        for header, one in zip(headers, asking, strict=True):
            self.assertNoResult(one)
            self.server.say({"type": "stat", "id": header["id"], **FACTS, "size": header["id"]})
            self.assertEqual(self.successResultOf(one).size, header["id"])

    def test_a_cancelled_request_drops_its_reply(self) -> None:
        """Cancelling one leaves the others, and the connection, as they were."""
        first, second = self.asking(self.files.stat("a")), self.asking(self.files.stat("b"))
        headers = self.server.take_headers()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        for header in headers:
            self.server.say({"type": "stat", "id": header["id"], **FACTS})
        self.assertEqual(self.successResultOf(second).size, 5)

    def test_working_is_no_reply(self) -> None:
        """Signs of life are passed over."""
        asking = self.asking(self.files.ping())
        header = self.taken()
        self.server.say({"type": "working", "id": header["id"]})
        self.assertNoResult(asking)
        self.server.say({"type": "ping", "id": header["id"]})
        self.successResultOf(asking)


class PipelineTests(ClientTestCase):
    """A server that takes two requests at one time."""

    welcome = Welcome(1, "sha-256", "read-write", "", 300.0, Limits(pipeline=2))

    def test_limit(self) -> None:
        """A third waits until the first is answered."""
        asking = [self.asking(self.files.stat(path)) for path in "abc"]
        headers = self.server.take_headers()
        self.assertEqual(len(headers), 2)
        self.server.say({"type": "stat", "id": headers[0]["id"], **FACTS})
        self.successResultOf(asking[0])
        self.assertEqual(self.taken()["path"], "c")
        self.server.lose()
        for one in asking[1:]:
            self.refused(one, DisconnectedError)


class ListTests(ClientTestCase):
    """Directories, page by page."""

    async def everything(self, page: int | None = None) -> tuple[list[str | None], int]:
        """Give all names, and how many can't be named."""
        pages = self.files.list("d", page)
        return [entry.name async for entry in pages], pages.unnameable

    def test_pages(self) -> None:
        """The next page is asked for by the last name of the one before, until there is none."""
        asking = self.asking(self.everything(2))
        header = self.taken()
        self.assertEqual((header["path"], header["count"], "after" in header), ("d", 2, False))
        content = lines({"name": "a", **FACTS}, {"name": "b", **FACTS})
        self.server.say({"type": "list", "id": header["id"], "next": "b", "unnameable": 1}, content)
        header = self.taken()
        self.assertEqual(header["after"], "b")
        self.server.say({"type": "list", "id": header["id"], "unnameable": 2}, lines({"name": "c", **FACTS}))
        self.assertEqual(self.successResultOf(asking), (["a", "b", "c"], 2))

    def test_an_empty_one(self) -> None:
        """Nothing is listed."""
        asking = self.asking(self.everything())
        self.server.say({"type": "list", "id": self.taken()["id"]})
        self.assertEqual(self.successResultOf(asking), ([], 0))

    def test_names_that_lead_elsewhere(self) -> None:
        """A server's names are one component each, and make no client write elsewhere (CVE-2019-6111)."""
        for name in ("a/b", "..", "", "\x1b", ".filexfer-1", 1, "/"):
            with self.subTest(name=name):
                self.setUp()
                asking = self.asking(self.everything())
                self.server.say({"type": "list", "id": self.taken()["id"]}, lines({"name": name, **FACTS}))
                self.refused(asking, RemoteProtocolError)
                self.assertTrue(self.server.transport.aborted)

    def test_pages_without_end(self) -> None:
        """A server that lists the same again and again, or whose pages lead nowhere, is found out."""
        for following, *names in (["b", "b", "a"], ["a", "b"], [7, "a"], ["..", "-"], ["a/b", "a"], [""]):
            with self.subTest(names=names):
                self.setUp()
                asking = self.asking(self.everything())
                content = lines(*({"name": name, **FACTS} for name in names))
                self.server.say({"type": "list", "id": self.taken()["id"], "next": following}, content)
                self.refused(asking, RemoteProtocolError)


class SmallFileTests(ClientTestCase):
    """Bundles."""

    welcome = Welcome(1, "sha-256", "read-write", "", 300.0, Limits(bundle_files=2, bundle_file=10))

    def small(self, name: str, content: bytes = b"hello") -> SmallFile:
        """Give a file."""
        return SmallFile((name,), content, digest_of(content))

    def answer(self, header: dict[str, Any], content: bytes) -> list[str]:
        """Say that all of a bundle is published; give the names."""
        decoder = BundleDecoder()
        found = [file for file in decoder.feed(content) if isinstance(file, SmallFile)]
        decoder.eof()
        oks = [{"digest": file.digest, "size": len(file.content), "etag": "e", "durability": "file"} for file in found]
        self.server.say({"type": "bundle", "id": header["id"]}, lines(*oks))
        return [file.name[0] for file in found]

    def test_split(self) -> None:
        """As many as the server takes go in each, not one by one (croc#584, #790); two are on their way, at most."""
        names = [*"abcdefg"]
        files = [self.small(name) for name in names]
        asking = self.asking(self.files.put_small(files, durability=Durability.FILE))
        seen = []
        first, second = self.server.take()
        self.assertEqual(first[0]["durability"], "file")
        seen += self.answer(*first)
        seen += self.answer(*second)
        for message in self.server.take():
            seen += self.answer(*message)
        self.assertEqual(seen, names)
        results = self.successResultOf(asking)
        self.assertEqual([(type(result), result.path) for result in results], [(Receipt, name) for name in names])

    def test_one_may_fail(self) -> None:
        """What is wrong with one is its result, and no other's; what can't be in a bundle isn't sent."""
        files = [self.small("a"), self.small("b", b"x" * 11), self.small("../c"), self.small("d")]
        asking = self.asking(self.files.put_small(files))
        ((header, _),) = self.server.take()
        self.server.say(
            {"type": "bundle", "id": header["id"]},
            lines(
                {"code": "not-found", "message": "no"},
                {"digest": files[3].digest, "size": 5, "etag": "e", "durability": "directory"},
            ),
        )
        kinds = [type(result) for result in self.successResultOf(asking)]
        self.assertEqual(kinds, [NotFoundError, BadRequestError, BadNameError, Receipt])

    def test_connection_lost(self) -> None:
        """Those that were answered have their receipts, the others the error."""
        asking = self.asking(self.files.put_small([self.small(name) for name in "abc"]))
        first, _ = self.server.take()
        self.answer(*first)
        self.server.lose(ConnectionLost())
        kinds = [type(result) for result in self.successResultOf(asking)]
        self.assertEqual(kinds, [Receipt, Receipt, DisconnectedError])

    def test_nothing(self) -> None:
        """No files are no bundle."""
        self.assertEqual(self.successResultOf(self.asking(self.files.put_small([]))), [])

    def test_receipt_for_something_else(self) -> None:
        """A server that says it has other bytes than were sent isn't believed."""
        asking = self.asking(self.files.put_small([self.small("a")]))
        ((header, _),) = self.server.take()
        ok = {"digest": digest_of(b"jello"), "size": 5, "etag": "e", "durability": "directory"}
        self.server.say({"type": "bundle", "id": header["id"]}, lines(ok))
        self.refused(asking, RemoteProtocolError)


class GetSmallTests(ClientTestCase):
    """Bundles that are got."""

    welcome = Welcome(1, "sha-256", "read-write", "", 300.0, Limits(bundle_files=2, bundle_bytes=10))

    def say(self, identity: int, *files: SmallFile, **keys: Any) -> None:
        """Answer by one message."""
        run = b"".join(map(encode_small, files))
        self.server.say({"type": "get-bundle", "id": identity, "count": len(files), **keys}, run)

    def small(self, name: str, content: bytes = b"hello") -> SmallFile:
        """Give a file."""
        return SmallFile((name,), content, digest_of(content), 0, 0o644, "e")

    def test_get(self) -> None:
        """As many as the server gives are asked for at a time; they come in as many messages as it likes."""
        files = [self.small(name) for name in "abc"]
        asking = self.asking(self.files.get_small([*"abc"]))
        ((header, content),) = self.server.take()
        self.assertEqual(content, b'{"path":"a"}\n{"path":"b"}\n')
        self.say(header["id"], files[0])
        self.server.say({"type": "working", "id": header["id"]})
        self.say(header["id"], files[1])
        ((header, content),) = self.server.take()
        self.assertEqual(content, b'{"path":"c"}\n')
        self.say(header["id"], files[2])
        self.assertEqual(self.successResultOf(asking), files)

    def test_nothing(self) -> None:
        """No files are no request; a name that isn't one isn't sent."""
        self.assertEqual(self.successResultOf(self.asking(self.files.get_small([]))), [])
        self.refused(self.asking(self.files.get_small(["../x"])), BadNameError)
        self.assertEqual(self.server.take(), [])

    def test_error_in_place_of_a_message(self) -> None:
        """It ends the reply, and is the request's; the connection goes on."""
        asking, after = self.asking(self.files.get_small([*"ab"])), self.asking(self.files.ping())
        header, ping = self.server.take_headers()
        self.say(header["id"], self.small("a"))
        self.server.say({"type": "error", "id": header["id"], "code": "access", "message": "no"})
        self.refused(asking, AccessError)
        self.server.say({"type": "ping", "id": ping["id"]})
        self.successResultOf(after)

    def test_cancelled(self) -> None:
        """The reply to a request that nobody waits for is dropped, and the next one is heard."""
        asking, after = self.asking(self.files.get_small([*"ab"])), self.asking(self.files.ping())
        header, ping = self.server.take_headers()
        self.say(header["id"], self.small("a"))
        asking.cancel()
        self.failureResultOf(asking, CancelledError)
        self.say(header["id"], self.small("b"))
        self.server.say({"type": "ping", "id": ping["id"]})
        self.successResultOf(after)

    def test_lost(self) -> None:
        """A connection that is lost in the middle is the error of all."""
        asking = self.asking(self.files.get_small([*"ab"]))
        (header,) = self.server.take_headers()
        self.say(header["id"], self.small("a"))
        self.server.lose(ConnectionLost())
        self.refused(asking, DisconnectedError)

    def test_hostile(self) -> None:
        """What wasn't asked for, is too much or is counted wrongly ends the connection, before it is kept."""
        a = self.small("a")
        for files, keys in (
            ([self.small("../a")], {}),
            ([self.small("b")], {}),
            ([a, a, a], {}),
            ([a], {"count": 2}),
            ([a, self.small("b")], {"count": 1}),
            ([a], {"count": 0}),
            ([a], {"count": True}),
            ([a], {"count": "1"}),
            ([a], {"length": 2**40}),
            ([a], {"length": 10 + 2 * 2**14 + 1}),
        ):
            self.setUp()
            asking = self.asking(self.files.get_small([*"ab"]))
            (header,) = self.server.take_headers()
            run = b"".join(
                encode_small(replace(each, name=("x",))).replace(b'"x"', b'"%b"' % each.name[0].encode())
                for each in files
            )
            self.server.say({"type": "get-bundle", "id": header["id"], "count": len(files), **keys}, run)
            if keys == {"count": 1} or len(files) == 1:
                self.server.say({"type": "get-bundle", "id": header["id"], "count": 1}, encode_small(self.small("b")))
            self.assertTrue(self.server.transport.disconnected or self.server.transport.disconnecting, (files, keys))
            self.server.lose()
            self.refused(asking, RemoteProtocolError)


class HostileTests(ClientTestCase):
    """Servers that break the protocol: the connection is ended, and all who wait are told."""

    def broken_by(self, *messages: dict[str, Any]) -> None:
        """Answer two requests so; the first fails with `RemoteProtocolError`, the second too, later ones at once."""
        self.setUp()
        first, second = self.asking(self.files.stat("a")), self.asking(self.files.stat("b"))
        headers = self.server.take_headers()
        for message in messages:
            self.server.say({"id": headers[0]["id"], **message})
        why = self.refused(first, RemoteProtocolError)
        self.assertTrue(self.server.transport.aborted)
        self.server.lose(ConnectionLost())
        self.assertEqual(self.refused(second, RemoteProtocolError), why)
        self.refused(self.asking(self.files.stat("c")), DisconnectedError)
        self.tearDown()

    def test_wrong_replies(self) -> None:
        """Ids, types and keys must be those that are expected."""
        stat = {"type": "stat", **FACTS}
        for message in (
            {**stat, "id": 77},
            {**stat, "id": "2"},
            {**stat, "id": True},
            {"type": "get", **FACTS},
            {"type": "nonsense"},
            {"type": "stat"},
            {**stat, "size": -1},
            {**stat, "kind": "door"},
            {"type": "error"},
            {"type": "error", "code": "busy", "message": 5},
            {"type": "error", "code": "busy", "message": "no", "id": 99},
        ):
            with self.subTest(message=message):
                self.broken_by(message)

    def test_a_reply_too_large(self) -> None:
        """A reply's content is bounded before it is read."""
        self.broken_by({"type": "stat", "length": 2**40})

    def test_bad_framing(self) -> None:
        """What isn't the header protocol at all ends the connection too."""
        asking = self.asking(self.files.stat("a"))
        self.server.hear(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        why = self.refused(asking, RemoteProtocolError)
        self.assertTrue(self.server.transport.aborted)
        self.server.lose(ConnectionLost())
        self.assertIn(why, str(self.files.lost))

    def test_an_error_about_the_connection(self) -> None:
        """An error without an id is no reply, but the end of the connection."""
        first, second = self.asking(self.files.stat("a")), self.asking(self.files.stat("b"))
        self.server.say({"type": "error", "code": "server-stopping", "message": "bye"})
        self.assertEqual(self.failureResultOf(first, FilexferError).value.code, "server-stopping")
        self.assertTrue(self.server.transport.aborted)
        self.server.lose()
        self.assertIn("bye", self.refused(second, DisconnectedError))


class LossTests(ClientTestCase):
    """The end of the connection."""

    def test_lost(self) -> None:
        """All who wait are told, and whoever asks later."""
        asking = [self.asking(self.files.stat(path)) for path in "ab"]
        self.assertIsNone(self.files.lost)
        self.server.lose(ConnectionLost())
        for one in [*asking, self.asking(self.files.ping())]:
            self.assertIn("lost", self.refused(one, DisconnectedError))
        self.assertIsInstance(self.files.lost, DisconnectedError)

    def test_close(self) -> None:
        """Closing waits until the connection is gone; what still waits for a reply hears that it was us."""
        asking, closing = self.asking(self.files.ping()), self.asking(self.files.close())
        again = self.asking(self.files.close())
        self.assertTrue(self.server.transport.disconnecting)
        self.assertNoResult(closing)
        self.server.lose()
        self.successResultOf(closing)
        self.successResultOf(again)
        self.assertIn("this side", self.refused(asking, DisconnectedError))
        self.successResultOf(self.asking(self.files.close()))

    def test_close_that_takes_too_long(self) -> None:
        """A server that doesn't take what is left is cut off."""
        closing = self.asking(self.files.close())
        self.server.clock.advance(5)
        self.assertTrue(self.server.transport.aborted)
        self.server.lose(ConnectionLost())
        self.successResultOf(closing)

    def test_quiet_client_pings(self) -> None:
        """A client that has nothing to ask is heard all the same, well before the server's idle timeout."""
        for _ in range(2):
            self.server.clock.pump([50.0] * 2)
            self.assertEqual(self.server.take_types(), ["ping"], "one is enough until it is answered")
            self.server.say({"type": "ping", "id": self.files._conversation._identity})
        self.assertIsNone(self.files.lost)

    def test_silence(self) -> None:
        """A server that isn't heard for its idle timeout and half a minute is given up (croc#203, rsync#87)."""
        asking = self.asking(self.files.stat("a"))
        self.server.clock.pump([50.0] * 6)
        self.assertFalse(self.server.transport.aborted)
        self.server.clock.pump([50.0])
        self.assertTrue(self.server.transport.aborted)
        self.server.lose(ConnectionLost())
        self.assertIn("nothing was heard from the server for 330 s", self.refused(asking, DisconnectedError))

    def test_signs_of_life(self) -> None:
        """A server that works for hours is waited for, as long as it says so."""
        asking = self.asking(self.files.digest("a"))
        identity = self.taken()["id"]
        for _ in range(100):
            self.server.clock.advance(50)
            self.server.say({"type": "working", "id": identity})
        self.server.say({"type": "digest", "id": identity, "digest": digest_of(b"")})
        self.successResultOf(asking)


class ImpatientTests(ClientTestCase):
    """A client with a shorter silence."""

    silence = 6.0

    def test_silence(self) -> None:
        """It pings more often, and gives up sooner."""
        self.server.clock.pump([1.0] * 5)
        self.assertEqual(self.server.take_types(), ["ping"])
        self.server.clock.advance(1)
        self.assertTrue(self.server.transport.aborted)
        self.server.lose(ConnectionLost())
        self.assertIn("6 s", str(self.files.lost))


class NeverIdleTests(ClientTestCase):
    """A server without an idle timeout."""

    welcome = Welcome(WELCOME.version, "sha-256", "read", "", 0)

    def test_silence(self) -> None:
        """It is given up like another (CVE-2026-70462)."""
        self.server.clock.pump([50.0] * 6)
        self.assertFalse(self.server.transport.aborted)
        self.server.clock.pump([50.0])
        self.assertTrue(self.server.transport.aborted)
