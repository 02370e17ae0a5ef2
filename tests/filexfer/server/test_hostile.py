"""Peers that mean harm, or have bad luck at a bad moment: what they can't hold, hide or break."""

import os
import shutil
import socket
import tempfile
import time
import tracemalloc
from collections import deque
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.internet.threads import blockingCallFromThread, deferToThread

from tests.descriptors import Descriptors, descriptors, opened_since
from tests.filexfer.server.sessions import HELLO, SessionTestCase, encode, sha
from tests.net.wires import DEADLINE, WireTestCase, reactor, read_all, wait
from tests.test_header_service import decode
from twisted_lab.filexfer.modes import Mode
from twisted_lab.filexfer.server.accounts import Accounts
from twisted_lab.filexfer.server.factory import HELLO_TIMEOUT, FilexferFactory
from twisted_lab.filexfer.server.greeting import LOGIN_DELAY
from twisted_lab.filexfer.server.session import WORKING
from twisted_lab.filexfer.server.upload import GROUP_COMPONENTS

QUOTA = 2**16


class Threads:
    """What is asked of threads is done when the test says so, a call at a time."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[Deferred[Any], Callable[[], Any]]] = deque()

    def __call__(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> "Deferred[Any]":
        """Take a call."""
        done: Deferred[Any] = Deferred()
        self.waiting.append((done, lambda: maybeDeferred(function, *arguments, **options)))
        return done

    def step(self, then: Callable[[], object] = lambda: None) -> None:
        """Do the first call that waits; before its end is told do `then`."""
        done, call = self.waiting.popleft()
        outcome = call()
        then()
        outcome.chainDeferred(done)

    def run(self) -> None:
        """Do all that waits, and what comes of it."""
        while self.waiting:
            self.step()


class ThreadedTestCase(SessionTestCase):
    """`self.threads` does what blocks; an empty one is a server that has nothing to do."""

    greeted = False

    def setUp(self) -> None:
        """Say hello."""
        self.threads = Threads()
        super().setUp()
        self.factory.in_thread = self.threads
        self.ask(HELLO)

    def make_accounts(self) -> Accounts:
        """Let in everyone, to a share of the disk."""
        return Accounts(self.directory, maybeDeferred, anonymous=self.mode, quota=QUOTA)

    def answers(self) -> list[tuple[dict[str, Any], bytes]]:
        """Do all that is to be done, then give what was sent."""
        self.threads.run()
        return super().answers()

    def begin(self) -> None:
        """Connect anew and say hello, with threads that wait."""
        self.connection, self.transport = self.connect()
        self.ask(HELLO)


class LossTests(ThreadedTestCase):
    """The connection is lost at every moment at which it can be."""

    def check_nothing_is_held(self, before: Descriptors) -> None:
        """Nothing is open, locked or reserved; what is staged can be gone on with, or isn't there."""
        self.threads.run()
        self.assertEqual(opened_since(before), set())
        used = sum(path.stat().st_size for path in self.directory.rglob("*") if path.is_file())
        self.begin()
        for path in ("new", "old"):
            ((reply, _),) = self.ask({"type": "resume", "path": path, "size": 6})
            self.assertEqual(reply["type"], "resume")
        # All that isn't used can be had, and no byte more.
        left = QUOTA - used
        self.assertEqual(self.code({"type": "resume", "path": "large", "size": left + 1}), "quota-exceeded")
        ((reply, _),) = self.ask({"type": "resume", "path": "large", "size": left})
        self.assertEqual(reply["type"], "resume")
        self.lose(self.connection)
        self.threads.run()
        self.assertEqual(opened_since(before), set())

    def check_losses(self, messages: bytes, *, stalls: bool = False) -> None:
        """Let `messages` arrive on ever new connections, and lose each at another moment."""
        before = descriptors()
        lost = True
        moment = 0
        while lost:
            for early in (True, False):
                for path in [*self.directory.iterdir()]:
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
                self.accounts.close()
                self.factory.accounts = self.accounts = self.make_accounts()
                (self.directory / "old").write_bytes(b"before")
                (self.directory / "sub").mkdir()
                self.begin()
                self.transport.stalls = stalls
                self.connection.dataReceived(messages)
                lost = self.step_until(moment, early=early)
                self.lose(self.connection)
                self.check_nothing_is_held(before)
            moment += 1
        self.assertGreater(moment, 1)

    def step_until(self, moment: int, *, early: bool) -> bool:
        """Lose the connection before the call of that number, or before its end is told; False if there are fewer."""
        for _ in range(moment):
            if not self.threads.waiting:
                return False
            self.threads.step()
        if not self.threads.waiting:
            return False
        if early:
            self.lose(self.connection)
        self.threads.step(lambda: self.lose(self.connection))
        return True

    def setUp(self) -> None:
        """Open what is opened once."""
        super().setUp()
        self.ask({"type": "stat", "path": ""})

    def test_put(self) -> None:
        """A put."""
        self.check_losses(
            encode({"type": "put", "id": 1, "path": "new", "size": 6}, b"one")
            + encode({"type": "part", "id": 1}, b"two")
            + encode({"type": "digest", "id": 1, "digest": sha(b"onetwo")})
        )

    def test_half_a_put(self) -> None:
        """Puts whose end never comes: between two parts, and in the middle of one; of a stream nothing stays."""
        for size in ({"size": 6}, {}):
            begun = encode({"type": "put", "id": 1, "path": "new", **size}, b"one")
            self.check_losses(begun + encode({"type": "part", "id": 1}, b"tw"))
            self.check_losses(begun + encode({"type": "part", "id": 1}, b"two")[:-1])
            self.assertEqual(len(self.staged()), len(size))

    def test_put_in_place_of_another(self) -> None:
        """A put of a file that is there, whose share of the disk is given back."""
        self.check_losses(
            encode({"type": "put", "id": 1, "path": "old", "size": 3}, b"one")
            + encode({"type": "digest", "id": 1, "digest": sha(b"one")})
        )

    def test_failing_puts(self) -> None:
        """Puts that are refused, abandoned, and of other bytes than were sent."""
        self.check_losses(
            encode({"type": "put", "id": 1, "path": "no/x", "size": 6}, b"one")
            + encode({"type": "abandon", "id": 1})
            + encode({"type": "put", "id": 2, "path": "new", "size": 6}, b"one")
            + encode({"type": "abandon", "id": 2})
            + encode({"type": "put", "id": 3, "path": "new", "size": 3}, b"one")
            + encode({"type": "digest", "id": 3, "digest": sha(b"two")})
            + encode({"type": "put", "id": 4, "path": "new", "size": 3}, b"more")
            + encode({"type": "abandon", "id": 4})
        )

    def test_stream(self) -> None:
        """A put of a size that isn't known."""
        self.check_losses(
            encode({"type": "put", "id": 1, "path": "new"}, b"one")
            + encode({"type": "part", "id": 1}, b"two")
            + encode({"type": "digest", "id": 1, "digest": sha(b"onetwo")})
        )

    def test_resume(self) -> None:
        """Resumes, one after the other, and puts that follow one, or don't."""
        self.check_losses(
            encode({"type": "resume", "id": 1, "path": "new", "size": 3})
            + encode({"type": "resume", "id": 2, "path": "new", "size": 3})
            + encode({"type": "put", "id": 3, "path": "other", "size": 3}, b"one")
            + encode({"type": "digest", "id": 3, "digest": sha(b"one")})
            + encode({"type": "resume", "id": 4, "path": "new", "size": 3})
            + encode({"type": "put", "id": 5, "path": "new", "size": 3, "offset": 2}, b"o")
            + encode({"type": "abandon", "id": 5})
            + encode({"type": "resume", "id": 6, "path": "new", "size": 3})
            + encode({"type": "put", "id": 7, "path": "new", "size": 3}, b"one")
            + encode({"type": "digest", "id": 7, "digest": sha(b"one")})
        )

    def test_bundle(self) -> None:
        """A bundle of two groups."""
        files = b"".join(
            encode({"type": "file", "path": f"sub/{number}", "digest": sha(b"one")}, b"one") for number in range(70)
        )
        self.check_losses(encode({"type": "bundle", "id": 1}, files))

    def test_get_bundle(self) -> None:
        """A bundle of three groups that is got."""
        for stalls in (False, True):
            self.check_losses(encode({"type": "get-bundle", "id": 1}, b'{"path":"old"}\n' * 150), stalls=stalls)

    def test_get_and_digest(self) -> None:
        """What only reads."""
        for stalls in (False, True):
            self.check_losses(
                encode({"type": "get", "id": 1, "path": "old"})
                + encode({"type": "digest", "id": 2, "path": "old"})
                + encode({"type": "list", "id": 3, "path": ""}),
                stalls=stalls,
            )

    def test_changes(self) -> None:
        """What changes names."""
        self.check_losses(
            encode({"type": "rename", "id": 1, "path": "old", "to": "sub/x"})
            + encode({"type": "symlink", "id": 2, "path": "l", "target": "sub"})
            + encode({"type": "remove", "id": 3, "path": "sub/x"})
            + encode({"type": "mkdir", "id": 4, "path": "a/b", "parents": True})
        )


