"""What the server answers, and when it is silent."""

import os
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred

from tests.descriptors import descriptors
from tests.filexfer.server.sessions import HELLO, SessionTestCase, encode, sha
from tests.test_header_service import decode
from twisted_lab.filexfer.messages.bundle import MAX_FILE
from twisted_lab.filexfer.modes import Mode
from twisted_lab.filexfer.server.factory import HELLO_TIMEOUT, LEAST_PROGRESS
from twisted_lab.filexfer.server.greeting import LOGIN_DELAY, MAX_HELLOS
from twisted_lab.filexfer.server.session import WORKING
from twisted_lab.filexfer.server.upload import BUSY_PAUSE, BUSY_TRIES


class HelloTests(SessionTestCase):
    """The first message, and its deadline."""

    greeted = False

    def test_welcome(self) -> None:
        """The server says which version, digest and limits hold, and what the client may do."""
        ((reply, _),) = self.ask(HELLO)
        self.assertEqual(
            {key: reply[key] for key in ("type", "id", "version", "digest", "mode", "user", "idle-timeout")},
            {"type": "hello", "id": 0, "version": 1, "digest": "sha-256", "mode": "read-write", "user": ""}
            | {"idle-timeout": 300.0},
        )
        self.assertEqual(reply["limits"]["page"], 4096)
        self.assertIn("symlink", reply["features"])

    def test_the_clients_preference(self) -> None:
        """Of the digests that both know, the client's first is taken; what isn't known is passed over."""
        ((reply, _),) = self.ask({**HELLO, "digests": ["md5", "blake3", "sha-256"], "versions": [7, 1]})
        self.assertEqual((reply["digest"], reply["version"]), ("blake3", 1))

    def test_nothing_in_common(self) -> None:
        """Without a version or a digest in common the client is told so, and let go."""
        for change in ({"versions": [2]}, {"digests": ["md5"]}):
            self.connection, self.transport = self.connect()
            self.assertEqual(self.code({**HELLO, **change}), "unsupported")
            self.assertTrue(self.connection.closing)

    def test_not_hello(self) -> None:
        """Nothing is done for who didn't say hello."""
        self.assertEqual(self.code({"type": "mkdir", "path": "d"}), "bad-request")
        self.assertTrue(self.connection.closing)
        self.assertEqual([*self.directory.iterdir()], [])

    def test_deadline(self) -> None:
        """Who says nothing, or half a hello byte by byte, is cut off; the time runs from accept (CVE-2026-70464)."""
        for byte in encode(HELLO)[: int(HELLO_TIMEOUT) - 1]:
            self.clock.advance(1)
            self.connection.dataReceived(bytes([byte]))
        self.assertFalse(self.transport.aborted)
        self.clock.advance(1)
        self.assertTrue(self.transport.aborted)

    def test_no_deadline_after_hello(self) -> None:
        """Who said hello in time may be quiet for longer."""
        self.ask(HELLO)
        self.clock.advance(HELLO_TIMEOUT * 2)
        self.assertFalse(self.transport.aborted)


class LoginTests(SessionTestCase):
    """A server that wants to know who asks."""

    greeted = False
    mode = None  # type: ignore[assignment]

    def test_login_required(self) -> None:
        """A client that doesn't log in is asked to, a few times, and then let go."""
        for number in range(MAX_HELLOS):
            self.assertEqual(self.code(HELLO), "login-required")
            self.assertEqual(self.connection.closing, number == MAX_HELLOS - 1)

    def test_login_failed(self) -> None:
        """A wrong password costs a second, and the connection; the log says who tried."""
        self.assertEqual(self.ask({**HELLO, "user": "eve", "password": "guess"}), [])
        self.clock.advance(LOGIN_DELAY)
        ((reply, _),) = self.answers()
        self.assertEqual(reply["code"], "login-failed")
        self.assertTrue(self.connection.closing)
        self.assertEqual(
            [(r["user"], r["what"], r["result"]) for r in self.records.kept], [("eve", "hello", "login-failed")]
        )


