"""Hello on the server: which version and digest, and who it is that asks."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.task import deferLater

from twisted_lab.filexfer.digests import ALGORITHMS
from twisted_lab.filexfer.errors import (
    BadRequestError,
    FilexferError,
    LoginFailedError,
    LoginRequiredError,
    UnsupportedError,
)
from twisted_lab.filexfer.messages.replies import Limits, Welcome, sentence_of, welcome_fields
from twisted_lab.filexfer.messages.request_headers import parse_request
from twisted_lab.filexfer.messages.requests import Hello
from twisted_lab.filexfer.server.accounts import Account
from twisted_lab.net.certificate import certificate_of
from twisted_lab.net.privacy import is_private

if TYPE_CHECKING:
    from twisted_lab.filexfer.server.factory import FilexferConnection, FilexferFactory

VERSION = 1
#: What this server does beyond the operations that version 1 asks for.
FEATURES = ("symlink", "get-bundle")
#: Seconds that a wrong password costs.
LOGIN_DELAY = 1.0
#: How many times a client may be told to log in.
MAX_HELLOS = 3


async def greet(
    stream: "FilexferConnection", factory: "FilexferFactory", tell: Callable[[str, str], None]
) -> tuple[Account, str] | None:
    """
    Answer the client's hello; give its account, and the algorithm of the digests.

    None if there is nothing more to say to it: it was told why. `tell(user, result)` writes to the log.
    """
    for _ in range(MAX_HELLOS):
        header = await stream.receive()
        user = ""
        try:
            hello = parse_request(header)
            if not isinstance(hello, Hello):
                raise BadRequestError("the first message is hello")
            user = hello.user or ""
            algorithm = _choose(hello)
            account = await factory.accounts.login(
                hello.user,
                hello.password,
                secure=is_private(stream.transport),
                certificate=certificate_of(stream.transport),
            )
        except FilexferError as error:
            tell(user, error.code)  # at once: who guesses may not wait for the answer
            if isinstance(error, LoginFailedError):
                await deferLater(factory.clock, LOGIN_DELAY)
            stream.check_connected()
            stream.sendError(error.code, sentence_of(error), header)
            if not isinstance(error, LoginRequiredError):
                return None
        else:
            tell(account.user, "ok")
            stream.check_connected()
            welcome = Welcome(
                VERSION, algorithm, account.mode.value, account.user, factory.idle_timeout, Limits(), FEATURES
            )
            stream.send(welcome_fields(welcome, header["id"]))
            return account, algorithm
    return None


def _choose(hello: Hello) -> str:
    """Give the first of the client's digests that is known here."""
    if VERSION not in hello.versions:
        raise UnsupportedError(f"this server speaks version {VERSION} only")
    for algorithm in hello.digests:
        if algorithm in ALGORITHMS:
            return algorithm
    raise UnsupportedError(f"this server knows these digests: {', '.join(ALGORITHMS)}")