class HoldTests(ThreadedTestCase):
    """What a peer can't hold by being slow, and what a slow server doesn't hold against it."""

    def test_our_signs_of_life_are_not_the_peers(self) -> None:
        """A peer that never takes an answer is let go, however often the server could say that it works."""
        for number in range(600):
            (self.directory / f"{number:04}{'n' * 200}").touch()
        self.transport.stalls = True
        self.send({"type": "list", "id": 1, "path": ""})
        self.threads.run()
        self.assertTrue(self.connection.session.busy)
        self.clock.pump([WORKING / 2] * int(4 * self.idle_timeout / WORKING))
        self.assertTrue(self.connection.closing)

    def test_the_servers_slowness_is_not_the_peers(self) -> None:
        """A client isn't let go for half a message that the server had no time to read."""
        (self.directory / "x").write_bytes(b"hello")
        self.send({"type": "digest", "id": 1, "path": "x"})
        self.connection.dataReceived(encode({"type": "stat", "id": 2, "path": "x"})[:-1])
        self.clock.pump([WORKING / 2] * int(6 * self.idle_timeout / WORKING))
        self.assertFalse(self.connection.closing)
        self.threads.run()
        self.clock.pump([WORKING / 2] * int(4 * self.idle_timeout / WORKING))
        self.assertTrue(self.connection.closing)

    def test_headers_that_weigh_much(self) -> None:
        """Requests that wait aren't counted by their number: one can be made to occupy 30 times its bytes."""
        self.send({"type": "mkdir", "id": 1, "path": "d"})
        for value in (["[]"] * 21000, ['"\U0001f9e8%s"' % ("x" * 63000)]):
            heavy = b'{"type":"ping","id":1,"a":[' + ",".join(value).encode() + b"]}"
            tracemalloc.start()
            for _ in range(64):
                if not self.connection.paused:
                    self.connection.dataReceived(len(heavy).to_bytes(4, "big") + heavy)
            self.assertLess(tracemalloc.get_traced_memory()[0], 2**22)
            tracemalloc.stop()
            self.connection, self.transport = self.connect()
            self.ask(HELLO)
            self.send({"type": "mkdir", "id": 1, "path": "e"})

    def test_nothing_is_sent_on_a_closing_connection(self) -> None:
        """What was asked before the connection was closed isn't read into memory: nobody holds it back any more."""
        (self.directory / "x").write_bytes(bytes(2**22))
        self.send({"type": "mkdir", "id": 1, "path": "d"})
        self.send({"type": "get", "id": 2, "path": "x"})
        self.connection.close("idle")
        self.transport.clear()
        self.threads.run()
        self.assertEqual(self.transport.value(), b"")

    def test_a_refused_put_frees_its_path(self) -> None:
        """What a resume has locked is free once the put that follows it is refused."""
        self.put("x", b"hello")
        self.ask({"type": "resume", "path": "x", "size": 9})
        self.assertEqual(self.code({"type": "put", "path": "x", "size": 9, "if": "absent"}), "exists")
        self.send({"type": "abandon", "id": 1})
        self.begin()
        ((reply, _),) = self.ask({"type": "resume", "path": "x", "size": 9})
        self.assertEqual(reply["type"], "resume")

    def test_a_bundle_of_deep_names(self) -> None:
        """No call of a thread makes more than some thousands of directories, however many a bundle asks for."""
        deep = "/a" * 120
        files = b"".join(
            encode({"type": "file", "path": f"{number}{deep}", "digest": sha(b"")}) for number in range(25)
        )
        self.send({"type": "bundle", "id": 1, "durability": "memory"}, files)
        most = 0
        while self.threads.waiting:
            before = count_directories(self.directory)
            self.threads.step()
            most = max(most, count_directories(self.directory) - before)
        self.assertLess(most, GROUP_COMPONENTS + 600)
        self.assertEqual(count_directories(self.directory), 3000)

    def test_a_slow_pipe(self) -> None:
        """A put whose source gives nothing for hours is kept alive by parts without content."""
        self.send({"type": "put", "id": 1, "path": "x"}, b"one")
        for _ in range(20):
            self.send({"type": "part", "id": 1})
            self.threads.run()
            self.clock.advance(self.idle_timeout / 3)
        self.assertFalse(self.connection.closing)

    def test_signs_of_life_on_a_closing_connection(self) -> None:
        """A connection that closes while the server works is told nothing more, and nothing fails."""
        self.send({"type": "mkdir", "id": 1, "path": "d"})
        self.connection.close("idle")
        self.transport.clear()
        self.clock.pump([WORKING] * 3)
        self.assertEqual(self.transport.value(), b"")
        self.threads.run()


