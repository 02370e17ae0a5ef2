"""What every plugin's command line has: where to listen, and what bounds its connections."""

import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.internet.protocol import DatagramProtocol
from twisted.python import usage

from twisted_lab.net.bounded import IDLE_TIMEOUT, MAX_CONNECTIONS, BoundedFactory
from twisted_lab.net.inherited import InheritedSockets
from twisted_lab.net.listening import ListenError, ListeningService
from twisted_lab.net.tally import Tally
from twisted_lab.net.workers import WorkerError, Workers

#: Seconds that open connections get to finish when the service stops.
GRACE = 5.0
#: systemd hands its sockets to the process that it starts, and not to that one's workers.
_SYSTEMD = re.compile(r"^((?:haproxy:)?)systemd:.*", re.DOTALL)


class Exit(SystemExit, Exception):  # noqa: N818  # it ends the program as SystemExit does, and is named like it
    """
    End the program with a status, its sentence having been printed.

    An `Exception` too, so that twistd removes its PID file, and tells the parent of a daemon, as for any error.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = status


def fail(status: int, sentence: str) -> NoReturn:
    """End the program with one sentence on stderr."""
    sys.stderr.write(f"{sentence}\n")
    raise Exit(status, sentence)


def count(text: str) -> int:
    """Read a number of things, at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{text!r} isn't a whole number of at least 1")
    return int(text)


def seconds(text: str) -> float:
    """Read a number of seconds, at least 0."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise ValueError(f"{text!r} isn't a number of seconds, at least 0")
    return number


def parameter(read: Callable[[str], object], name: str, default: object, text: str) -> list[Any]:
    """Give a row of optParameters whose errors name the option, where Twisted's don't."""

    def read_named(word: str) -> object:
        try:
            return read(word)
        except ValueError as error:
            raise ValueError(f"--{name}: {error}") from None

    return [name, None, default, text, read_named]


@dataclass(frozen=True)
class Place:
    """What a worker has been given: its number, the sockets, and the count of all workers' connections."""

    slot: int
    sockets: InheritedSockets
    tally: Tally