class OperationTests(SessionTestCase):
    """Each request, and its reply."""

    def test_put_and_get(self) -> None:
        """What is put is there, with its time and permissions, and comes back with its digest after it."""
        receipt = self.put("x", b"hello", mtime=[7, 9], mode=0o750)
        self.assertEqual((receipt["digest"], receipt["size"], receipt["durability"]), (sha(b"hello"), 5, "directory"))
        found = (self.directory / "x").stat()
        self.assertEqual((found.st_mtime_ns, found.st_mode & 0o7777), (7_000_000_009, 0o750))
        (head, content), (tail, _) = self.ask({"type": "get", "path": "x"})
        self.assertEqual((content, head["etag"], head["mtime"]), (b"hello", receipt["etag"], [7, 9]))
        self.assertEqual(tail, {"type": "digest", "id": 1, "digest": sha(b"hello")})

    def test_get_a_range(self) -> None:
        """A part of a file is sent with the digest of that part."""
        self.put("x", b"0123456789")
        (head, content), (tail, _) = self.ask({"type": "get", "path": "x", "offset": 3, "count": 4})
        self.assertEqual((content, head["size"], head["length"], tail["digest"]), (b"3456", 10, 4, sha(b"3456")))
        self.assertEqual(self.code({"type": "get", "path": "x", "offset": 11}), "changed")
        self.assertEqual(self.code({"type": "get", "path": "x", "if-match": "other"}), "changed")

    def test_digest(self) -> None:
        """The digest of a file, or of a part of it, tells without sending it."""
        self.put("x", b"0123456789")
        ((reply, _),) = self.ask({"type": "digest", "path": "x", "offset": 3, "count": 4})
        self.assertEqual((reply["digest"], reply["size"]), (sha(b"3456"), 10))

    def test_parts(self) -> None:
        """A file may come in parts, and its size be unknown until the last one."""
        for keys in ({"size": 9}, {}):
            self.send({"type": "put", "id": 3, "path": "x", **keys}, b"one")
            self.send({"type": "part", "id": 3}, b"two")
            self.send({"type": "part", "id": 3})
            self.send({"type": "part", "id": 3}, b"six")
            self.assertEqual(self.answers(), [])
            ((reply, _),) = self.ask({"type": "digest", "id": 3, "digest": sha(b"onetwosix")})
            self.assertEqual((reply["type"], reply["size"]), ("ok", 9))
            self.assertEqual((self.directory / "x").read_bytes(), b"onetwosix")

    def test_abandon(self) -> None:
        """A put that its client gives up publishes nothing, has no reply, and the next request is answered."""
        self.send({"type": "put", "id": 3, "path": "x", "size": 5}, b"hel")
        self.send({"type": "abandon", "id": 3})
        self.assertEqual(self.ask({"type": "ping"}), [({"type": "ping", "id": 1}, b"")])
        self.assertEqual([*self.directory.iterdir()], [])
        self.assertEqual(self.records.kept[-1]["result"], "abandoned")

    def test_wrong_digest(self) -> None:
        """Bytes that aren't those that were sent are never published."""
        self.put("x", b"old")
        self.send({"type": "put", "id": 3, "path": "x", "size": 5}, b"hellp")
        self.assertEqual(self.code({"type": "digest", "id": 3, "digest": sha(b"hello")}), "digest-mismatch")
        self.assertEqual((self.directory / "x").read_bytes(), b"old")
        self.assertEqual(self.staged(), [])

    def test_refused_put(self) -> None:
        """A put that can't be is answered at once; what still comes of it is dropped, and has no reply of its own."""
        self.assertEqual(self.code({"type": "put", "path": "no/x", "size": 9}, b"one"), "not-found")
        self.send({"type": "part", "id": 1}, b"two")
        self.send({"type": "abandon", "id": 1})
        self.assertEqual(self.answers(), [])
        self.assertEqual(self.code({"type": "put", "path": "../x", "size": 9}, b"one"), "bad-name")
        self.send({"type": "digest", "id": 1, "digest": sha(b"one")})
        self.assertEqual(self.answers(), [])
        self.assertEqual(self.ask({"type": "ping"}), [({"type": "ping", "id": 1}, b"")])

    def test_refused_at_once(self) -> None:
        """A put that can't be published is refused before its content comes: the name is taken, or has changed."""
        (self.directory / "d").mkdir()
        self.put("x", b"old")
        for keys, code in (
            ({"path": "x", "if": "absent"}, "exists"),
            ({"path": "x", "if-match": "other"}, "changed"),
            ({"path": "y", "if-match": "other"}, "changed"),
            ({"path": "d"}, "is-a-directory"),
        ):
            self.assertEqual(self.code({"type": "put", "size": 10**12, **keys}), code)
            self.send({"type": "abandon", "id": 1})
        self.assertEqual(self.staged(), [])

    def test_too_much(self) -> None:
        """More than was announced, or less, isn't published."""
        self.send({"type": "put", "id": 3, "path": "x", "size": 5}, b"hel")
        self.assertEqual(self.code({"type": "part", "id": 3}, b"lo!"), "bad-request")
        self.send({"type": "abandon", "id": 3})
        self.send({"type": "put", "id": 3, "path": "x", "size": 5}, b"hel")
        self.assertEqual(self.code({"type": "digest", "id": 3, "digest": sha(b"hel")}), "bad-request")
        self.assertFalse((self.directory / "x").exists())

    def test_something_else_in_a_put(self) -> None:
        """A message that has no place in a put ends the connection: what it meant can't be known."""
        self.send({"type": "put", "id": 3, "path": "x", "size": 5}, b"hel")
        self.send({"type": "ping", "id": 4})
        self.assertEqual([header["code"] for header, _ in self.answers()], ["bad-request"])
        self.send({"type": "ping", "id": 4})
        self.assertEqual([header["code"] for header, _ in self.answers()], ["bad-sequence"])
        self.assertTrue(self.connection.closing)

    def test_resume(self) -> None:
        """A put that was broken off is gone on with where it stopped, if the bytes there are the right ones."""
        self.send({"type": "put", "id": 3, "path": "x", "size": 9}, b"onetw")
        self.lose(self.connection)
        self.connection, self.transport = self.connect()
        self.ask(HELLO)
        ((reply, _),) = self.ask({"type": "resume", "path": "x", "size": 9})
        self.assertEqual((reply["offset"], reply["digest"]), (5, sha(b"onetw")))
        self.send({"type": "put", "id": 3, "path": "x", "size": 9, "offset": 5}, b"osix")
        ((reply, _),) = self.ask({"type": "digest", "id": 3, "digest": sha(b"onetwosix")})
        self.assertEqual(reply["type"], "ok")
        self.assertEqual((self.directory / "x").read_bytes(), b"onetwosix")

    def test_a_ping_lets_nothing_go(self) -> None:
        """A client that hashes for long between resume and put says ping meanwhile; what resume has opened stays."""
        self.ask({"type": "resume", "path": "x", "size": 9})
        self.ask({"type": "ping"})
        self.connection, self.transport = self.connect()
        self.ask(HELLO)
        self.assertEqual(self.busy(), "busy")

    def test_resume_or_not(self) -> None:
        """Without bytes left over there is nothing to go on from; and whoever has them may begin anew all the same."""
        ((reply, _),) = self.ask({"type": "resume", "path": "x", "size": 9})
        self.assertEqual((reply["offset"], reply["digest"]), (0, sha(b"")))
        self.send({"type": "put", "id": 3, "path": "x", "size": 9}, b"wrong")
        self.lose(self.connection)
        self.connection, self.transport = self.connect()
        self.ask(HELLO)
        self.ask({"type": "resume", "path": "x", "size": 9})
        self.assertEqual(self.code({"type": "put", "path": "x", "size": 9, "offset": 4}), "changed")
        self.send({"type": "abandon", "id": 1})
        self.assertEqual(self.put("x", b"onetwosix")["type"], "ok")
        self.assertEqual(self.staged(), [])

    def busy(self) -> str:
        """Ask for what somebody else has; give the code of what is answered in the end."""
        self.assertEqual(self.ask({"type": "resume", "path": "x", "size": 9}), [])
        self.clock.pump([BUSY_PAUSE] * BUSY_TRIES)
        ((reply, _),) = self.answers()
        return str(reply["code"])

    def test_only_just_busy(self) -> None:
        """A client that comes again at once needn't know that its last connection hasn't ended here yet."""
        self.send({"type": "put", "id": 3, "path": "x", "size": 9}, b"one")
        last = self.connection
        self.connection, self.transport = self.connect()
        self.ask(HELLO)
        self.assertEqual(self.ask({"type": "resume", "path": "x", "size": 9}), [])
        self.lose(last)
        self.clock.advance(BUSY_PAUSE)
        ((reply, _),) = self.answers()
        self.assertEqual((reply["type"], reply["offset"]), ("resume", 3))

    def test_a_resume_lets_go(self) -> None:
        """What a resume has opened is free again for others once something else is asked, or the connection is lost."""
        for end in (lambda: self.ask({"type": "stat", "path": ""}), lambda: self.lose(self.connection)):
            self.ask({"type": "resume", "path": "x", "size": 9})
            other, self.connection, self.transport = (self.connection, self.transport), *self.connect()
            self.ask(HELLO)
            self.assertEqual(self.busy(), "busy")
            mine, (self.connection, self.transport) = (self.connection, self.transport), other
            end()
            self.connection, self.transport = mine
            ((reply, _),) = self.ask({"type": "resume", "path": "x", "size": 9})
            self.assertEqual(reply["type"], "resume")
            self.lose(self.connection)
            self.connection, self.transport = self.connect()
            self.ask(HELLO)

    def test_list(self) -> None:
        """A directory is listed in pages, by name; what no client can name is counted."""
        for name in ("b", "a", "c"):
            self.put(name, b"")
        (self.directory / "bad\nname").touch()
        ((head, content),) = self.ask({"type": "list", "path": "", "count": 2})
        self.assertEqual([line.split(b'"')[3] for line in content.splitlines()], [b"a", b"b"])
        self.assertEqual((head["next"], head["unnameable"]), ("b", 1))
        ((head, content),) = self.ask({"type": "list", "path": "", "after": "b"})
        self.assertEqual([line.split(b'"')[3] for line in content.splitlines()], [b"c"])
        self.assertNotIn("next", head)

    def test_long_pages_are_cut(self) -> None:
        """A page of very long names is shorter than what was asked for; nothing is lost of it (croc#1299)."""
        for number in range(1200):
            (self.directory / f"{number:04}{'n' * 250}").touch()
        names: list[bytes] = []
        after: dict[str, Any] = {}
        pages = 0
        while True:
            ((head, content),) = self.ask({"type": "list", "path": "", **after})
            names += [line.split(b'"')[3][:4] for line in content.splitlines()]
            pages += 1
            if "next" not in head:
                break
            after = {"after": head["next"]}
        self.assertEqual(names, [b"%04d" % number for number in range(1200)])
        self.assertGreater(pages, 1)

    def test_bundle(self) -> None:
        """Many small files come in one message, and each has its own result, in order."""
        files = [("d/a", b"one", sha(b"one")), ("../b", b"two", sha(b"two")), ("d/c", b"six", sha(b"other"))]
        content = b"".join(
            encode({"type": "file", "path": path, "digest": digest}, data) for path, data, digest in files
        )
        ((head, lines),) = self.ask({"type": "bundle"}, content)
        self.assertEqual(head["type"], "bundle")
        self.assertIn(sha(b"one").encode(), lines.splitlines()[0])
        self.assertIn(b'"bad-name"', lines.splitlines()[1])
        self.assertIn(b'"digest-mismatch"', lines.splitlines()[2])
        self.assertEqual([path.name for path in (self.directory / "d").iterdir()], ["a"])
        results = [(record["path"], record["result"]) for record in self.records.kept if record["what"] == "put"]
        self.assertEqual(results, [("d/a", "ok"), ("../b", "bad-name"), ("d/c", "digest-mismatch")])

    def test_large_bundle(self) -> None:
        """A bundle of more than one group is published group by group."""
        content = b"".join(
            encode({"type": "file", "path": f"{number}", "digest": sha(b"%d" % number)}, b"%d" % number)
            for number in range(200)
        )
        ((_, lines),) = self.ask({"type": "bundle", "if": "absent"}, content)
        self.assertEqual(len(lines.splitlines()), 200)
        self.assertEqual(len([*self.directory.iterdir()]), 200)
        ((_, lines),) = self.ask({"type": "bundle", "if": "absent"}, content)
        self.assertEqual(lines.count(b'"exists"'), 200)

    def test_broken_bundle(self) -> None:
        """A bundle that can't be read to its end is answered by an error; the session goes on."""
        whole = encode({"type": "file", "path": "a", "digest": sha(b"one")}, b"one")
        self.assertEqual(self.code({"type": "bundle"}, whole + whole[:-1]), "bad-request")
        self.assertEqual(self.ask({"type": "ping"}), [({"type": "ping", "id": 1}, b"")])

    def get_bundle(self, *paths: str) -> list[tuple[dict[str, Any], bytes]]:
        """Get small files; give what is said of each."""
        lines = b"".join(b'{"path":"%b"}\n' % path.encode() for path in paths)
        replies = self.ask({"type": "get-bundle"}, lines)
        answers = [answer for _, run in replies for answer in decode(run)]
        self.assertEqual(sum(head["count"] for head, _ in replies), len(paths))
        return answers

    def test_get_bundle(self) -> None:
        """Many small files are got by one request, each is logged, and what fails is told in its place."""
        self.put("a", b"one")
        self.put("b", b"two")
        first, missing, last = self.get_bundle("a", "none", "b")
        self.assertEqual((first[1], first[0]["digest"], last[1]), (b"one", sha(b"one"), b"two"))
        self.assertEqual(missing[0]["code"], "not-found")
        told = [(r["path"], r["size"], r["digest"], r["result"]) for r in self.records.kept if r["what"] == "get"]
        self.assertEqual(
            told, [("a", 3, sha(b"one"), "ok"), ("none", None, None, "not-found"), ("b", 3, sha(b"two"), "ok")]
        )
        self.assertEqual((self.records.kept[-1]["what"], self.records.kept[-1]["result"]), ("get-bundle", "ok"))

    def test_get_bundle_in_groups(self) -> None:
        """More than a group comes in several messages; files that are more than a bundle has room for are refused."""
        (self.directory / "x").write_bytes(bytes(MAX_FILE))
        replies = self.ask({"type": "get-bundle"}, b'{"path":"x"}\n' * 70)
        self.assertGreater(len(replies), 60)
        self.assertLess(max(len(run) for _, run in replies), 2 * MAX_FILE)
        answers = [header for _, run in replies for header, _ in decode(run)]
        self.assertEqual([header.get("code") for header in answers], [None] * 64 + ["too-large"] * 6)

    def test_the_rest(self) -> None:
        """Directories are made, files renamed, linked and removed."""
        ok = [({"type": "ok", "id": 1}, b"")]
        self.assertEqual(self.ask({"type": "mkdir", "path": "d/e", "parents": True}), ok)
        self.put("d/e/x", b"hello")
        self.assertEqual(self.ask({"type": "rename", "path": "d/e/x", "to": "y"}), ok)
        self.assertEqual(self.ask({"type": "symlink", "path": "l", "target": "y"}), ok)
        ((reply, _),) = self.ask({"type": "stat", "path": "l"})
        self.assertEqual((reply["kind"], reply["target"]), ("symlink", "y"))
        self.assertEqual(self.code({"type": "rename", "path": "y", "to": "l", "if": "absent"}), "exists")
        self.assertEqual(self.ask({"type": "remove", "path": "l"}), ok)
        self.assertEqual(self.code({"type": "remove", "path": "d"}), "not-empty")
        self.assertEqual(sorted(os.listdir(self.directory)), ["d", "y"])  # noqa: PTH208

    def test_bad_requests(self) -> None:
        """What can't be understood is answered by an error, its content dropped, and the session goes on."""
        self.assertEqual(self.code({"type": "bogus"}, b"content"), "unsupported")
        self.assertEqual(self.code({"type": "stat", "path": 7}), "bad-request")
        self.assertEqual(self.code({"type": "part"}, b"content"), "bad-request")
        self.assertEqual(self.code({"type": "abandon"}), "bad-request")
        self.assertEqual(self.code(HELLO), "bad-request")
        self.assertEqual(self.ask({"type": "ping"}), [({"type": "ping", "id": 1}, b"")])

    def test_pipelining(self) -> None:
        """Requests that come all at once are answered in their order."""
        self.put("x", b"hello")
        self.connection.dataReceived(
            b"".join(encode({"type": "get", "id": number, "path": "x"}) for number in range(100))
        )
        self.assertEqual([header["id"] for header, _ in self.answers()], [n for n in range(100) for _ in range(2)])

    def test_audit(self) -> None:
        """The log has who did what to which file, its size and digest, and how it ended."""
        self.put("x", b"hello")
        self.ask({"type": "stat", "path": "no"})
        record, failed = self.records.kept[-2:]
        self.assertEqual(
            (record["user"], record["peer"], record["what"], record["path"], record["size"], record["digest"]),
            ("", "127.0.0.1:4", "put", "x", 5, sha(b"hello")),
        )
        self.assertEqual((record["result"], failed["result"], failed["path"]), ("ok", "not-found", "no"))
        self.ask({"type": "rename", "path": "x", "to": "d/y"})
        self.assertEqual((self.records.kept[-1]["path"], self.records.kept[-1]["result"]), ("x", "not-found"))

    def test_what_the_peer_breaks(self) -> None:
        """A peer that breaks the framing is told what was wrong, after the answers to what it asked before, and cut."""
        self.connection.dataReceived(encode({"type": "ping", "id": 1}) + b"\xff\xff\xff\xff")
        self.assertEqual([header.get("code") for header, _ in self.answers()], [None, "header-too-long"])
        self.assertTrue(self.connection.closing)

    def test_half_a_message(self) -> None:
        """A peer that shuts its side in the middle of a message is told so, after its answers."""
        self.connection.dataReceived(encode({"type": "ping", "id": 1}) + b"\0")
        self.connection.readConnectionLost()
        self.assertEqual([header.get("code") for header, _ in self.answers()], [None, "truncated"])
        self.assertTrue(self.connection.closing)

    def test_half_close(self) -> None:
        """A peer that shuts its side still gets its answers; then the connection is closed."""
        self.connection.dataReceived(encode({"type": "ping", "id": 1}))
        self.connection.readConnectionLost()
        self.assertEqual(self.answers(), [({"type": "ping", "id": 1}, b"")])
        self.assertTrue(self.connection.closing)

    def test_source_changes(self) -> None:
        """A file that changes while it is sent is followed by an error in place of its digest."""
        self.put("x", bytes(2**20))
        self.transport.stalls = True
        self.send({"type": "get", "id": 1, "path": "x"})
        with (self.directory / "x").open("r+b") as file:
            file.write(b"changed")
        self.transport.flow()
        (head, content), (tail, _) = self.answers()
        self.assertEqual((head["type"], len(content), tail["code"]), ("get", 2**20, "changed"))
        self.assertEqual(self.records.kept[-1]["result"], "changed")

    def test_source_shrinks(self) -> None:
        """A file that becomes shorter while it is sent can't be completed: the connection is cut."""
        self.put("x", bytes(2**21))
        self.transport.stalls = True
        self.send({"type": "get", "id": 1, "path": "x"})
        os.truncate(self.directory / "x", 2**19)
        self.transport.flow()
        self.assertTrue(self.transport.aborted)


