"""Who is served, and as whom."""

import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from unittest import mock

from twisted.cred.checkers import (
    ANONYMOUS,
    FilePasswordDB,
    ICredentialsChecker,
    InMemoryUsernamePasswordDatabaseDontUse,
)
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import CancelledError, Deferred, fail, maybeDeferred, succeed
from twisted.logger import LogLevel, capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import Interface, implementer

from tests.descriptors import descriptors, opened_since
from tests.processes import DEADLINE
from twisted_lab.filexfer.errors import (
    AccessError,
    DeniedError,
    FilexferError,
    LoginFailedError,
    LoginRequiredError,
    QuotaExceededError,
)
from twisted_lab.filexfer.modes import Mode
from twisted_lab.filexfer.server import homes
from twisted_lab.filexfer.server.accounts import Account, Accounts, IAccount, Realm
from twisted_lab.filexfer.server.homes import Homes
from twisted_lab.filexfer.server.users_file import User
from twisted_lab.filexfer.store.root import Root
from twisted_lab.net.certificate import PeerCertificate

FINGERPRINT = "sha256:" + "0f" * 32


@implementer(ICredentialsChecker)
class Checker:
    """Says `answer` of everybody, and notes who was asked for."""

    credentialInterfaces = (IUsernamePassword,)

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[tuple[bytes, bytes]] = []

    def requestAvatarId(self, credentials: Any) -> Any:
        """Answer."""
        self.asked.append((credentials.username, credentials.password))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class AccountsTestCase(SynchronousTestCase):
    """A root, and logins to it."""

    def setUp(self) -> None:
        """Make the root."""
        self.root = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def accounts(self, *passwords: str, checkers: tuple[Any, ...] = (), **options: Any) -> Accounts:
        """Give accounts on the root; `passwords`: "user:password", as in a file for --auth."""
        if passwords:
            checker = InMemoryUsernamePasswordDatabaseDontUse()
            for line in passwords:
                checker.addUser(*(word.encode() for word in line.split(":")))
            checkers = (checker, *checkers)
        accounts = Accounts(self.root, maybeDeferred, checkers=checkers, **options)
        self.addCleanup(accounts.close)
        return accounts

    def login(
        self,
        accounts: Accounts,
        user: str | None = None,
        password: str | None = None,
        *,
        secure: bool = True,
        certificate: PeerCertificate | None = None,
    ) -> Account:
        """Log in."""
        outcomes: list[Any] = []
        login = accounts.login(user, password, secure=secure, certificate=certificate)
        Deferred.fromCoroutine(login).addBoth(outcomes.append)
        (outcome,) = outcomes
        if isinstance(outcome, Failure):
            outcome.raiseException()
        assert isinstance(outcome, Account)
        return outcome

    def refused(self, kind: type[FilexferError], *arguments: Any, **keywords: Any) -> str:
        """Assert that `login` is refused with an error of that kind; give its sentence."""
        return str(self.assertRaises(kind, self.login, *arguments, **keywords))


class AnonymousTests(AccountsTestCase):
    """Those who don't say who they are."""

    def test_let_in(self) -> None:
        """With --anonymous they have the whole root, in the mode that it says."""
        (self.root / "f").write_text("hello")
        for mode in Mode:
            account = self.login(self.accounts(anonymous=mode))
            self.assertEqual((account.user, account.mode), ("", mode))
            self.assertEqual(account.store.stat(("f",)).size, 5)

    def test_not_let_in(self) -> None:
        """Without it, they are told to log in; an empty name is none."""
        accounts = self.accounts("alice:secret")
        for user in (None, ""):
            self.refused(LoginRequiredError, accounts, user)

    def test_name_without_password(self) -> None:
        """A name alone logs nobody in, and doesn't make one anonymous."""
        self.refused(LoginFailedError, self.accounts("alice:secret", anonymous=Mode.READ), "alice")

    def test_quota(self) -> None:
        """They share the quota of the command line."""
        account = self.login(self.accounts(anonymous=Mode.READ_WRITE, quota=4))
        with self.assertRaises(QuotaExceededError):
            account.store.receive(("f",), size=5, algorithm="sha-256")