class ServiceOptions(usage.Options):
    """
    The options of a service; a subclass says its `name`, `default_port` and `distribution`, and adds its own.

    It stands in the module that twistd loads for the plugin, with `makeService`: a worker loads the same module, and
    parses the same words. `place` is what it is given then; None in every other process.

    A bad option ends the program with one sentence and status 64 (EX_USAGE).
    """

    name: str
    default_port: int
    distribution = "twisted-lab"
    optParameters: list[list[Any]] = [  # noqa: RUF012  # as usage.Options declares it
        parameter(count, "max-connections", MAX_CONNECTIONS, "Connections at one time; more are told so and closed."),
        parameter(
            seconds, "idle-timeout", IDLE_TIMEOUT, "Seconds without a byte before a connection is closed; 0: never."
        ),
        parameter(seconds, "grace", GRACE, "Seconds that open connections get to finish when the service stops."),
        parameter(count, "workers", 1, "Processes that serve, on the same sockets; one that ends is replaced."),
    ]
    place: Place | None = None

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self["listen"] = []

    @property
    def bounds(self) -> dict[str, Any]:
        """What bounds the service's connections, as a `BoundedFactory` takes it."""
        shared = {} if self.place is None else {"tally": self.place.tally}
        return {"max_connections": self["max-connections"], "idle_timeout": self["idle-timeout"], **shared}

    @property
    def supervises(self) -> bool:
        """Whether this process serves nobody, and has workers that do."""
        return self["workers"] > 1 and self.place is None

    def make_service(
        self, factory: BoundedFactory, *, datagrams: Callable[[], DatagramProtocol] | None = None
    ) -> "CommandService":
        """Give what serves `factory` on the endpoints, and `datagrams` on UDP beside them; or has workers do it."""
        sockets: Any = self.reactor if self.place is None else self.place.sockets
        return CommandService(
            sockets,
            self.endpoints,
            factory,
            grace=self["grace"],
            datagrams=datagrams,
            workers=self._make_workers() if self.supervises else None,
            announces=self.place is None,
        )

    def _make_workers(self) -> Workers:
        parent = getattr(self, "parent", None) or {}
        # Of twist and of twistd; with the latter it isn't there unless it was given.
        reactor = parent.get("reactorName") or parent.get("reactor") or "default"
        words = [reactor, type(self).__module__, *self._words]
        return Workers(self.reactor, self["workers"], "twisted_lab.tap.worker", words, directory=self._directory)

    def opt_listen(self, endpoint: str) -> None:
        """Listen on this Twisted endpoint: tcp:PORT (every interface), tls:DIR:PORT, unix:PATH, haproxy:tcp:PORT,
        systemd:domain=INET:index=0. Repeatable.
        """
        self["listen"].append(endpoint)

    def opt_version(self) -> None:
        """Print the version, and exit."""
        sys.stdout.write(f"{self.distribution} {version(self.distribution)}\n")
        raise SystemExit(0)

    def getSynopsis(self) -> str:
        """Say how the plugin is called."""
        return f"Usage: twistd [twistd options] {self.name} [options]"

    def parseOptions(self, options: list[str] | None = None) -> None:
        """Read the command line; what is wrong with it is one sentence, where twistd would print its help."""
        self._words = [*(options or ())]
        self._directory = Path.cwd()  # twistd may yet go elsewhere: --rundir
        try:
            super().parseOptions(options)  # type: ignore[no-untyped-call]
        except usage.UsageError as error:
            fail(os.EX_USAGE, f"twistd {self.name}: {str(error).removeprefix('Parameter type enforcement failed: ')}")

    def parseArgs(self, *words: str) -> None:
        """Take no words but options."""
        if words:
            raise usage.UsageError(f"{words[0]!r} isn't an option")

    def postOptions(self) -> None:
        """Understand the endpoints, so that a bad one ends the program before anything starts."""
        from twisted.internet import reactor  # noqa: PLC0415  # importing it installs one: twistd has chosen by now

        texts = self["listen"] or [f"tcp:{self.default_port}:interface=127.0.0.1"]
        self.reactor: Any = reactor
        self.endpoints = [(text, self._endpoint(text)) for text in texts]

    def understand(self, option: str, text: str) -> IStreamServerEndpoint:
        """Give what an endpoint that was given as `option` means; a `usage.UsageError` says what is wrong with it."""
        return _endpoint(self.reactor, text, serverFromString, option)

    def _endpoint(self, text: str) -> IStreamServerEndpoint:
        if self.place is None:
            return _endpoint(self.reactor, text, self.make_endpoint)
        # Which socket it is was settled where it was opened: what stands around it matters, if anything does.
        return _endpoint(self.place.sockets, _SYSTEMD.sub(r"\1tcp:0", text), self.make_endpoint)

    def make_endpoint(self, reactor: Any, text: str) -> IStreamServerEndpoint:
        """Give what `text` means; it may raise what it likes, and a `usage.UsageError` is said as it is."""
        endpoint: IStreamServerEndpoint = serverFromString(reactor, text)
        return endpoint


class CommandService(ListeningService):
    """A `ListeningService` whose failure to listen, or to start workers, ends the program with one sentence."""

    def startService(self) -> None:
        """Start; the status is what a worker that couldn't start gave."""
        try:
            super().startService()
        except WorkerError as error:
            prefix = f"twistd {self.factory.name}: "
            fail(error.status, prefix + str(error).replace(prefix, ""))  # the worker's own sentence has it too

    def _listen(self) -> None:
        """Listen; status 69 (EX_UNAVAILABLE) if that can't be."""
        try:
            super()._listen()
        except ListenError as error:
            fail(os.EX_UNAVAILABLE, f"twistd {self.factory.name}: {error}")


def _endpoint(
    reactor: Any, text: str, make: Callable[[Any, str], IStreamServerEndpoint], option: str = "listen"
) -> IStreamServerEndpoint:
    kind, _, rest = text.partition(":")
    directory = rest.partition(":")[0]
    if kind == "tls" and "\\" not in directory and not any(Path(directory).rglob("*.pem")):
        # Twisted would start, and refuse each client.
        raise usage.UsageError(f"--{option} {text}: there is no certificate, a .pem file, in {directory}")
    try:
        return make(reactor, text)
    except usage.UsageError:
        raise
    except (ImportError, NameError):  # what Twisted says without pyOpenSSL, of ssl: and of tls:
        raise usage.UsageError(f"--{option} {text} needs TLS: pip install 'twisted-lab[tls]'") from None
    except IndexError:  # the systemd parser's way to say so
        raise usage.UsageError(f"--{option} {text}: systemd handed over no such socket") from None
    except Exception as error:  # noqa: BLE001  # endpoint parsers are plugins: they raise what they like
        raise usage.UsageError(f"--{option} {text} isn't an endpoint: {error}") from None