class BoundsTests(SessionTestCase):
    """What a peer can't hold."""

    def test_a_peer_that_never_reads(self) -> None:
        """Of a large file only a little is read and kept for a peer that takes nothing; and it is let go."""
        self.put("x", bytes(2**23))
        self.transport.stalls = True
        self.send({"type": "get", "id": 1, "path": "x"})
        self.assertLess(len(self.transport.value()), 2**20)
        self.clock.pump([self.idle_timeout / 4] * 5)
        self.assertTrue(self.connection.closing)

    def test_slow_drip(self) -> None:
        """A message that comes byte by byte doesn't hold its place for longer than an idle timeout or so."""
        self.connection.dataReceived(encode({"type": "stat", "id": 1, "path": "x"})[:-1])
        for _ in range(int(self.idle_timeout * 1.5)):
            self.clock.advance(1)
            if self.connection.closing:
                return
            self.connection.bytes_in += 1
        self.fail("the connection was kept open")

    def test_steady_progress(self) -> None:
        """A slow peer that moves what may be asked for is left in peace."""
        self.connection.dataReceived(encode({"type": "stat", "id": 1, "path": "x"})[:-1])
        for _ in range(int(self.idle_timeout * 3)):
            self.clock.advance(1)
            self.connection.bytes_in += LEAST_PROGRESS // 100
        self.assertFalse(self.connection.closing)

    def test_a_client_that_only_pings(self) -> None:
        """A client that has nothing to ask keeps its place with a ping now and then."""
        for _ in range(10):
            self.clock.pump([self.idle_timeout / 6] * 3)
            self.ask({"type": "ping"})
        self.assertFalse(self.connection.closing)

    def test_idle(self) -> None:
        """A client that is quiet for the idle timeout is let go, whatever it says about itself."""
        self.clock.pump([self.idle_timeout / 4] * 5)
        self.assertTrue(self.connection.closing)

    def test_an_unfinished_put_is_idle_too(self) -> None:
        """Who begins a put and then says nothing is let go; the path is free (tusd#1356), the bytes are kept."""
        self.send({"type": "put", "id": 1, "path": "x", "size": 9}, b"one")
        self.clock.pump([self.idle_timeout / 8] * 12)
        self.assertTrue(self.connection.closing)
        self.lose(self.connection)
        self.assertEqual(len(self.staged()), 1)

    def test_stop(self) -> None:
        """A server that stops lets the request that goes on end; one that only waits is closed at once."""
        self.send({"type": "put", "id": 1, "path": "x", "size": 6}, b"one")
        self.connection.drain()
        self.assertFalse(self.connection.closing)
        self.send({"type": "part", "id": 1}, b"two")
        ((reply, _),) = self.ask({"type": "digest", "id": 1, "digest": sha(b"onetwo")})
        self.assertEqual(reply["type"], "ok")
        self.assertTrue(self.connection.closing)
        quiet, _ = self.connect()
        quiet.dataReceived(encode(HELLO))
        quiet.drain()
        self.assertTrue(quiet.closing)