class PasswordTests(AccountsTestCase):
    """A user name and a password."""

    def test_login(self) -> None:
        """The right password logs in, with the whole root to read and write where no users file says otherwise."""
        account = self.login(self.accounts("alice:secret"), "alice", "secret")
        self.assertEqual((account.user, account.mode), ("alice", Mode.READ_WRITE))
        self.assertTrue(IAccount.providedBy(account))

    def test_wrong(self) -> None:
        """A wrong name and a wrong password can't be told apart; neither makes one anonymous."""
        accounts = self.accounts("alice:secret", anonymous=Mode.READ)
        sentences = {
            self.refused(LoginFailedError, accounts, user, password)
            for user, password in (("alice", "wrong"), ("mallory", "secret"), ("alice", "SECRET"))
        }
        self.assertEqual(len(sentences), 1)

    def test_overheard(self) -> None:
        """Where it could be overheard a password isn't taken, right or wrong: the checker isn't even asked."""
        checker = Checker(succeed(b"alice"))
        accounts = self.accounts(checkers=(checker,), anonymous=Mode.READ_WRITE)
        sentence = self.refused(DeniedError, accounts, "alice", "secret", secure=False)
        self.assertEqual(sentence, "passwords are taken only over TLS or on this machine")
        self.assertFalse(checker.asked)

    def test_empty(self) -> None:
        """No checker is asked about an empty name or password, which an LDAP server would take for anonymous."""
        checker = Checker(succeed(b"alice"))
        accounts = self.accounts(checkers=(checker,))
        for user, password in (("alice", ""), ("", "secret"), (None, "secret"), ("", "")):
            self.refused(LoginFailedError, accounts, user, password)
        self.assertFalse(checker.asked)

    def test_no_checkers(self) -> None:
        """A server that takes no passwords lets nobody in by one."""
        self.refused(LoginFailedError, self.accounts(anonymous=Mode.READ), "alice", "secret")

    def test_several_checkers(self) -> None:
        """Each --auth counts, where a portal would ask only the last; the first that says yes decides."""
        path = self.root / "passwords"
        path.write_text("bob:geheim\n")
        accounts = self.accounts("alice:secret", checkers=(FilePasswordDB(str(path)),))
        for user, password in (("alice", "secret"), ("bob", "geheim")):
            self.assertEqual(self.login(accounts, user, password).user, user)
        self.refused(LoginFailedError, accounts, "alice", "geheim")

    def test_canonical_name(self) -> None:
        """The account is of the name that the checker gives: one user, one account, however it is spelt."""
        path = self.root / "passwords"
        path.write_text("alice:secret\n")
        accounts = self.accounts(checkers=(FilePasswordDB(str(path), caseSensitive=False),))
        self.assertEqual(self.login(accounts, "ALICE", "secret").user, "alice")

    def test_odd_names(self) -> None:
        """What a client may send as a name and a password reaches the checker in UTF-8, half a pair and all."""
        checker = Checker(fail(UnauthorizedLogin()))
        self.refused(LoginFailedError, self.accounts(checkers=(checker,)), "你\0", "\ud800")
        self.assertEqual(checker.asked, [("你\0".encode(), b"\xed\xa0\x80")])

    def test_broken_checker(self) -> None:
        """A checker that fails lets nobody in, and is in the log once; the next one is asked."""
        broken = Checker(ZeroDivisionError())
        accounts = self.accounts(checkers=(broken, Checker(succeed(b"alice"))))
        with capturedLogs() as events:
            self.assertEqual(self.login(accounts, "alice", "secret").user, "alice")
        with capturedLogs() as more:
            self.refused(LoginFailedError, self.accounts(checkers=(broken,)), "alice", "secret")
        self.assertEqual([event["log_level"] for event in (*events, *more)], [LogLevel.critical] * 2)
        self.assertNotIn("secret", str([*events, *more]))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_user_without_a_name(self) -> None:
        """A checker that lets in nobody in particular gives no account: least of all the anonymous one."""
        for answer in (b"", "", ANONYMOUS, None, 7):
            accounts = self.accounts(checkers=(Checker(succeed(answer)),), anonymous=Mode.DROP)
            self.refused(DeniedError, accounts, "alice", "secret")

    def test_cancelled(self) -> None:
        """A login whose connection is lost ends, even if its checker waits for ever, and asks no other checker."""
        asked: Deferred[bytes] = Deferred()
        other = Checker(succeed(b"alice"))
        accounts = self.accounts(checkers=(Checker(asked), other))
        login = Deferred.fromCoroutine(accounts.login("alice", "secret", secure=True))
        self.assertNoResult(login)
        login.cancel()
        self.failureResultOf(login, CancelledError)
        self.assertFalse(other.asked)


