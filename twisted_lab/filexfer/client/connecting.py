"""How a client comes to its `Files`: an endpoint, a connection, hello."""

import os
import re
from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import clientFromString, connectProtocol, wrapClientTLS
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IStreamClientEndpoint
from twisted.internet.threads import deferToThreadPool

from twisted_lab.filexfer.client.conversation import Conversation
from twisted_lab.filexfer.client.files import Files
from twisted_lab.filexfer.digests import ALGORITHMS
from twisted_lab.filexfer.errors import DeniedError, DisconnectedError
from twisted_lab.filexfer.messages.replies import Welcome, welcome_from
from twisted_lab.filexfer.messages.requests import Hello
from twisted_lab.net.detached import RunInThread
from twisted_lab.net.host_endpoint import HostEndpoint
from twisted_lab.net.privacy import is_private
from twisted_lab.net.reason import show_reason

#: Where a server is, unless one is told: on this machine.
DEFAULT = "tcp:127.0.0.1:5680"
#: Seconds for the connection and hello together.
TIMEOUT = 30.0
VERSION = 1

_HOST_AND_PORT = re.compile(r"(\[[^\]]+\]|[^:\[\]]+):(\d+)")


class Connecting:
    """
    A connection that isn't there yet: ``files = await connect(…)``, or ``async with connect(…) as files``.

    The latter closes it at the end. Either is done once. Raises `DisconnectedError` if the server can't be had (its
    cause is what Twisted says), `FilexferError` as the server answers, `RemoteProtocolError` if it speaks something
    else, and `ValueError` for an endpoint that isn't one.
    """

    def __init__(self, opening: Callable[[], Coroutine[Any, Any, Files]]) -> None:
        self._opening = opening
        self._files: Files | None = None

    def __await__(self) -> Generator[Any, Any, Files]:
        return self._opening().__await__()

    async def __aenter__(self) -> Files:
        self._files = await self
        return self._files

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._files is not None:
            await self._files.close()


def connect(  # noqa: PLR0913  # all by name
    reactor: Any,
    endpoint: str | IStreamClientEndpoint = DEFAULT,
    *,
    user: str | None = None,
    password: str | None = None,
    tls: IOpenSSLClientConnectionCreator | None = None,
    timeout: float = TIMEOUT,
    silence: float | None = None,
    run_in_thread: RunInThread | None = None,
) -> Connecting:
    """
    Connect to a server: HOST:PORT, or what Twisted's `clientFromString` takes.

    `tls` is what `twisted_lab.net.tls.client_tls` gives; an endpoint that begins with ``tls:`` needs none. A `password`
    is sent only over TLS or on this machine, otherwise `DeniedError`. `timeout`: seconds for the connection and the
    greeting. `silence`: seconds without a sign of life after which the connection is given up; unless given, the
    server's idle timeout and half a minute, 330 at most. `run_in_thread(function, *arguments)` gives a Deferred of what
    the function gives in a thread; unless given, one of the reactor's.
    """

    def in_pool(function: Any, *arguments: Any) -> Any:
        return deferToThreadPool(reactor, reactor.getThreadPool(), function, *arguments)

    async def opening() -> Files:
        conversation = Conversation(reactor)
        where = endpoint_from(reactor, endpoint)
        hello = Hello((VERSION,), ALGORITHMS, user, password)
        greeting = _greet(conversation, where if tls is None else wrapClientTLS(tls, where), hello)
        welcome = await _in_time(reactor, Deferred.fromCoroutine(greeting), timeout)
        conversation.welcomed(welcome, silence)
        return Files(conversation, welcome, run_in_thread or in_pool)

    return Connecting(opening)


def endpoint_from(reactor: Any, endpoint: str | IStreamClientEndpoint) -> IStreamClientEndpoint:
    """Give the endpoint that is meant; `ValueError`, with one sentence, if none is."""
    if not isinstance(endpoint, str):
        return endpoint
    match = _HOST_AND_PORT.fullmatch(endpoint)
    if match is not None and 0 < int(match[2]) < 2**16:
        return HostEndpoint(reactor, match[1].strip("[]"), int(match[2]))
    try:
        found: IStreamClientEndpoint = clientFromString(reactor, endpoint)
    except (ImportError, NameError):  # what Twisted says without pyOpenSSL
        raise ValueError(f"{endpoint} needs TLS: pip install 'twisted-lab[tls]'") from None
    except Exception as error:  # endpoint parsers are plugins: they raise what they like
        raise ValueError(f"{endpoint} is neither HOST:PORT nor a Twisted client endpoint: {error}") from error
    return found


async def _in_time(reactor: Any, greeting: "Deferred[Welcome]", seconds: float) -> Welcome:
    late = False

    def give_up() -> None:
        nonlocal late
        late = True
        greeting.cancel()

    deadline = reactor.callLater(seconds, give_up)
    try:
        return await greeting
    except CancelledError:
        if late:
            raise DisconnectedError(f"no answer from the server for {seconds:g} s") from None
        raise
    finally:
        if deadline.active():
            deadline.cancel()


async def _greet(conversation: Conversation, endpoint: IStreamClientEndpoint, hello: Hello) -> Welcome:
    try:
        await connectProtocol(endpoint, conversation)
    except (ConnectError, OSError) as error:
        raise DisconnectedError(f"can't connect to the server: {_show_cause(error)}") from error
    try:
        return await _say_hello(conversation, hello)
    except BaseException:
        conversation.break_off(DisconnectedError("the greeting failed"))
        raise


async def _say_hello(conversation: Conversation, hello: Hello) -> Welcome:
    if hello.password is not None and not is_private(conversation.transport):
        raise DeniedError("a password is sent only over TLS or on this machine; nothing was sent")
    header, _ = await conversation.begin(hello).whole(most=0)
    welcome = conversation.read_reply(welcome_from, header)
    if welcome.version not in hello.versions or welcome.digest not in hello.digests:
        raise conversation.violated("bad-hello", "it chose a version or a digest that wasn't offered")
    return welcome


def _show_cause(error: Exception) -> str:
    """Give the operating system's words, not Twisted's paraphrase of them."""
    number = getattr(error, "osError", None) or getattr(error, "errno", None)
    return os.strerror(number) if isinstance(number, int) else show_reason(error)