class EndTests(ThreadedTestCase):
    """What a session's end leaves behind, and says."""

    def test_half_close_in_a_put(self) -> None:
        """A client that shuts its side before its put is whole has broken nothing, and nothing is to be said."""
        self.send({"type": "put", "id": 1, "path": "x", "size": 6}, b"one")
        self.threads.run()
        self.connection.readConnectionLost()
        self.assertEqual(self.answers(), [])
        self.assertTrue(self.transport.disconnecting)
        self.assertEqual(self.records.kept[-1]["result"], "disconnected")

    def test_half_close_after_a_refused_put(self) -> None:
        """A client that shuts its side when it is told that its put is refused has broken nothing either."""
        self.assertEqual(self.code({"type": "put", "path": "no/x", "size": 6}, b"one"), "not-found")
        self.connection.readConnectionLost()
        self.assertEqual(self.answers(), [])
        self.assertTrue(self.transport.disconnecting)

    def test_nothing_is_done_after_a_cut(self) -> None:
        """When content can't be completed the connection is cut: what was asked after it isn't done, nor fails."""
        (self.directory / "x").write_bytes(bytes(2**20))
        self.connection.dataReceived(
            encode({"type": "get", "id": 1, "path": "x"})
            + encode({"type": "ping", "id": 2})
            + encode({"type": "remove", "id": 3, "path": "x"})
        )
        self.threads.step()
        os.truncate(self.directory / "x", 0)
        self.threads.run()
        self.assertTrue(self.transport.aborted)
        self.assertTrue((self.directory / "x").exists())
        self.assertEqual([record["what"] for record in self.records.kept], ["hello", "get"])

    def test_a_left_over_that_has_gone(self) -> None:
        """That what is left over can't be let go of properly is no error of the request that happens to come next."""
        for lost in (False, True):
            self.begin()
            self.ask({"type": "resume", "path": "x", "size": 9})
            (staged,) = self.staged()
            (self.directory / staged).unlink()
            if lost:
                self.lose(self.connection)
                self.threads.run()
            else:
                ((reply, _),) = self.ask({"type": "stat", "path": ""})
                self.assertEqual(reply["type"], "stat")