class ReadTests(SessionTestCase):
    """A server whose files are to read only."""

    mode = Mode.READ

    def test_every_change_is_refused(self) -> None:
        """Nothing is changed: each request that would is denied."""
        (self.directory / "x").write_bytes(b"hello")
        for header in (
            {"type": "put", "path": "x", "size": 0},
            {"type": "bundle"},
            {"type": "mkdir", "path": "d"},
            {"type": "rename", "path": "x", "to": "y"},
            {"type": "remove", "path": "x"},
            {"type": "symlink", "path": "l", "target": "x"},
            {"type": "resume", "path": "x", "size": 1},
        ):
            self.assertEqual(self.code(header), "denied", header)
            if header["type"] == "put":
                self.send({"type": "abandon", "id": 1})
        self.assertEqual(len(self.ask({"type": "get", "path": "x"})), 2)
        self.assertEqual(len(self.ask({"type": "get-bundle"}, b'{"path":"x"}\n')), 1)
        self.assertEqual([path.name for path in self.directory.iterdir()], ["x"])


class DropTests(SessionTestCase):
    """A drop box."""

    mode = Mode.DROP

    def test_put_only(self) -> None:
        """Files can be put where nothing is; nothing can be seen, replaced, moved or removed."""
        self.assertEqual(self.put("x", b"hello")["type"], "ok")
        self.assertEqual(self.put("x", b"again")["code"], "exists")
        file = encode({"type": "file", "path": "x", "digest": sha(b"new")}, b"new")
        ((_, lines),) = self.ask({"type": "bundle"}, file)
        self.assertIn(b'"exists"', lines)
        for header in (
            {"type": "stat", "path": "x"},
            {"type": "list", "path": ""},
            {"type": "get", "path": "x"},
            {"type": "get-bundle"},
            {"type": "digest", "path": "x"},
            {"type": "rename", "path": "x", "to": "y"},
            {"type": "remove", "path": "x"},
        ):
            self.assertEqual(self.code(header), "denied", header)
        self.assertEqual((self.directory / "x").read_bytes(), b"hello")


