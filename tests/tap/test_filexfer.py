"""``twistd filexfer``: who may come in, and what doesn't start."""

import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import trustme
from twisted.application.internet import TimerService
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.net.handshakes import self_signed
from twisted_lab.filexfer.modes import Mode
from twisted_lab.filexfer.server.factory import FilexferFactory
from twisted_lab.filexfer.server.users_file import User
from twisted_lab.tap.filexfer import FilexferService, Options, is_near, makeService
from twisted_lab.tap.options import CommandService, Exit

NEAR = "tcp:0:interface=127.0.0.1"


class OptionsTestCase(SynchronousTestCase):
    """A root, and files to name on the command line."""

    def setUp(self) -> None:
        """Make them."""
        self.files = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.root = self.files / "root"
        self.root.mkdir()
        self.passwords = self.files / "passwords"
        self.passwords.write_text("alice:secret\n")
        self.certificates = self.files / "certificates"
        self.certificates.mkdir()
        self_signed(self.certificates / "a.pem", "localhost")
        self.ca = self.files / "ca.pem"
        trustme.CA().cert_pem.write_to_path(self.ca)
        self.users = self.files / "users.toml"
        self.users.write_text("[users.alice]\nquota = 5\n")
        self.auth = ("--auth", f"file:{self.passwords}")
        self.tls = f"tls:{self.certificates}:0"

    def parse(self, *words: str) -> Options:
        """Parse a command line with the root."""
        options = Options()
        options.parseOptions(["--root", str(self.root), *words])
        return options

    def listen(self, *endpoints: str) -> list[str]:
        """Give the words of the command line for them."""
        return [word for endpoint in endpoints for word in ("--listen", endpoint)]

    def refused(self, sentence: str, *words: str, status: int = os.EX_USAGE) -> None:
        """Assert that a command line is refused with one line that has `sentence` in it."""
        with mock.patch.object(sys, "stderr", io.StringIO()) as err:
            error = self.assertRaises(Exit, self.parse, *words)
        self.assertEqual((error.code, err.getvalue().count("\n")), (status, 1), err.getvalue())
        self.assertTrue(err.getvalue().startswith("twistd filexfer: "), err.getvalue())
        self.assertIn(sentence, err.getvalue())


class AccessTests(OptionsTestCase):
    """Who may come in."""

    def test_default(self) -> None:
        """What this machine alone can reach is open to read and write, unless something else is said."""
        loopback = "interface=\\:\\:1"
        near = self.listen(NEAR, "unix:/nowhere", f"tcp6:0:{loopback}", f"{self.tls}:{loopback}")
        for words in ([], near):
            self.assertEqual(self.parse(*words)["anonymous"], Mode.READ_WRITE)
        for mode in ("read", "write", "drop"):
            expected = {"read": Mode.READ, "write": Mode.READ_WRITE, "drop": Mode.DROP}[mode]
            self.assertEqual(self.parse("--anonymous", mode)["anonymous"], expected)
        self.assertIsNone(self.parse(*self.auth)["anonymous"])

    def test_other_machines(self) -> None:
        """What other machines can reach doesn't start until it is said who may come in; one such endpoint is enough."""
        for endpoint in (
            "tcp:0",
            "tcp6:0",
            "tcp:0:interface=0.0.0.0",
            "tcp:0:interface=192.168.0.1",
            "tcp:0:interface=localhost",
            f"haproxy:{NEAR}",
            self.tls,
        ):
            words = self.listen(NEAR, endpoint)
            self.refused(f"{endpoint} can be reached from other machines", *words)
            self.assertIsNone(self.parse(*words, *self.auth)["anonymous"])
            self.assertEqual(self.parse(*words, "--anonymous", "drop")["anonymous"], Mode.DROP)

    def test_passwords_that_nobody_can_give(self) -> None:
        """A server that takes only passwords, where it would take none, doesn't start."""
        for words in (self.listen("tcp:0"), self.listen("tcp6:0", f"haproxy:{NEAR}")):
            self.refused("passwords are taken only over TLS or on this machine", *words, *self.auth)
            self.parse(*words, *self.auth, "--anonymous", "read")
            self.parse(*words, *self.auth, *self.listen(NEAR))
            self.parse(*words, *self.auth, *self.listen(self.tls))

    def test_client_certificates(self) -> None:
        """--client-ca is enough to open tls: to other machines, and of no use anywhere else."""
        ca = ("--client-ca", str(self.ca))
        self.assertIsNone(self.parse(*ca, *self.listen(self.tls))["anonymous"])
        self.refused("certificates come over TLS only", *ca)
        self.refused("certificates come over TLS only", *ca, *self.listen("tcp:0"))
        key = self.certificates / "a.pem"
        self.refused("ssl: can't ask", *ca, *self.listen(self.tls, f"ssl:0:privateKey={key}:certKey={key}"))
        self.refused("No such file", "--client-ca", "/nowhere", *self.listen(self.tls))

    def test_users_without_a_way_in(self) -> None:
        """A users file alone lets nobody in: that is said, rather than everybody let in."""
        for words in ([], ["--anonymous", "read"]):
            self.refused("there is no way for a user to log in", "--users", str(self.users), *words)

    def test_near(self) -> None:
        """An endpoint is near only if that is certain, however it is written."""
        for text in (NEAR, "tcp:80:interface=127.9.9.9", "unix:/x:mode=666", "tls:a\\:b:1:interface=127.0.0.1"):
            self.assertTrue(is_near(text), text)
        for text in (
            "tcp:80",
            "tcp:80:interface=",
            "tcp:80:interface=127.0.0.1:interface=0.0.0.0",
            "tls:interface=127.0.0.1:80",
            "tcp:80:interface=127.0.0.1.example.org",
            "systemd:domain=INET:index=0",
            "haproxy:unix:/x",
            "",
        ):
            self.assertFalse(is_near(text), text)