class AuditTests(ThreadedTestCase):
    """What a client can't hide from the log."""

    def test_what_was_done_for_who_has_gone(self) -> None:
        """What was done is logged as done, though the client had gone when it was answered."""
        (self.directory / "x").touch()
        self.send({"type": "remove", "id": 1, "path": "x"})
        self.threads.step(lambda: self.lose(self.connection))
        self.assertFalse((self.directory / "x").exists())
        record = self.records.kept[-1]
        self.assertEqual((record["what"], record["path"], record["result"]), ("remove", "x", "ok"))

    def test_a_bundle_for_who_has_gone(self) -> None:
        """Each file that a bundle published is logged, though the client had gone by then."""
        self.send({"type": "bundle", "id": 1}, encode({"type": "file", "path": "x", "digest": sha(b"one")}, b"one"))
        self.threads.step(lambda: self.lose(self.connection))
        self.assertTrue((self.directory / "x").exists())
        self.assertIn(("put", "x", "ok"), [(r["what"], r["path"], r["result"]) for r in self.records.kept])

    def test_a_client_that_reads_no_bundle(self) -> None:
        """For a client that doesn't read one group goes out and one is read ahead, and no thread waits."""
        (self.directory / "x").write_bytes(b"one")
        self.transport.stalls = True
        self.send({"type": "get-bundle", "id": 1}, b'{"path":"x"}\n' * 1000)
        self.threads.run()
        ((header, _),) = decode(self.transport.value())
        self.assertEqual(header["count"], 64)
        self.assertEqual([r for r in self.records.kept if r["what"] == "get"], [])
        self.lose(self.connection)
        self.threads.run()
        told = [r["result"] for r in self.records.kept if r["what"] == "get"]
        self.assertEqual(told, ["disconnected"] * 64)

    def test_a_client_that_breaks_the_protocol(self) -> None:
        """A put that ended because its client broke the protocol isn't logged as a fault of ours."""
        self.send({"type": "put", "id": 1, "path": "x", "size": 6}, b"one")
        self.connection.dataReceived(b"\xff\xff\xff\xff")
        self.threads.run()
        self.assertEqual(self.records.kept[-1]["result"], "header-too-long")