class CertificateTests(AccountsTestCase):
    """A client certificate, which TLS has verified."""

    def test_common_name(self) -> None:
        """It logs in whom its common name says, with a name in hello or without."""
        certificate = PeerCertificate(FINGERPRINT, "alice")
        for user in (None, "", "alice"):
            self.assertEqual(self.login(self.accounts(), user, certificate=certificate).user, "alice")

    def test_another_user(self) -> None:
        """It doesn't log in anybody else; a password does."""
        accounts = self.accounts("bob:geheim", anonymous=Mode.READ)
        certificate = PeerCertificate(FINGERPRINT, "alice")
        self.refused(LoginFailedError, accounts, "bob", certificate=certificate)
        self.assertEqual(self.login(accounts, "bob", "geheim", certificate=certificate).user, "bob")

    def test_fingerprint(self) -> None:
        """It logs in who lists it, whatever it says of itself."""
        accounts = self.accounts(users={"alice": User(certificates=(FINGERPRINT,)), "bob": User()})
        for name in (None, "bob", "alice"):
            account = self.login(accounts, certificate=PeerCertificate(FINGERPRINT, name))
            self.assertEqual(account.user, "alice")

    def test_common_name_of_who_lists_others(self) -> None:
        """A user who lists certificates isn't logged in by another one's common name."""
        accounts = self.accounts(users={"alice": User(certificates=("sha256:" + "00" * 32,))})
        self.refused(LoginRequiredError, accounts, certificate=PeerCertificate(FINGERPRINT, "alice"))

    def test_no_name(self) -> None:
        """One that names nobody is as good as none."""
        certificate = PeerCertificate(FINGERPRINT, None)
        self.refused(LoginRequiredError, self.accounts(), certificate=certificate)
        self.assertEqual(self.login(self.accounts(anonymous=Mode.READ), certificate=certificate).user, "")

    def test_name_with_nul(self) -> None:
        """A common name with a NUL, which CVE-2009-2408 cut there, is another user, not alice."""
        accounts = self.accounts(users={"alice": User()})
        self.refused(DeniedError, accounts, certificate=PeerCertificate(FINGERPRINT, "alice\0.example"))


class UsersTests(AccountsTestCase):
    """A users file."""

    def test_facts(self) -> None:
        """Each user has the directory, mode and quota of the file; or the quota of the command line."""
        users = {"alice": User(Path("a"), Mode.DROP, 4), "bob": User(Path("b"), Mode.READ)}
        accounts = self.accounts("alice:x", "bob:x", users=users, quota=2)
        alice, bob = (self.login(accounts, user, "x") for user in users)
        self.assertEqual((alice.mode, bob.mode), (Mode.DROP, Mode.READ))
        alice.store.make_directory(("hers",))
        self.assertTrue((self.root / "a" / "hers").is_dir())
        for account, quota in ((alice, 4), (bob, 2)):
            account.store.receive(("f",), size=quota, algorithm="sha-256").close()
            with self.assertRaises(QuotaExceededError):
                account.store.receive(("f",), size=quota + 1, algorithm="sha-256")

    def test_not_in_it(self) -> None:
        """Who isn't in it has no account, though the password is right."""
        self.refused(DeniedError, self.accounts("alice:x", users={}), "alice", "x")

    def test_directory_is_made(self) -> None:
        """A relative directory is made when it is first needed, for the server alone."""
        accounts = self.accounts("alice:x", users={"alice": User(Path("homes/alice"))})
        self.assertEqual([*self.root.iterdir()], [])
        self.login(accounts, "alice", "x")
        self.assertEqual((self.root / "homes/alice").stat().st_mode & 0o777, 0o700)

    def test_directory_apart(self) -> None:
        """An absolute directory has to be there; the client isn't told where it would be, the log is."""
        apart = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (apart / "f").write_text("hello")
        accounts = self.accounts("alice:x", "bob:x", users={"alice": User(apart), "bob": User(apart / "missing")})
        self.assertEqual(self.login(accounts, "alice", "x").store.stat(("f",)).size, 5)
        with capturedLogs() as events:
            sentence = self.refused(AccessError, accounts, "bob", "x")
        self.assertNotIn(str(apart), sentence)
        self.assertEqual([event["directory"] for event in events], [str(apart / "missing")])
        self.assertFalse((apart / "missing").exists())

    def test_directory_that_leads_out(self) -> None:
        """A relative directory that leads out, by .. (SFTPGo's GHSA-m83q) or by a client's link, isn't opened."""
        apart = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.root / "alice").symlink_to(apart)
        users = {"alice": User(Path("alice")), "bob": User(Path("../bob"))}
        accounts = self.accounts("alice:x", "bob:x", users=users)
        for user in users:
            self.refused(AccessError, accounts, user, "x")
        self.assertFalse((self.root.parent / "bob").exists())

    def test_one_that_hangs(self) -> None:
        """A user's directory on a file system that hangs keeps nobody else out; two who open one at once share it."""
        here = Homes(self.root)
        self.addCleanup(here.close)
        (self.root / "slow").mkdir()
        reached, go_on = threading.Barrier(3, timeout=DEADLINE), threading.Event()

        def hang(path: Path) -> Root:
            if path.name == "slow":
                reached.wait()
                go_on.wait(DEADLINE)
            return Root(path)

        before = descriptors()
        with mock.patch.object(homes, "Root", hang):
            threads = [threading.Thread(target=here.open_store, args=("eve", Path("slow"), None)) for _ in range(2)]
            for thread in threads:
                thread.start()
            reached.wait()
            self.assertEqual(here.open_store("bob", Path(), None).stat(()).kind, "directory")
            go_on.set()
            for thread in threads:
                thread.join(DEADLINE)
        self.assertEqual(len(opened_since(before)), 2)

    def test_shared(self) -> None:
        """All connections of a user share one descriptor and one quota; when the server stops it is closed."""
        accounts = self.accounts("alice:x", users={"alice": User(Path("a"), quota=10)})
        before = descriptors()
        first, second = (self.login(accounts, "alice", "x").store for _ in range(2))
        self.assertEqual(len(opened_since(before)), 1)
        incoming = first.receive(("f",), size=6, algorithm="sha-256")
        with self.assertRaises(QuotaExceededError):
            second.receive(("g",), size=6, algorithm="sha-256")
        incoming.close()
        accounts.close()
        self.assertEqual(opened_since(before), set())
        self.refused(AccessError, accounts, "alice", "x")


