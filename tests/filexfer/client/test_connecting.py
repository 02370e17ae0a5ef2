"""How a client comes to its files: endpoints, hello, passwords, deadlines."""

import subprocess
import sys
from typing import Any

from twisted.internet import error
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.defer import CancelledError, ensureDeferred, fail
from twisted.internet.endpoints import TCP4ClientEndpoint, UNIXClientEndpoint
from twisted.trial.unittest import SynchronousTestCase

from tests.filexfer.client.fake_server import WELCOME, FakeServer
from tests.net.wires import reactor
from twisted_lab import filexfer
from twisted_lab.filexfer.client.connecting import connect, endpoint_from
from twisted_lab.filexfer.errors import DeniedError, DisconnectedError, FilexferError, LoginFailedError
from twisted_lab.filexfer.messages.replies import welcome_fields
from twisted_lab.net.host_endpoint import HostEndpoint
from twisted_lab.wire.errors import RemoteProtocolError

SECRET = "open sesame"  # noqa: S105  # of nobody
ELSEWHERE = IPv4Address("TCP", "192.0.2.1", 5680)


class HelloTests(SynchronousTestCase):
    """`connect`."""

    def setUp(self) -> None:
        """Have a server on this machine."""
        self.server = FakeServer()

    def tearDown(self) -> None:
        """No timer is left."""
        self.assertEqual(self.server.clock.getDelayedCalls(), [])

    def welcome(self, identity: int, **more: Any) -> None:
        """Answer hello."""
        self.server.say({**welcome_fields(WELCOME, identity), **more})

    def test_awaited(self) -> None:
        """Hello is the first message; its answer is kept."""
        connecting = self.server.connecting(user="alice", password=SECRET)
        (hello,) = self.server.take_headers()
        expected = {"versions": [1], "digests": ["blake3", "sha-256"], "user": "alice", "password": SECRET}
        self.assertEqual(hello, {"type": "hello", "id": hello["id"], **expected})
        self.assertNoResult(connecting)
        self.welcome(hello["id"], mode="drop")
        files = self.successResultOf(connecting)
        self.assertEqual((files.welcome.mode, files.welcome.digest), ("drop", "sha-256"))
        self.server.lose()

    def test_context(self) -> None:
        """With ``async with`` it is closed at the end, well or not."""

        async def work() -> None:
            async with connect(self.server.clock, self.server):
                raise ZeroDivisionError

        working = ensureDeferred(work())
        self.welcome(self.server.take_headers()[0]["id"])
        self.assertNoResult(working)
        self.assertTrue(self.server.transport.disconnecting)
        self.server.lose()
        self.failureResultOf(working, ZeroDivisionError)

    def test_refused(self) -> None:
        """A server that doesn't let one in says so, and the connection is closed."""
        connecting = self.server.connecting()
        identity = self.server.take_headers()[0]["id"]
        self.server.say({"type": "error", "id": identity, "code": "login-failed", "message": "no"})
        self.failureResultOf(connecting, LoginFailedError)
        self.assertTrue(self.server.transport.aborted)

    def test_too_many(self) -> None:
        """One that has no place says so before it has read anything."""
        connecting = self.server.connecting()
        self.server.say({"type": "error", "code": "too-many-connections", "message": "no place"})
        self.assertEqual(self.failureResultOf(connecting, FilexferError).value.code, "too-many-connections")

    def test_strange_answers(self) -> None:
        """What isn't an answer to that hello isn't taken for one."""
        strange: list[dict[str, Any]] = [{"version": 2}, {"digest": "md5"}, {"limits": {}}, {"type": "ok"}, {"id": 77}]
        for more in [*strange, {"mode": 7}]:
            with self.subTest(more=more):
                self.server = FakeServer()
                connecting = self.server.connecting()
                self.welcome(self.server.take_headers()[0]["id"], **more)
                self.failureResultOf(connecting, RemoteProtocolError)
                self.assertTrue(self.server.transport.aborted)
                self.tearDown()

    def test_something_else_listens(self) -> None:
        """A server of another protocol is known at once."""
        connecting = self.server.connecting()
        self.server.hear(b"SSH-2.0-OpenSSH_9.2\r\n")
        self.failureResultOf(connecting, RemoteProtocolError)

    def test_closed(self) -> None:
        """A connection that ends instead of an answer is lost."""
        connecting = self.server.connecting()
        self.server.lose(error.ConnectionLost())
        self.failureResultOf(connecting, DisconnectedError)

    def test_passwords_stay_here(self) -> None:
        """A password isn't sent where it could be read on the way; nothing is."""
        self.server = FakeServer(ELSEWHERE)
        connecting = self.server.connecting(user="alice", password=SECRET)
        self.failureResultOf(connecting, DeniedError)
        self.assertEqual(self.server.take(), [])
        self.assertTrue(self.server.transport.aborted)

    def test_passwords_on_a_unix_socket(self) -> None:
        """On this machine they are."""
        self.server = FakeServer(UNIXAddress("/run/x"))  # type: ignore[arg-type]
        connecting = self.server.connecting(password=SECRET)
        self.assertEqual(self.server.take_headers()[0]["password"], SECRET)
        self.server.lose()
        self.failureResultOf(connecting, DisconnectedError)

    def test_no_password(self) -> None:
        """Without one there is nothing to hide."""
        self.server = FakeServer(ELSEWHERE)
        connecting = self.server.connecting()
        self.welcome(self.server.take_headers()[0]["id"])
        self.successResultOf(connecting)
        self.server.lose()

    def test_no_answer(self) -> None:
        """Whatever doesn't answer in time is given up."""
        connecting = self.server.connecting(timeout=3.0)
        self.server.clock.advance(2.9)
        self.assertNoResult(connecting)
        self.server.clock.advance(0.1)
        self.assertIn("for 3 s", str(self.failureResultOf(connecting, DisconnectedError).value))
        self.assertTrue(self.server.transport.aborted)

    def test_cancelled(self) -> None:
        """Cancelling it ends the connection."""
        connecting = self.server.connecting()
        connecting.cancel()
        self.failureResultOf(connecting, CancelledError)
        self.assertTrue(self.server.transport.aborted)

    def test_unreachable(self) -> None:
        """What keeps one from connecting is said, and kept as the cause."""
        for why, word in (
            (error.ConnectionRefusedError(osError=111), "refused"),
            (error.DNSLookupError("no such host"), "host"),
        ):
            self.server.connect = lambda _, why=why: fail(why)  # type: ignore[method-assign, misc]
            failure = self.failureResultOf(self.server.connecting(), DisconnectedError)
            self.assertIn(word, str(failure.value))
            self.assertIs(failure.value.__cause__, why)