class LoginRaceTests(SessionTestCase):
    """Logins and connections that end at the same time."""

    greeted = False

    def setUp(self) -> None:
        """Log in in threads."""
        self.threads = Threads()
        super().setUp()

    def make_accounts(self) -> Accounts:
        """Let in everyone, when the test says so."""
        return Accounts(self.directory, self.threads, anonymous=self.mode)

    def test_a_guess_without_waiting(self) -> None:
        """Who guesses a password and doesn't wait to be told is logged like anyone else."""
        self.send({**HELLO, "user": "eve", "password": "guess"})
        self.lose(self.connection)
        self.clock.advance(LOGIN_DELAY)
        self.assertEqual([(r["user"], r["result"]) for r in self.records.kept], [("eve", "login-failed")])

    def test_gone_while_logging_in(self) -> None:
        """Who has gone by the time that it is let in is logged too, and leaves nothing behind."""
        self.send(HELLO)
        self.lose(self.connection)
        self.threads.run()
        self.assertEqual([(r["what"], r["result"]) for r in self.records.kept], [("hello", "ok")])

    def test_let_in_at_the_deadline(self) -> None:
        """A login that comes out at the very moment of the deadline changes nothing, and fails nothing."""
        self.send(HELLO)
        self.clock.advance(HELLO_TIMEOUT)
        self.assertTrue(self.transport.aborted)
        self.threads.run()
        self.lose(self.connection)

    def test_requests_before_the_welcome(self) -> None:
        """What is pipelined after hello waits, within bounds, and is answered after the welcome."""
        self.connection.dataReceived(encode(HELLO) + encode({"type": "ping", "id": 1}) * 4000)
        self.assertTrue(self.connection.paused)
        self.assertEqual(self.answers(), [])
        self.threads.run()
        self.assertEqual([header["type"] for header, _ in self.answers()], ["hello"] + ["ping"] * 4000)

    def test_stopping_while_logging_in(self) -> None:
        """A server that stops doesn't wait for a login; when it comes out nothing is left to be done."""
        self.send(HELLO)
        self.connection.drain()
        self.assertTrue(self.connection.closing)
        self.accounts.close()
        self.threads.run()
        self.lose(self.connection)
        self.assertEqual([r["result"] for r in self.records.kept], ["access"])


