"""``twistd faultproxy``."""

import os
from pathlib import Path
from random import SystemRandom
from typing import Any

from twisted.application.service import IService
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.python import usage

from twisted_lab.instruments.capture.recorder import Recorder
from twisted_lab.instruments.faults.toxic import Toxic, from_text
from twisted_lab.instruments.proxy.collection import Collection
from twisted_lab.instruments.proxy.link import Link, Observer
from twisted_lab.instruments.proxy.proxy import ToxicExistsError
from twisted_lab.instruments.proxy.service import FaultProxyService
from twisted_lab.net.listening import ListenError
from twisted_lab.specimen import find
from twisted_lab.tap.options import ServiceOptions, fail, parameter

DEFAULT_PORT = 5683
API = "tcp:8474:interface=127.0.0.1"
#: Each has two descriptors, of the usual 1024 a process.
MAX_CONNECTIONS = 450
#: A seed is less than this.
SEEDS = 2**32


def seed(text: str) -> int:
    """Read a seed."""
    if not text.isdecimal():
        raise ValueError(f"{text!r} isn't a whole number of at least 0")
    return int(text)


def fault(text: str) -> Toxic:
    """Read a fault."""
    try:
        return from_text(text)
    except ValueError as error:
        raise usage.UsageError(f"--fault {text}: {error}") from None


class Options(ServiceOptions):
    """The command line of ``twistd faultproxy``."""

    name = "faultproxy"
    default_port = DEFAULT_PORT
    longdesc = (
        "Stands between clients and a server, and breaks what passes: late, slow, cut, lost, reset, by toxiproxy's "
        f"faults and some more. Listens on 127.0.0.1:{default_port} unless told otherwise, and has toxiproxy's HTTP "
        "API on 127.0.0.1:8474."
    )
    optParameters = [  # noqa: RUF012  # as usage.Options declares it
        ["upstream", None, None, "Where the server is: HOST:PORT, or a Twisted client endpoint."],
        ["api", None, API, "Where the HTTP API listens, a Twisted endpoint; '' for nowhere."],
        parameter(seed, "seed", None, "What all chance follows from; drawn, and logged, unless given."),
        [
            "capture",
            None,
            None,
            "Record what passes into this file, which is made anew: see twisted-lab capture.",
        ],
        ["codec", None, None, "The specimen whose messages faults of messages work on, by name or module:attribute."],
    ]

    def __init__(self) -> None:
        super().__init__()
        # Closing what is idle would be a fault that nobody asked for.
        self["idle-timeout"] = self.defaults["idle-timeout"] = 0.0
        self["max-connections"] = self.defaults["max-connections"] = MAX_CONNECTIONS
        self.faults: list[Toxic] = []
        self.recorder: Recorder | None = None

    def opt_fault(self, text: str) -> None:
        """A fault of the proxy: KIND[:ATTRIBUTE=VALUE,...][:upstream|downstream]. Repeatable."""
        self.faults.append(fault(text))

    def postOptions(self) -> None:
        """Understand all words, so that a bad one ends the program before anything starts."""
        super().postOptions()
        if self["workers"] > 1:
            raise usage.UsageError("--workers: the proxy is one process, for its API tells of all connections")
        if self["upstream"] is None and (self["listen"] or self.faults):
            raise usage.UsageError("--upstream is missing: where does the proxy lead to?")
        self.drawn = self["seed"] is None
        collection = Collection(
            self.reactor,
            seed=SystemRandom().randrange(SEEDS) if self.drawn else self["seed"],
            make_codec=self._find_codec(),
            observe=self._observe if self["capture"] else None,
            bounds=self.bounds,
            grace=self["grace"],
        )
        if self["upstream"] is not None:
            try:
                proxy = collection.make(self.name, self["upstream"], listen=self.endpoints)
            except ValueError as error:
                raise usage.UsageError(f"--upstream {error}") from None
            for toxic in self.faults:
                try:
                    proxy.add(toxic)
                except (ValueError, ToxicExistsError) as error:
                    raise usage.UsageError(f"--fault {toxic.fault.kind}: {error}") from None
            collection.add(proxy)
        self.collection = collection
        self.api: tuple[str, IStreamServerEndpoint] | None = None
        if self["api"]:
            self.api = self["api"], self.understand("api", self["api"])

    def open_recorder(self) -> None:
        """Make the capture's file, if one is wanted; `OSError`."""
        if self["capture"]:
            self.recorder = Recorder(self.reactor, Path(self["capture"]))

    def _observe(self, link: Link) -> Observer | None:
        if self.recorder is None:
            return None
        faults = [f"fault {toxic.to_text()}" for toxic in link.toxics]
        return self.recorder.record(*link.addresses, f"connection {link.number}, seed={self.collection.seed}", *faults)

    def _find_codec(self) -> Any:
        if self["codec"] is None:
            return None
        try:
            specimen = find(self["codec"])
        except LookupError as error:
            raise usage.UsageError(f"--codec: {error.args[0]}") from None
        if specimen.codec is None:
            raise usage.UsageError(f"--codec: {specimen.name} is a stream of bytes, without messages")
        return specimen.codec


class CommandFaultProxy(FaultProxyService):
    """A service whose failure to listen ends the program with one sentence, and status 69 (EX_UNAVAILABLE)."""

    def __init__(self, options: Options) -> None:
        super().__init__(options.reactor, options.collection, options.api)
        self._options = options

    def _listen(self) -> None:
        """Say the seed, listen, and make the capture's file: who can't listen leaves an old one alone."""
        self.log.info("faultproxy: seed {seed}", seed=self.collection.seed)
        try:
            super()._listen()
        except ListenError as error:
            fail(os.EX_UNAVAILABLE, f"twistd faultproxy: {error}")
        try:
            self._options.open_recorder()
        except OSError as error:
            fail(os.EX_CANTCREAT, f"twistd faultproxy: can't write {self._options['capture']}: {error.strerror}")


def makeService(options: Options) -> IService:
    """Give the service that `options` ask for."""
    return CommandFaultProxy(options)