class EndpointTests(SynchronousTestCase):
    """`endpoint_from`."""

    def test_kinds(self) -> None:
        """HOST:PORT, Twisted's endpoint strings, and endpoints."""
        for text, kind in (
            ("example.org:80", HostEndpoint),
            ("[::1]:80", HostEndpoint),
            ("tcp:127.0.0.1:5680", TCP4ClientEndpoint),
            ("unix:/run/x", UNIXClientEndpoint),
        ):
            self.assertIsInstance(endpoint_from(reactor, text), kind, text)
        server = FakeServer()
        self.assertIs(endpoint_from(reactor, server), server)

    def test_nonsense(self) -> None:
        """What is none of them is said to be none."""
        for text in ("", "example.org", "example.org:0", "example.org:99999", "nonsense:1:2"):
            with self.assertRaises(ValueError) as caught:
                endpoint_from(reactor, text)
            self.assertIn("neither", str(caught.exception))


class PackageTests(SynchronousTestCase):
    """What `twisted_lab.filexfer` itself offers."""

    def test_names(self) -> None:
        """Each name leads to what it says; others don't exist."""
        for name in filexfer.__all__:
            self.assertEqual(getattr(filexfer, name).__name__, name)
        self.assertRaises(AttributeError, getattr, filexfer, "nothing")

    def test_cheap(self) -> None:
        """Errors and names don't load the client, the reactor or TLS."""
        program = (
            "import sys, twisted_lab.filexfer.errors, twisted_lab.filexfer.names\n"
            "print([name for name in ('twisted', 'blake3', 'ssl', 'OpenSSL') if name in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, "[]\n")
