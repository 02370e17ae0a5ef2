"""``twistd filexfer``."""

import os
import re
import resource
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from twisted.application.internet import TimerService
from twisted.application.service import IService, MultiService
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.strcred import AuthOptionMixin
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString, wrapServerTLS
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.internet.threads import deferToThreadPool
from twisted.python import usage

from twisted_lab.filexfer.modes import Mode
from twisted_lab.filexfer.server.accounts import Accounts
from twisted_lab.filexfer.server.factory import FilexferFactory
from twisted_lab.filexfer.server.users_file import User, UsersFileError, parse_size, read_users
from twisted_lab.net.privacy import is_loopback
from twisted_lab.net.tls import TLSError, server_tls
from twisted_lab.tap.options import CommandService, ServiceOptions, fail, parameter

#: Seconds between two looks for what broken puts have left; the first is at the start.
CLEANING_INTERVAL = 3600.0
#: What a connection at work has open, at most; and what the threads need for groups of small files, and all the rest.
DESCRIPTORS = 4
SPARE_DESCRIPTORS = 2048
_ANONYMOUS = {"read": Mode.READ, "write": Mode.READ_WRITE, "drop": Mode.DROP}
#: A word of an endpoint's text: a backslash takes the next character as it is.
_WORD = re.compile(r"(?:[^:\\]|\\.)+", re.DOTALL)
_TLS = re.compile(rf"tls:({_WORD.pattern}):(.+)", re.DOTALL)


def _anonymous(text: str) -> Mode:
    if text not in _ANONYMOUS:
        raise ValueError(f"{text!r} isn't one of {', '.join(_ANONYMOUS)}")
    return _ANONYMOUS[text]


class Options(ServiceOptions, AuthOptionMixin):
    """
    The command line of ``twistd filexfer``.

    What can be reached from this machine only is open unless something else is said; the rest doesn't start until it
    is said who may come in. What is wrong with the files that are named ends the program with one sentence and, after
    sysexits, status 66 (not there, or not to be read), 73 (not to be written to) or 78 (its content).
    """

    name = "filexfer"
    default_port = 5680
    supportedInterfaces = (IUsernamePassword,)
    longdesc = (
        "Serves the files in a directory: transfers are verified, resumable and durable. "
        f"Listens on 127.0.0.1:{default_port} unless told otherwise; there everybody may read and write. "
        "For other machines, say who may come in, with --auth, --client-ca or --anonymous."
    )
    optParameters = [  # noqa: RUF012  # as usage.Options declares it
        ["root", None, None, "The directory to serve. Required."],
        parameter(_anonymous, "anonymous", None, "What clients may do that don't log in: read, write or drop."),
        ["users", None, None, "A TOML file with each user's directory, mode, quota and certificates."],
        ["client-ca", None, None, "A PEM file: those whom it has signed a certificate for log in with it, on tls:."],
        parameter(parse_size, "quota", None, "Bytes, or 10 GiB: what a user may store that has no quota of its own."),
    ]

    users: dict[str, User] | None = None

    @property
    def cleans(self) -> bool:
        """Whether this process removes what broken puts have left: with workers, only the first of them does."""
        return not self.supervises and (self.place is None or self.place.slot == 0)

    @property
    def checkers(self) -> list[Any]:
        """What judges passwords."""
        checkers: list[Any] = self.get("credCheckers", [])
        return checkers

    def opt_auth(self, description: str) -> None:
        """Take user names and passwords, and let this checker judge them: file:PATH (user:password on each line), or
        what --help-auth lists. Repeatable.
        """
        kind, _, rest = description.partition(":")
        if kind == "file" and not Path(rest).is_file():  # Twisted's checker would say so, and start
            raise usage.UsageError(f"--auth {description}: there is no such file")
        try:
            super().opt_auth(description)  # type: ignore[no-untyped-call]
        except usage.UsageError as error:
            raise usage.UsageError(f"--auth {kind}: {error}") from None  # the rest may be a password

    def postOptions(self) -> None:
        """Read the users, see that somebody can come in and nobody else, and that there is something to serve."""
        self._check_combination()
        super().postOptions()
        if self["users"] is not None:
            self.users = self._read_users(Path(self["users"]))
        self._check_quotas()
        self._check_who_may_come_in()
        self._check_root(Path(self["root"]))

    def make_endpoint(self, reactor: Any, text: str) -> IStreamServerEndpoint:
        """Make ``tls:`` ourselves, for Twisted's can't ask for client certificates."""
        if not text.startswith("tls:"):
            return super().make_endpoint(reactor, text)
        match = _TLS.fullmatch(text)
        if match is None:
            raise usage.UsageError(f"--listen {text} isn't an endpoint: it would be tls:DIR:PORT")
        # What follows the directory is what follows tcp6:, on which Twisted's own tls: listens too.
        listening = serverFromString(reactor, f"tcp6:{match[2]}")
        client_ca = None if self["client-ca"] is None else Path(self["client-ca"])
        try:
            creator = server_tls(Path(_plain(match[1])), client_ca=client_ca)
        except TLSError as error:
            raise usage.UsageError(f"--listen {text}: {error}") from None
        endpoint: IStreamServerEndpoint = wrapServerTLS(creator, listening)
        return endpoint

    def _check_combination(self) -> None:
        if self["root"] is None:
            raise usage.UsageError("--root is missing: the directory to serve")
        if self["users"] is not None and not self.checkers and self["client-ca"] is None:
            raise usage.UsageError("--users without --auth or --client-ca: there is no way for a user to log in")
        if self["client-ca"] is not None:
            kinds = {_words(text)[0] for text in self["listen"]}
            if "ssl" in kinds:
                raise usage.UsageError("--client-ca: ssl: can't ask for certificates; give tls:DIR:PORT in its place")
            if "tls" not in kinds:
                raise usage.UsageError("--client-ca without --listen tls:DIR:PORT: certificates come over TLS only")

    def _check_quotas(self) -> None:
        limited = any(user.quota is not None for user in (self.users or {}).values())
        if self["workers"] > 1 and (limited or self["quota"] is not None):
            raise usage.UsageError(
                f"--workers {self['workers']} with a quota: what is used of one is counted in one process; "
                "leave out --workers, or the quotas"
            )

    def _check_who_may_come_in(self) -> None:
        texts = [text for text, _ in self.endpoints]
        far = [text for text in texts if not is_near(text)]
        by_name = self.checkers or self["client-ca"] is not None
        if not by_name and self["anonymous"] is None:
            if far:
                raise usage.UsageError(
                    f"{far[0]} can be reached from other machines: say who may come in, "
                    "with --auth, --client-ca or --anonymous read|write|drop"
                )
            self["anonymous"] = Mode.READ_WRITE
        passwords_only = self["client-ca"] is None and self["anonymous"] is None
        if passwords_only and all(_words(text)[0] in {"tcp", "tcp6", "haproxy"} for text in far) and far == texts:
            raise usage.UsageError(
                "--auth: passwords are taken only over TLS or on this machine, and nobody could log in; "
                "give --listen tls:DIR:PORT"
            )

    def _read_users(self, path: Path) -> dict[str, User]:
        try:
            return read_users(path)
        except OSError as error:
            fail(os.EX_NOINPUT, f"twistd {self.name}: --users {path}: {error.strerror}")
        except UsersFileError as error:
            fail(os.EX_CONFIG, f"twistd {self.name}: --users {path}: {error}")

    def _check_root(self, root: Path) -> None:
        if not root.is_dir():
            why = "it isn't a directory" if root.exists() else "there is no such directory"
            fail(os.EX_NOINPUT, f"twistd {self.name}: --root {root}: {why}")
        if not os.access(root, os.R_OK | os.X_OK):
            fail(os.EX_NOINPUT, f"twistd {self.name}: --root {root}: it can't be read")
        if self._somebody_writes() and not os.access(root, os.W_OK):
            fail(os.EX_CANTCREAT, f"twistd {self.name}: --root {root}: it can't be written to, as clients may")

    def _somebody_writes(self) -> bool:
        modes = [self["anonymous"] or Mode.READ]
        if self.users is not None:
            modes += [user.mode for user in self.users.values() if not user.root.is_absolute()]
        elif self.checkers or self["client-ca"] is not None:
            modes.append(Mode.READ_WRITE)
        return any(mode is not Mode.READ for mode in modes)