class MistakesTests(OptionsTestCase):
    """What is wrong with the options, and with the files that they name."""

    def test_options(self) -> None:
        """Each mistake names its option."""
        for words, sentence in {
            ("--anonymous", "admin"): "--anonymous: 'admin' isn't one of read, write, drop",
            ("--quota", "much"): "--quota: 'much' isn't a size",
            ("--auth", "telepathy"): "--auth telepathy: Auth plugin not recognized",
            ("--auth", "file:/nowhere"): "--auth file:/nowhere: there is no such file",
            ("--listen", f"tls:{self.certificates}"): "it would be tls:DIR:PORT",
            ("--listen", f"tls:{self.certificates}:http"): "isn't an endpoint",
            ("--listen", f"tls:{self.root}:0"): "no certificate",
            ("--listen", "carrier-pigeon:1"): "isn't an endpoint",
        }.items():
            self.refused(sentence, *words)

    def test_password_is_not_shown(self) -> None:
        """What follows --auth may be a password: it isn't repeated in the error."""
        with mock.patch.object(sys, "stderr", io.StringIO()) as err:
            self.assertRaises(Exit, self.parse, "--auth", "memory:alice:s3cret:bob")
        self.assertIn("--auth memory: ", err.getvalue())
        self.assertNotIn("s3cret", err.getvalue())

    def test_root(self) -> None:
        """A root that isn't there, isn't a directory, or isn't to be written to where clients may, has its status."""
        with mock.patch.object(sys, "stderr", io.StringIO()) as err:
            error = self.assertRaises(Exit, Options().parseOptions, [])
        self.assertEqual((error.code, err.getvalue()[:34]), (os.EX_USAGE, "twistd filexfer: --root is missing"))
        file = str(self.passwords)
        self.refused(f"{file}: it isn't a directory", "--root", file, status=os.EX_NOINPUT)
        self.refused("/nowhere: there is no such directory", "--root", "/nowhere", status=os.EX_NOINPUT)
        with mock.patch("os.access", lambda _, kind: not kind & os.W_OK):
            for words in ([], ["--anonymous", "drop"], self.auth):
                self.refused("it can't be written to", *words, status=os.EX_CANTCREAT)
            self.parse("--anonymous", "read")
            self.users.write_text("[users.alice]\nmode = 'read'\n[users.bob]\nroot = '/srv'\n")
            self.parse(*self.auth, "--users", str(self.users))
        with mock.patch("os.access", lambda _, kind: kind == os.W_OK):
            self.refused("it can't be read", status=os.EX_NOINPUT)

    def test_users(self) -> None:
        """A users file that isn't there, or has a mistake, has its status, and the mistake its user and key."""
        self.refused("--users /nowhere: No such file", *self.auth, "--users", "/nowhere", status=os.EX_NOINPUT)
        self.users.write_text("[users.alice]\nmode = 'admin'\n")
        words = (*self.auth, "--users", str(self.users))
        self.refused(f"--users {self.users}: users.alice.mode: it has to be one of", *words, status=os.EX_CONFIG)


class ServiceTests(OptionsTestCase):
    """`makeService`."""

    def test_what_the_options_say(self) -> None:
        """The bounds, the users and the checkers of the command line are those of the service."""
        words = [*self.auth, "--users", str(self.users), "--quota", "1 KiB", "--max-connections", "7", "--grace", "1"]
        options = self.parse(*words, "--listen", NEAR)
        self.assertEqual((options.users, options["quota"]), ({"alice": User(quota=5)}, 1024))
        service = makeService(options)
        assert isinstance(service, FilexferService)
        factory = service.connections.factory
        assert isinstance(factory, FilexferFactory)
        self.assertEqual(factory.max_connections, 7)
        accounts: Any = factory.accounts
        self.assertEqual(len(accounts._portals), 1)
        accounts.close()

    def test_stop(self) -> None:
        """The files are let go of when both the connections and the cleaning have ended, and not before."""
        service = makeService(self.parse())
        assert isinstance(service, FilexferService)
        connections, cleaning = Deferred[None](), Deferred[None]()
        self.patch(CommandService, "stopService", lambda _: connections)
        self.patch(TimerService, "stopService", lambda _: cleaning)
        closed = mock.Mock()
        self.patch(service, "_accounts", closed)
        stopped = service.stopService()
        connections.callback(None)
        self.assertNoResult(stopped)
        closed.close.assert_not_called()
        cleaning.callback(None)
        self.successResultOf(stopped)
        closed.close.assert_called_once_with()