class RealmTests(AccountsTestCase):
    """`Realm`, as any portal of twisted.cred uses it."""

    def test_other_interfaces(self) -> None:
        """It gives accounts, and nothing else that a portal could ask it for."""
        realm = Realm(Homes(self.root), maybeDeferred, users=None, quota=None)
        self.assertRaises(NotImplementedError, realm.requestAvatar, b"alice", None, Interface)


class CleaningTests(AccountsTestCase):
    """`Accounts.clean`."""

    def test_left_over(self) -> None:
        """What a broken put left is removed once it is old, and counts for the quota no more; what is new stays."""
        apart = Path(self.enterContext(tempfile.TemporaryDirectory()))
        users = {"alice": User(Path("a"), quota=10), "bob": User(apart)}
        accounts = self.accounts("alice:x", "bob:x", users=users)
        alice, bob = (self.login(accounts, user, "x").store for user in users)
        for store in (alice, bob):
            incoming = store.receive(("f",), size=8, algorithm="sha-256")
            incoming.write([b"1234567"])
            incoming.close()
        self.successResultOf(Deferred.fromCoroutine(accounts.clean()))
        self.assertEqual(self.left(), 1)
        with self.assertRaises(QuotaExceededError):
            alice.receive(("g",), size=8, algorithm="sha-256")
        self.patch(homes, "time", Later)
        with capturedLogs() as events:
            self.successResultOf(Deferred.fromCoroutine(accounts.clean()))
        self.assertEqual((self.left(), [*apart.iterdir()]), (0, []))
        self.assertEqual([(event["files"], event["size"]) for event in events], [(1, 7)] * 2)
        alice.receive(("g",), size=8, algorithm="sha-256").close()

    def test_directory_gone(self) -> None:
        """A directory that can't be looked through is in the log, and doesn't keep the others from it."""
        accounts = self.accounts(users={"alice": User(self.root / "missing")})
        with capturedLogs() as events:
            self.successResultOf(Deferred.fromCoroutine(accounts.clean()))
        self.assertEqual([event["directory"] for event in events], [str(self.root / "missing")])

    def left(self) -> int:
        """Give how many files are in alice's directory."""
        return len([*(self.root / "a").iterdir()])


class Later:
    """A clock of two days from now."""

    @staticmethod
    def time() -> float:
        """Give seconds since 1970."""
        return time.time() + 2 * 86400
