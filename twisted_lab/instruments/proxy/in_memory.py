"""The fault proxy between two protocols in memory, by a clock."""

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IProtocol, IReactorTime
from twisted.internet.protocol import Factory

from twisted_lab.instruments.directions import STREAMS, UPSTREAM
from twisted_lab.instruments.faults.toxic import Toxic, from_text
from twisted_lab.instruments.proxy.link import Link, Observer
from twisted_lab.instruments.proxy.proxy import Proxy
from twisted_lab.net.memory import MemoryEndpoint, join
from twisted_lab.net.memory_socket import ROOM
from twisted_lab.wire.codec import Codec


class FaultyConnection(Observer):
    """
    What stands between two protocols. `journal` is what faults did: seconds, stream, the fault's name, and what it was.

    `passed_bytes` is what each stream's receiver was sent, `ended_streams` those that have ended, in order; `reason` is
    why the connection ended, None before it has.
    """

    def __init__(self, proxy: Proxy) -> None:
        self.journal: list[tuple[float, str, str, str]] = []
        self.passed_bytes: dict[str, bytearray] = {stream: bytearray() for stream in STREAMS}
        self.ended_streams: list[str] = []
        self.reason: str | None = None
        self._proxy = proxy

    def add(self, fault: Toxic | str) -> None:
        """Have another fault from now on."""
        self._proxy.add(_read(fault))

    def change(self, name: str, **attributes: float) -> None:
        """Have the fault of that name with other attributes from now on."""
        self._proxy.change(self._proxy.find(name).changed({"attributes": attributes}))

    def remove(self, name: str) -> None:
        """Have the fault of that name no more."""
        self._proxy.remove(name)

    def passed(self, stream: str, data: bytes, time: float) -> None:
        """Keep what was sent on."""
        self.passed_bytes[stream] += data

    def struck(self, stream: str, fault: str, text: str, time: float) -> None:
        """Do nothing: it stands in the journal since then."""

    def ended(self, stream: str, time: float) -> None:
        """Keep which directions have ended, in order."""
        self.ended_streams.append(stream)

    def closed(self, reason: str, time: float, *, reset: bool | None = None, stream: str = UPSTREAM) -> None:
        """Keep why."""
        self.reason = reason


def join_through(  # noqa: PLR0913  # most of them by keyword
    clock: IReactorTime,
    client: IProtocol,
    server: IProtocol,
    *faults: Toxic | str,
    seed: int = 1,
    codec: Callable[[], Codec[Any, Any]] | None = None,
    cuts: Iterable[int] = (),
    room: int = ROOM,
) -> FaultyConnection:
    """
    Connect two protocols in memory through a proxy with `faults`, each a toxic or ``KIND:ATTRIBUTE=VALUE,…:STREAM``.

    `codec` makes a codec, for faults of messages. `cuts` and `room` are those of `join`, and go for both halves.
    """
    factory: Any = Factory()
    servers = [server]  # taken, not kept: whoever keeps the proxy doesn't keep the server
    factory.buildProtocol = lambda _: servers.pop()
    del server
    upstream = MemoryEndpoint(clock, factory, cuts=cuts, room=room)
    proxy = Proxy(clock, "memory", upstream, seed=seed, make_codec=codec, bounds={"idle_timeout": 0})
    connection = FaultyConnection(proxy)

    def observe(link: Link) -> Observer:
        link.journal = connection.journal
        return connection

    proxy.observe = observe
    for fault in faults:
        connection.add(fault)
    client_side = proxy.factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1))
    if client_side is not None:
        join(clock, client, client_side, cuts=cuts, room=room)
    return connection


def _read(fault: Toxic | str) -> Toxic:
    return from_text(fault) if isinstance(fault, str) else fault