class WireTests(WireTestCase):
    """Real sockets and real threads."""

    def setUp(self) -> None:
        """Serve an empty directory."""
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        self.accounts = Accounts(self.directory, run_in_thread, anonymous=Mode.READ_WRITE)
        self.addCleanup(self.accounts.close)
        self.factory = FilexferFactory(reactor, self.accounts, run_in_thread, close_timeout=0.2)

    async def test_half_close_and_late_reading(self) -> None:
        """A client that asks, shuts its side and reads late gets all of it: it isn't cut off at the last piece."""
        content = os.urandom(2**20)
        (self.directory / "x").write_bytes(content)
        port = await self.serve(self.factory)

        def talk(client: socket.socket) -> bytes:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**15)  # so that much of it waits at the server
            client.sendall(encode(HELLO) + encode({"type": "get", "id": 1, "path": "x"}))
            client.shutdown(socket.SHUT_WR)
            time.sleep(1.0)
            return read_all(client)

        messages = decode(await self.as_client(port, talk))
        self.assertEqual([header["type"] for header, _ in messages], ["hello", "get", "digest"])
        self.assertEqual((messages[1][1], messages[2][0]["digest"]), (content, sha(content)))

    async def test_keepalive(self) -> None:
        """The kernel asks from time to time whether a quiet client's machine is still there."""
        port = await self.serve(self.factory)
        built: list[Any] = []
        build = self.factory.buildProtocol

        def note(address: Any) -> Any:
            built.append(build(address))
            return built[-1]

        self.factory.buildProtocol = note  # type: ignore[method-assign, assignment]

        def talk(client: socket.socket) -> bool:
            client.sendall(encode(HELLO))
            client.recv(4)
            return bool(blockingCallFromThread(reactor, built[0].transport.getTcpKeepAlive))

        self.assertTrue(await self.as_client(port, talk))

    async def test_stop_in_the_middle(self) -> None:
        """A stop lets gets, puts and bundles that go on end in time; what doesn't is cut, and nothing stays open."""
        (self.directory / "x").write_bytes(os.urandom(2**22))
        begun: list[int] = []
        clock, stopping = Clock(), Event()
        self.patch(self.factory, "clock", clock)
        port = await self.serve(self.factory)

        def put(client: socket.socket) -> bytes:
            client.sendall(encode(HELLO) + encode({"type": "put", "id": 1, "path": "y", "size": 6}, b"one"))
            client.recv(1)
            begun.append(1)
            stopping.wait(DEADLINE)
            client.sendall(encode({"type": "part", "id": 1}, b"two"))
            client.sendall(encode({"type": "digest", "id": 1, "digest": sha(b"onetwo")}))
            return read_all(client)

        def silent(client: socket.socket) -> bytes:
            client.sendall(encode(HELLO) + encode({"type": "put", "id": 1, "path": "z", "size": 6}, b"one"))
            client.recv(1)
            begun.append(1)
            try:
                return read_all(client)
            except ConnectionError:
                return b"cut"

        def get(client: socket.socket) -> bytes:
            client.sendall(encode(HELLO) + encode({"type": "get", "id": 1, "path": "x"}))
            client.recv(1)
            begun.append(1)
            stopping.wait(DEADLINE)
            return read_all(client)

        talks = [self.as_client(port, each) for each in (put, silent, get)]
        outcomes = [Deferred.fromCoroutine(talk) for talk in talks]
        await wait(lambda: len(begun) == 3)
        stopped = self.stop(self.factory, 1.0)
        stopping.set()
        put_answer, get_answer = await outcomes[0], await outcomes[2]
        clock.advance(0.9)
        self.assertFalse(outcomes[1].called)
        clock.advance(0.1)
        silent_answer = await outcomes[1]
        await stopped
        self.assertIn(b'"ok"', put_answer)
        self.assertEqual((self.directory / "y").read_bytes(), b"onetwo")
        self.assertIn(sha((self.directory / "x").read_bytes()).encode(), get_answer)
        self.assertNotIn(b'"ok"', silent_answer)
        self.assertEqual(len([*self.directory.glob(".filexfer-*")]), 1)


def count_directories(directory: Path) -> int:
    """Give how many directories are in `directory`, however deep."""
    return sum(len(below) for _, below, _ in os.walk(directory))


def run_in_thread(function: Callable[..., Any], *arguments: Any, **options: Any) -> "Deferred[Any]":
    """Run it in the reactor's threads."""
    return deferToThread(function, *arguments, **options)
