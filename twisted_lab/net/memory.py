"""
TCP connections in memory, by a clock: Twisted's own TCP transports over sockets that are no sockets.

The transports are those of `twisted.internet.tcp`, so what they do about producers, half-close, aborts and TLS is what
they do over TCP, and stays so. Made here are the two things that they stand on: the sockets (`memory_socket`), and the
reactor's part, `_Loop`, which looks in each turn which of them can be read and written. A turn is a call that is due at
once: ``clock.advance(0)`` takes turns until nothing more moves.
"""

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.interfaces import (
    IDelayedCall,
    IHalfCloseableDescriptor,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.main import CONNECTION_LOST
from twisted.internet.tcp import Server
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_lab.net.memory_socket import ROOM, MemorySocket, memory_sockets


class _Loop:
    """What a transport knows as its reactor: who reads, who writes, and the clock."""

    log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        # Dicts, for they keep their order.
        self._readers: dict[MemoryTransport, None] = {}
        self._writers: dict[MemoryTransport, None] = {}
        self._turn: IDelayedCall | None = None

    def addReader(self, reader: "MemoryTransport") -> None:
        """Have it read."""
        self._readers[reader] = None
        self.wake()

    def addWriter(self, writer: "MemoryTransport") -> None:
        """Have it write."""
        self._writers[writer] = None
        self.wake()

    def removeReader(self, reader: "MemoryTransport") -> None:
        """Let it read no more."""
        self._readers.pop(reader, None)

    def removeWriter(self, writer: "MemoryTransport") -> None:
        """Let it write no more."""
        self._writers.pop(writer, None)

    def callLater(self, delay: float, call: Callable[..., object], *args: object, **named: object) -> IDelayedCall:
        """Ask the clock."""
        return self._clock.callLater(delay, self._call, call, *args, **named)

    def _call(self, call: Callable[..., object], *args: object, **named: object) -> None:
        """Log what a protocol raises, and go on, as Twisted's reactors do."""
        try:
            call(*args, **named)
        except Exception:  # noqa: BLE001  # the protocol's
            self.log.failure("a protocol failed")

    def seconds(self) -> float:
        """Ask the clock."""
        return self._clock.seconds()

    def wake(self) -> None:
        """Look soon who can go on."""
        if self._turn is None and self._ready():
            self._turn = self._clock.callLater(0, self._take_turn)

    def _ready(self) -> "list[MemoryTransport]":
        able = {
            **{reader: None for reader in self._readers if reader.connected and reader.socket.readable},
            **{writer: None for writer in self._writers if writer.connected and writer.socket.writable},
        }
        return [*able]

    def _take_turn(self) -> None:
        self._turn = None
        for transport in self._ready():
            if transport.connected:  # not closed by one before it
                self._serve(transport)
        self.wake()

    def _serve(self, transport: "MemoryTransport") -> None:
        """Let it read once and write once, as Twisted's reactors do."""
        reads, writes = transport in self._readers, transport in self._writers
        handle = transport.socket
        why: Any = None
        reading = False
        try:
            if handle.failed and not reads:
                why = CONNECTION_LOST
            elif reads and handle.readable:
                reading = True
                why = transport.doRead()
            if not why and writes and transport.connected and handle.writable:
                reading = False
                why = transport.doWrite()
        except Exception as error:  # noqa: BLE001  # the protocol's: it ends the connection, as it does with a reactor
            self.log.failure("a protocol failed")
            why, reading = error, False
        if why:
            self._disconnect(transport, why, reading=reading)

    def begin(self, transport: "MemoryTransport", protocol: IProtocol) -> None:
        """Tell a protocol that it is connected; if it fails, a server's connection stays, and a client's ends."""
        try:
            protocol.makeConnection(transport)
        except Exception as error:  # noqa: BLE001  # the protocol's
            self.log.failure("a protocol failed")
            if transport.is_client:
                self._disconnect(transport, error, reading=False)

    def _disconnect(self, transport: "MemoryTransport", why: Exception, *, reading: bool) -> None:
        self.removeReader(transport)
        if reading and isinstance(why, ConnectionDone) and IHalfCloseableDescriptor.providedBy(transport):
            self._call(transport.readConnectionLost, Failure(why))
        else:
            self.removeWriter(transport)
            self._call(transport.connectionLost, Failure(why))


class MemoryTransport(Server):
    """One end of a connection in memory; of the client's end TLS is a client too."""

    socket: MemorySocket  # type: ignore[assignment]  # as much of one as it needs

    def __init__(self, end: MemorySocket, protocol: IProtocol, peer: MemorySocket, loop: Any, *, client: bool) -> None:
        self._own_name = end.name
        super().__init__(end, protocol, peer.name, None, 0, loop)  # type: ignore[arg-type]
        self.is_client = self._tlsClientDefault = client

    def startTLS(self, ctx: Any, normal: bool = True) -> None:  # noqa: FBT001, FBT002  # Twisted's signature
        """Start TLS; it takes its time from our clock, where Twisted's would ask the one reactor."""
        super().startTLS(ctx, normal)
        self.protocol._aggregator._clock = self.reactor  # type: ignore[attr-defined]  # noqa: SLF001

    def getHost(self) -> IPv4Address:
        """Give the address of this end."""
        return IPv4Address("TCP", *self._own_name)

    def getPeer(self) -> IPv4Address:
        """Give the address of the other end."""
        return IPv4Address("TCP", *self.client)  # type: ignore[arg-type]


def join(
    clock: IReactorTime, client: IProtocol, server: IProtocol, *, cuts: Iterable[int] = (), room: int = ROOM
) -> tuple[MemoryTransport, MemoryTransport]:
    """
    Connect two protocols in memory, and give their transports; the server's `connectionMade` comes first.

    `cuts` says how many bytes each read of either side gives at most, in turn; an iterator is shared by both sides, a
    list begins anew for each. When they are used up a read gives what is there, at most 64 KiB. `room` is how many
    bytes may be on the way, each way: a writer has to wait for its reader beyond that.
    """
    loop = _Loop(clock)
    near, far = memory_sockets(loop.wake, cuts=cuts, room=room)
    ends = (
        MemoryTransport(near, client, far, loop, client=True),
        MemoryTransport(far, server, near, loop, client=False),
    )
    loop.begin(ends[1], server)
    loop.begin(ends[0], client)
    return ends


@implementer(IStreamClientEndpoint)
class MemoryEndpoint:
    """An endpoint that leads to a server's factory in memory; with None in its place nobody listens."""

    def __init__(
        self, clock: IReactorTime, server: IProtocolFactory | None, *, cuts: Iterable[int] = (), room: int = ROOM
    ) -> None:
        self._clock = clock
        self._server = server
        self._cuts = cuts
        self._room = room

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect at once."""
        address = IPv4Address("TCP", "127.0.0.1", 1)
        server = self._server.buildProtocol(address) if self._server is not None else None
        if server is None:
            return fail(Refused())
        client = protocolFactory.buildProtocol(address)
        if client is None:
            return fail(Refused())
        join(self._clock, client, server, cuts=self._cuts, room=self._room)
        return succeed(client)