class FilexferService(MultiService):
    """The connections and the cleaning; once both have ended, the files are let go of."""

    def __init__(self, connections: CommandService, cleaning: TimerService | None, accounts: Accounts) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.connections = connections
        self.cleaning = cleaning
        self._accounts = accounts
        self.addService(connections)  # type: ignore[no-untyped-call]
        if cleaning is not None:
            self.addService(cleaning)  # type: ignore[no-untyped-call]

    def stopService(self) -> "Deferred[None]":
        """Let what goes on finish, then close."""
        return Deferred.fromCoroutine(self._stop(super().stopService))

    async def _stop(self, stop: Callable[[], "Deferred[None]"]) -> None:
        try:
            await stop()
        finally:
            self._accounts.close()


def makeService(options: Options) -> IService:
    """Give the service that `options` ask for."""
    reactor = options.reactor
    raise_descriptor_limit(DESCRIPTORS * options["max-connections"] + SPARE_DESCRIPTORS)
    run_in_thread = partial(deferToThreadPool, reactor, reactor.getThreadPool())
    root = Path(options["root"]).absolute()  # twistd may yet go elsewhere: --rundir
    accounts = Accounts(
        root,
        run_in_thread,
        checkers=options.checkers,
        anonymous=options["anonymous"],
        users=options.users,
        quota=options["quota"],
    )
    factory = FilexferFactory(reactor, accounts, run_in_thread, **options.bounds)
    cleaning = TimerService(CLEANING_INTERVAL, lambda: Deferred.fromCoroutine(accounts.clean()))
    return FilexferService(options.make_service(factory), cleaning if options.cleans else None, accounts)


def raise_descriptor_limit(wanted: int) -> None:
    """Let this process open `wanted` files, or as many as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def is_near(endpoint: str) -> bool:
    """Tell whether an endpoint can be reached from this machine only; False where that isn't certain."""
    kind, *words = _words(endpoint)
    if kind == "unix":
        return True
    # Behind a proxy clients come from anywhere, whatever it listens on; so haproxy: isn't here.
    interfaces = [word.removeprefix("interface=") for word in words[1:] if word.startswith("interface=")]
    return kind in {"tcp", "tcp6", "tls", "ssl"} and bool(interfaces) and is_loopback(interfaces[-1])


def _words(endpoint: str) -> list[str]:
    """Give the words of an endpoint's text, its kind first."""
    return [_plain(word) for word in _WORD.findall(endpoint)] or [""]


def _plain(word: str) -> str:
    return re.sub(r"\\(.)", r"\1", word, flags=re.DOTALL)
