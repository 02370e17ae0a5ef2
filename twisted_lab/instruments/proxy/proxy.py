"""One proxy: where it listens, where it leads, its faults, its connections and what they have moved."""

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint, IStreamServerEndpoint
from twisted.internet.protocol import Factory
from twisted.logger import Logger

from twisted_lab.instruments.directions import STREAMS
from twisted_lab.instruments.faults.pipe import MakeCodec
from twisted_lab.instruments.faults.toxic import Toxic
from twisted_lab.instruments.proxy.addresses import place_of
from twisted_lab.instruments.proxy.link import Link, Observer
from twisted_lab.instruments.proxy.sides import ClientSide
from twisted_lab.net.address import show_address
from twisted_lab.net.bounded import BoundedFactory
from twisted_lab.net.listening import ListeningService

#: Seconds that connections get to send what they still have when a proxy is stopped.
GRACE = 1.0
#: Faults that a proxy has at most.
MAX_TOXICS = 64


class ToxicExistsError(Exception):
    """The proxy has a fault of that name; or as many as it may have."""


class Proxy:
    """
    What stands at one address for a server at another. It doesn't listen before `start`.

    `seed` settles what each of the connections, which are numbered from 1, suffers. `observe` makes what is told of a
    connection. `bounds` are those of a `BoundedFactory`; `grace` is how many seconds connections get to send what they
    still have when it stops.
    """

    log = Logger()

    def __init__(  # noqa: PLR0913  # most of them by keyword
        self,
        clock: IReactorTime,
        name: str,
        upstream: IStreamClientEndpoint,
        *,
        seed: int,
        listen: Sequence[tuple[str, IStreamServerEndpoint]] = (),
        upstream_text: str = "",
        make_codec: MakeCodec | None = None,
        observe: Callable[[Link], Observer | None] | None = None,
        bounds: dict[str, Any] | None = None,
        grace: float = GRACE,
    ) -> None:
        self.clock = clock
        self.name = name
        self.seed = seed
        self.upstream = upstream_text
        self.listen = self._asked = listen[0][0] if listen else ""
        self.make_codec = make_codec
        self.observe = observe
        self.toxics: list[Toxic] = []
        self.factory = ProxyFactory(self, clock, **(bounds or {}))
        self._upstream = upstream
        self._endpoints = [*listen]
        self._grace = grace
        self._service: ListeningService | None = None
        self._links: set[Link] = set()
        self._made = 0
        self._before: dict[tuple[str, str], int] = {}  # what connections that are gone have moved

    @property
    def enabled(self) -> bool:
        """Whether it listens."""
        return self._service is not None

    @property
    def connections(self) -> int:
        """How many connections there are now."""
        return len(self._links)

    def lead_to(self, text: str, upstream: IStreamClientEndpoint) -> None:
        """Lead new connections elsewhere."""
        self.upstream, self._upstream = text, upstream

    def listen_on(self, text: str, endpoint: IStreamServerEndpoint) -> None:
        """Listen elsewhere, from the next `start` on."""
        self.listen = self._asked = text
        self._endpoints = [(text, endpoint)]

    def stands_at(self, listen: str) -> bool:
        """Tell whether it listens, or would, where that text says: as it was asked for, or as it turned out."""
        return place_of(listen) in {place_of(self._asked), self.listen}

    def start(self) -> None:
        """Listen; `ListenError` if that can't be."""
        if self._service is None and self._endpoints:
            reactor: Any = self.clock
            service = ListeningService(reactor, self._endpoints, self.factory, grace=self._grace)
            service.startService()
            self._service = service
            # Where that was left to the system it stays what it was now.
            places = [port.getHost() for port in service.ports]
            self._endpoints = [
                (text, _pin(endpoint, place)) for (text, endpoint), place in zip(self._endpoints, places, strict=True)
            ]
            self.listen = show_address(places[0])

    async def stop(self) -> None:
        """Listen no more, and close all connections."""
        service, self._service = self._service, None
        if service is not None:
            await service.stopService()

    def connect(self, factory: "Factory[Any]") -> "Deferred[Any]":
        """Connect to the server."""
        return self._upstream.connect(factory)

    def add(self, toxic: Toxic) -> None:
        """Have a fault on all connections, those there are too; `ToxicExistsError`."""
        if any(one.name == toxic.name for one in self.toxics):
            raise ToxicExistsError(f"there is a fault {toxic.name!r} already: give this one another name")
        if len(self.toxics) >= MAX_TOXICS:
            raise ToxicExistsError(f"a proxy has at most {MAX_TOXICS} faults")
        if toxic.fault.needs_codec and self.make_codec is None:
            raise ValueError(f"{toxic.fault.kind} needs a codec: --codec says whose messages they are")
        self.toxics.append(toxic)
        for link in [*self._links]:
            link.add(toxic)

    def find(self, name: str) -> Toxic:
        """Give the fault of that name, or raise KeyError."""
        for toxic in self.toxics:
            if toxic.name == name:
                return toxic
        raise KeyError(name)

    def change(self, toxic: Toxic) -> None:
        """Have the fault of that name do otherwise, on connections there are too."""
        self.toxics = [toxic if one.name == toxic.name else one for one in self.toxics]
        for link in [*self._links]:
            link.ways[toxic.stream].pipe.change(toxic)

    def remove(self, name: str) -> None:
        """Have a fault no more; KeyError."""
        gone = self.find(name)
        self.toxics.remove(gone)
        for link in [*self._links]:
            link.ways[gone.stream].pipe.remove(name)

    def count(self, stream: str, what: str) -> int:
        """Give how many bytes of a stream were ``received``, or ``sent``, so far."""
        now: int = sum(getattr(link.ways[stream], what) for link in self._links)
        return self._before.get((stream, what), 0) + now

    def to_json(self) -> dict[str, Any]:
        """Give it as the API shows it."""
        return {
            "name": self.name,
            "listen": self.listen,
            "upstream": self.upstream,
            "enabled": self.enabled,
            "toxics": [toxic.to_json() for toxic in self.toxics],
        }

    # What its connections call.

    def make_link(self, client: ClientSide) -> Link:
        """Begin a connection."""
        self._made += 1
        link = Link(self, client, self._made)
        self._links.add(link)
        return link

    def forget_link(self, link: Link) -> None:
        """Keep only what the connection has moved."""
        self._links.discard(link)
        for stream in STREAMS:
            for what in ("received", "sent"):
                moved = getattr(link.ways[stream], what)
                self._before[stream, what] = self._before.get((stream, what), 0) + moved


def _pin(endpoint: IStreamServerEndpoint, place: object) -> IStreamServerEndpoint:
    if isinstance(endpoint, TCP4ServerEndpoint | TCP6ServerEndpoint) and isinstance(place, IPv4Address | IPv6Address):
        return type(endpoint)(endpoint._reactor, place.port, interface=place.host)  # noqa: SLF001
    return endpoint


class ProxyFactory(BoundedFactory):
    """Serve one proxy."""

    protocol = ClientSide

    def __init__(self, proxy: Proxy, clock: IReactorTime, **bounds: Any) -> None:
        super().__init__(clock, **bounds)
        self.proxy = proxy
        self.name = proxy.name
