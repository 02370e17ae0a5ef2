"""
Who is served, and as whom: the portal of twisted.cred in front of the files.

Three ways lead in. A client certificate, which TLS has verified; a user name and password, which checkers of
twisted.cred judge; or neither, where anonymous clients are let in. All end in an `Account`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from zope.interface import Attribute, Interface, implementer

from twisted_lab.filexfer.errors import DeniedError, FilexferError, LoginFailedError, LoginRequiredError
from twisted_lab.filexfer.modes import Mode
from twisted_lab.filexfer.server.homes import Homes
from twisted_lab.filexfer.server.users_file import User
from twisted_lab.filexfer.store.store import Store
from twisted_lab.net.certificate import PeerCertificate
from twisted_lab.net.detached import RunInThread


class IAccount(Interface):
    """What a portal's realm gives: somebody's files, and what may be done with them."""

    user = Attribute("The user's name; empty for the anonymous.")
    store = Attribute("The `Store` of the user's files.")
    mode = Attribute("The `Mode`: what the user may do with them.")


@implementer(IAccount)
@dataclass(frozen=True)
class Account:
    """Somebody's files, and what may be done with them; `user` is empty for the anonymous."""

    user: str
    store: Store
    mode: Mode


@implementer(IRealm)
class Realm:
    """
    The accounts by name, for `twisted.cred.portal.Portal`.

    With `users` nobody else has an account. Without, each has the whole root, `Mode.READ_WRITE` and `quota`; which is
    also the quota, in bytes, of a user that has none of its own. None: unlimited.
    """

    def __init__(
        self, homes: Homes, run_in_thread: RunInThread, *, users: Mapping[str, User] | None, quota: int | None
    ) -> None:
        self._homes = homes
        self._run_in_thread = run_in_thread
        self._users = users
        self._quota = quota

    def requestAvatar(self, avatarId: bytes | tuple[()], mind: object, *interfaces: type[Interface]) -> Any:
        """Give the account of a user whom a checker has let in; `DeniedError` if there is none."""
        if IAccount not in interfaces:
            raise NotImplementedError("this realm has accounts of filexfer only")
        if not avatarId or not isinstance(avatarId, bytes | str):
            raise DeniedError("a user without a name has no account on this server")
        user = avatarId if isinstance(avatarId, str) else avatarId.decode(errors="surrogateescape")
        return Deferred.fromCoroutine(self._avatar(user))

    async def open_account(self, user: str) -> Account:
        """Give the account of `user`; `DeniedError` if there is none, `AccessError` if its files can't be opened."""
        facts = User() if self._users is None else self._users.get(user)
        if facts is None:
            raise DeniedError("that user has no account on this server")
        return await self._open(user, facts)

    async def open_anonymous(self, mode: Mode) -> Account:
        """Give the account of those who don't say who they are: the whole root."""
        return await self._open("", User(mode=mode))

    async def _avatar(self, user: str) -> tuple[type[Interface], Account, Callable[[], None]]:
        return IAccount, await self.open_account(user), lambda: None

    async def _open(self, user: str, facts: User) -> Account:
        quota = self._quota if facts.quota is None else facts.quota
        store = await self._run_in_thread(self._homes.open_store, user, facts.root, quota)
        return Account(user, store, facts.mode)


class Accounts:
    """
    Who may come in, and as whom.

    `checkers` judge passwords, one after the other until one says yes. `anonymous` is what clients may do that don't
    say who they are; None if they have to. `users` and `quota` are as in `Realm`.
    """

    log = Logger()

    def __init__(  # noqa: PLR0913  # each is an option of the command line
        self,
        root: Path,
        run_in_thread: RunInThread,
        *,
        checkers: Iterable[ICredentialsChecker] = (),
        anonymous: Mode | None = None,
        users: Mapping[str, User] | None = None,
        quota: int | None = None,
    ) -> None:
        apart = {facts.root for facts in (users or {}).values() if facts.root.is_absolute()}
        self._homes = Homes(root, sorted(apart))
        self._run_in_thread = run_in_thread
        self._realm = Realm(self._homes, run_in_thread, users=users, quota=quota)
        # A portal asks only the last of its checkers for a kind of credentials: so each has a portal of its own.
        self._portals = [Portal(self._realm, [checker]) for checker in checkers]
        self._anonymous = anonymous
        self._by_fingerprint = {
            fingerprint: user for user, facts in (users or {}).items() for fingerprint in facts.certificates
        }
        self._users = users

    async def login(
        self, user: str | None, password: str | None, *, secure: bool, certificate: PeerCertificate | None = None
    ) -> Account:
        """
        Give the account of a client that said hello with `user` and `password`; None: it didn't say.

        `secure`: whether nobody can overhear it (see `is_private`); `certificate`: its own, if TLS has verified one.
        Raises `LoginRequiredError`, `LoginFailedError`; `DeniedError` for a password that isn't secure, or a user
        without an account; `AccessError` if its files can't be opened.
        """
        if password is not None:
            return await self._by_password(user or "", password, secure=secure)
        known = self._user_of(certificate)
        if known is not None and (user or known) == known:
            return await self._realm.open_account(known)
        if user:
            raise LoginFailedError("that user logs in with a password, or with a certificate of its own")
        if self._anonymous is None:
            raise LoginRequiredError("this server wants to know who you are: log in")
        return await self._realm.open_anonymous(self._anonymous)

    async def clean(self) -> None:
        """Remove what broken puts left in all files, once it is too old to go on with."""
        await self._run_in_thread(self._homes.clean)

    def close(self) -> None:
        """Let go of all files; nobody can log in any more."""
        self._homes.close()

    def _user_of(self, certificate: PeerCertificate | None) -> str | None:
        """Give whom a certificate is for: the user that lists it, or who lists none and has its common name."""
        if certificate is None:
            return None
        listed = self._by_fingerprint.get(certificate.fingerprint)
        if listed is not None:
            return listed
        name = certificate.common_name
        if name and self._users is not None and name in self._users and self._users[name].certificates:
            return None
        return name or None

    async def _by_password(self, user: str, password: str, *, secure: bool) -> Account:
        if not secure:
            raise DeniedError("passwords are taken only over TLS or on this machine")
        # Some checkers let in whoever gives no password at all: an LDAP server takes that for an anonymous bind.
        if user and password:
            credentials = UsernamePassword(_encode(user), _encode(password))
            for portal in self._portals:
                try:
                    _, account, _ = await portal.login(credentials, None, IAccount)
                except UnauthorizedLogin:
                    continue
                except (FilexferError, CancelledError):
                    raise
                except Exception:  # noqa: BLE001  # checkers are plugins: they raise what they like
                    self.log.failure("filexfer: a checker failed, and {user!r} isn't let in by it", user=user)
                else:
                    return cast("Account", account)
        raise LoginFailedError("that isn't a user of this server, or not the user's password")


def _encode(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