class WorkingTests(SessionTestCase):
    """Work that takes long."""

    def setUp(self) -> None:
        """Begin to hash a file, which won't end until `self.hashing` is fired."""
        super().setUp()
        self.hashing: Deferred[bool] = Deferred()
        self.put("x", b"hello")

        def in_thread(function: Any, *arguments: Any, **options: Any) -> Any:
            return self.hashing if function.__name__ == "hash" else maybeDeferred(function, *arguments, **options)

        self.factory.in_thread = in_thread
        self.connection, self.transport = self.connect()
        self.ask(HELLO)
        self.calls = len(self.clock.getDelayedCalls())
        self.assertEqual(self.ask({"type": "digest", "path": "x"}), [])

    def test_signs_of_life(self) -> None:
        """While the server works it says so from time to time, so that its silence means something."""
        self.clock.pump([WORKING / 2] * 4)
        self.assertEqual([header for header, _ in self.answers()], [{"type": "working", "id": 1}] * 2)
        self.hashing.callback(False)
        self.assertEqual([header["type"] for header, _ in self.answers()], ["digest"])
        self.assertEqual(len(self.clock.getDelayedCalls()), self.calls)

    def test_stop(self) -> None:
        """A server that stops waits for work that goes on, answers, and closes then."""
        self.connection.drain()
        self.assertFalse(self.connection.closing)
        self.hashing.callback(False)
        self.assertEqual([header["type"] for header, _ in self.answers()], ["digest"])
        self.assertTrue(self.connection.closing)

    def test_requests_wait(self) -> None:
        """What is asked meanwhile waits, and is answered in its order."""
        self.assertEqual(self.ask({"type": "ping", "id": 2}), [])
        self.hashing.callback(False)
        self.assertEqual([header["id"] for header, _ in self.answers()], [1, 2])

    def test_nobody_waits(self) -> None:
        """Work for a client that has gone ends with the piece that is being done, and its file is closed."""
        before = descriptors()
        self.lose(self.connection)
        self.hashing.callback(True)
        self.assertEqual(len(before - descriptors()), 1)
        self.assertEqual(self.records.kept[-1]["result"], "disconnected")


class WaitingTests(SessionTestCase):
    """A client that is waited for."""

    def test_silence_while_the_client_is_to_speak(self) -> None:
        """In the middle of a put it is the client that must give signs of life, not the server."""
        self.send({"type": "put", "id": 1, "path": "x", "size": 9}, b"one")
        self.clock.pump([WORKING] * 3)
        self.assertEqual(self.answers(), [])
