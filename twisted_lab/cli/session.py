"""How a verb runs and connects: one reactor run, one sentence and one status for whatever goes wrong."""

import contextlib
import errno
import os
import re
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Generic, NoReturn, TypeVar, cast

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.endpoints import clientFromString
from twisted.internet.error import ConnectError, ConnectionDone, DNSLookupError
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.task import LoopingCall, react

from twisted_lab.net.host_endpoint import HostEndpoint
from twisted_lab.net.reason import show_reason

CONNECT_TIMEOUT = 10.0  # seconds
INTERRUPTED = 130
#: Seconds after an interrupt that another one is taken for the same.
TOGETHER = 1.0

_HOST_AND_PORT = re.compile(r"(\[[^\]]+\]|[^:\[\]]+):(\d+)")
Product = TypeVar("Product")


def run_in_reactor(work: Callable[[Any], Coroutine[Any, Any, int]], *, terminated: int = INTERRUPTED) -> int:
    """
    Run `work(reactor)` and give its status, or that of the `SystemExit` it raises; 130 when interrupted.

    An interrupt cancels the work, and waits until it has cleaned up; one that comes a second later doesn't. So does
    SIGTERM, whose status is `terminated`. What else the work raises is raised here.
    """
    signals = Signals()
    interrupted = False
    outcome: list[int | BaseException] = []

    async def main(reactor: Any) -> None:
        working = ensureDeferred(work(reactor))
        over: Deferred[None] = Deferred()

        def interrupt() -> Deferred[None] | None:
            nonlocal interrupted
            if over.called:
                return None
            interrupted = True
            reactor.callLater(TOGETHER, signals.let_through)
            # Until it is over: what the work awaits may end well all the same, and then it goes on.
            LoopingCall(working.cancel).start(0.1)
            return over

        reactor.callWhenRunning(signals.take, reactor)
        reactor.addSystemEventTrigger("before", "shutdown", interrupt)
        try:
            outcome.append(await working)
        except BaseException as error:  # noqa: BLE001  # raised again below, outside the reactor
            outcome.append(error)
        over.callback(None)

    with contextlib.suppress(SystemExit):
        react(main)
    match outcome:
        case _ if interrupted:
            return terminated if signals.taken == signal.SIGTERM else INTERRUPTED
        case [SystemExit() as end]:
            return cast("int", end.code)
        case [BaseException() as error]:
            raise error
        case [status]:
            return cast("int", status)
    return os.EX_SOFTWARE


class Signals:
    """
    SIGINT and SIGTERM, of which the first ends the reactor; `taken` is which that was.

    It may come twice at once, as from timeout(1), which sends it to the process and to its group: that isn't taken for
    impatience, and Twisted's own handler would complain.
    """

    def __init__(self) -> None:
        self.taken: int | None = None
        self._numbers: list[int] = []

    def take(self, reactor: Any) -> None:
        """Take them from here on; where the shell has them ignored, they stay so."""

        def end(number: int, _: object) -> None:
            self.taken = number
            self._set(signal.SIG_IGN)
            reactor.callFromThread(reactor.stop)

        self._numbers = [each for each in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(each) != signal.SIG_IGN]
        self._set(end)

    def let_through(self) -> None:
        """Let the next one end the process."""
        self._set(signal.SIG_DFL)

    def _set(self, handler: Any) -> None:
        for number in self._numbers:
            signal.signal(number, handler)


def stop(status: int, sentence: str) -> NoReturn:
    """End the work with a status and one sentence on stderr."""
    sys.stderr.write(f"twisted-lab: {sentence}\n")
    raise SystemExit(status)


class UnreachableError(Exception):
    """There is no connection; `status` is for the exit, and the message one sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


async def connect(reactor: Any, target: str | None, default_port: int, factory: IProtocolFactory) -> Any:
    """
    Give a connected protocol of `factory`; `target` is what the user wrote, None for ours on this machine.

    Ends the work with 64 (EX_USAGE), 68 (EX_NOHOST) or 69 (EX_UNAVAILABLE) if it can't be had.
    """
    try:
        return await connect_or_raise(reactor, target, default_port, factory)
    except UnreachableError as error:
        stop(error.status, str(error))


async def connect_or_raise(
    reactor: Any, target: str | None, default_port: int, factory: IProtocolFactory, within: float = CONNECT_TIMEOUT
) -> Any:
    """Do as `connect`, but raise `UnreachableError` if it can't be had; HOST:PORT has `within` seconds."""
    shown = target or f"127.0.0.1:{default_port}"
    try:
        endpoint = _endpoint(reactor, shown, default_port, within)
    except (ImportError, NameError):  # what Twisted says without pyOpenSSL
        raise UnreachableError(os.EX_USAGE, f"{shown} needs TLS: pip install 'twisted-lab[tls]'") from None
    except Exception as error:  # endpoint parsers are plugins: they raise what they like
        sentence = f"{shown} is neither HOST:PORT nor a Twisted client endpoint: {error}"
        raise UnreachableError(os.EX_USAGE, sentence) from error
    try:
        return await endpoint.connect(factory)
    except ValueError as error:
        raise UnreachableError(os.EX_USAGE, f"{shown} isn't an address: {error}") from error
    except DNSLookupError:
        raise UnreachableError(os.EX_NOHOST, f"there is no host of that name: {shown}") from None
    except (ConnectError, OSError) as error:
        raise UnreachableError(os.EX_UNAVAILABLE, f"can't connect to {shown}: {_show_cause(error)}") from error


class Patience(Generic[Product]):
    """
    Wait for `waiting`, but not when nothing is heard for `seconds`: then the work ends with 69 (EX_UNAVAILABLE).

    Call `heard` whenever something is, and await `result`.
    """

    def __init__(self, reactor: Any, waiting: "Deferred[Product]", seconds: float, what: str) -> None:
        self._seconds = seconds
        self._what = what
        self._silence = reactor.callLater(seconds, waiting.cancel)
        self.result: Deferred[Product] = waiting.addBoth(self._end)

    def heard(self) -> None:
        """Begin to wait anew."""
        if self._silence.active():
            self._silence.reset(self._seconds)

    def _end(self, result: Any) -> Any:
        if not self._silence.active():
            stop(os.EX_UNAVAILABLE, f"{self._what} for {self._seconds:g} s: given up")
        self._silence.cancel()
        return result


def how_it_ended(reason: BaseException | None) -> str:
    """Give a clause that says how a connection ended."""
    if isinstance(reason, ConnectionDone):
        return "the server closed the connection"
    return f"the connection was lost: {show_reason(reason)}"


def _endpoint(reactor: Any, target: str, default_port: int, timeout: float) -> IStreamClientEndpoint:
    match = _HOST_AND_PORT.fullmatch(target)
    if match is None and ":" in target:
        return cast("IStreamClientEndpoint", clientFromString(reactor, target))
    host, port = (match[1].strip("[]"), int(match[2])) if match else (target, default_port)
    if not 0 < port < 2**16:
        raise ValueError(f"{port} isn't a port")
    return HostEndpoint(reactor, host, port, timeout)


def _show_cause(error: Exception) -> str:
    """Give the operating system's words, not Twisted's paraphrase of them."""
    number = getattr(error, "osError", None) or getattr(error, "errno", None)
    more = " (ulimit -n says how many one may have)" if number == errno.EMFILE else ""
    return os.strerror(number) + more if isinstance(number, int) else str(error).rstrip(".")
