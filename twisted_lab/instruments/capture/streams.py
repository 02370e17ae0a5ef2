"""
Connections and their streams, put together from captured packets.

In what our recorder wrote nothing is missing or out of order; in what was caught on a wire there are segments that come
twice, late or never. What is late is waited for, and kept within bounds; what never comes is a gap.

Bounds: `MAX_CONNECTIONS` that are known at one time; `MAX_WAITING` bytes of a direction that wait for those before
them, and `MAX_WAITING_IN_ALL`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from twisted_lab.instruments.capture.links import find_segment
from twisted_lab.instruments.capture.pcapng import Packet
from twisted_lab.instruments.capture.segment import ACK, FIN, MAX_PAYLOAD, PSH, RST, SYN, Address, Segment
from twisted_lab.instruments.directions import DOWNSTREAM, UPSTREAM

MAX_CONNECTIONS = 4096
MAX_WAITING = 2**20
MAX_WAITING_IN_ALL = 2**26
#: Bytes that a segment is taken for, besides its own.
_OVERHEAD = 1024
_HALF = 2**31


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection; they are numbered from 1, in the order in which they began."""

    number: int
    client: Address
    server: Address


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened on a connection, at a time in seconds since 1970."""

    connection: Connection
    time: float


@dataclass(frozen=True, slots=True)
class Opened(Happening):
    """The connection began; or the capture did, in the midst of it, and then it isn't known who is the client."""

    comments: tuple[str, ...]
    midst: bool


@dataclass(frozen=True, slots=True)
class Read(Happening):
    """
    Bytes went in a direction, with one read or one write.

    `continues`: with the same one as those before, being too many for one packet. `missing` bytes before them weren't
    captured.
    """

    stream: str
    data: bytes
    comments: tuple[str, ...] = ()
    continues: bool = False
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Ended(Happening):
    """A direction ended, or with `reset` the whole connection did, by its sender."""

    stream: str
    reset: bool
    comments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Noted(Happening):
    """Something was noted about the connection and no bytes."""

    stream: str
    comments: tuple[str, ...]


class _Direction:
    """What is known of one direction: which sequence number is next, and what came before its turn."""

    def __init__(self) -> None:
        self.next: int | None = None
        self.waiting: dict[int, tuple[Segment, Packet]] = {}
        self.size = 0  # bytes that wait
        self.lost = 0  # bytes that were sent before the next, of packets that weren't kept whole
        self.in_read = False
        self.over = False


class Streams:
    """Take packets; give what happened."""

    def __init__(self) -> None:
        self._known: dict[tuple[Address, Address], tuple[Connection, dict[str, _Direction]]] = {}
        self._over: dict[tuple[Address, Address], None] = {}  # those of them that are over, the oldest first
        self._count = 0
        self._waiting = 0  # bytes, of all directions

    def take(self, packet: Packet) -> Iterator[Happening]:
        """Take the next packet; give what it lets be known, in order."""
        segment = find_segment(packet.link, packet.data)
        if segment is None:
            return
        ends = segment.source, segment.destination
        key = min(ends), max(ends)
        begins = segment.flags & (SYN | ACK) == SYN
        if begins and key in self._known and self._known[key][1][UPSTREAM].next != (segment.sequence + 1) % 2**32:
            self._drop(key)
        if key not in self._known:
            if segment.flags & (RST | FIN) and not segment.payload:  # of one that isn't known any more
                return
            yield self._begin(key, segment, packet)
        connection, directions = self._known[key]
        stream = UPSTREAM if segment.source == connection.client else DOWNSTREAM
        direction = directions[stream]
        if segment.flags & SYN:
            direction.next = (segment.sequence + 1) % 2**32
            return
        if direction.next is None:
            direction.next = segment.sequence
        yield from self._pass(connection, stream, direction, segment, packet)
        if segment.flags & RST or all(each.over for each in directions.values()):
            self._forget(key, directions)

    def _begin(self, key: tuple[Address, Address], segment: Segment, packet: Packet) -> Opened:
        self._count += 1
        client, server = segment.source, segment.destination
        knows = bool(segment.flags & SYN)
        # Who answers a SYN is the server; who has the smaller port, else, usually is.
        if segment.flags & (SYN | ACK) == SYN | ACK or (not knows and client.port < server.port):
            client, server = server, client
        connection = Connection(self._count, client, server)
        while len(self._known) >= MAX_CONNECTIONS:
            self._drop(next(iter(self._over or self._known)))
        self._known[key] = connection, {UPSTREAM: _Direction(), DOWNSTREAM: _Direction()}
        return Opened(connection, packet.time, packet.comments if knows else (), not knows)

    def _forget(self, key: tuple[Address, Address], directions: dict[str, _Direction]) -> None:
        """Keep next to nothing of a connection that is over; the last acknowledgements may be to come."""
        self._over[key] = None
        self._drop_waiting(directions)
        for direction in directions.values():
            direction.over = True

    def _drop(self, key: tuple[Address, Address]) -> None:
        self._over.pop(key, None)
        self._drop_waiting(self._known.pop(key)[1])

    def _drop_waiting(self, directions: dict[str, _Direction]) -> None:
        for direction in directions.values():
            self._waiting -= direction.size
            direction.size = 0
            direction.waiting.clear()

    def _pass(
        self, connection: Connection, stream: str, direction: _Direction, segment: Segment, packet: Packet
    ) -> Iterator[Happening]:
        if not segment.length and not segment.flags & (FIN | RST):
            if packet.comments:
                yield Noted(connection, packet.time, stream, packet.comments)
            return
        if direction.over:
            return
        if segment.flags & RST:
            direction.over = True
            yield Ended(connection, packet.time, stream, reset=True, comments=packet.comments)
            return
        if _after(segment.sequence, direction.next or 0) > 0:
            if segment.sequence not in direction.waiting:
                direction.waiting[segment.sequence] = segment, packet
                self._wait(direction, len(segment.payload) + _OVERHEAD)
            if self._may_wait(direction):
                return
        else:
            yield from self._give(connection, stream, direction, segment, packet)
        while direction.waiting and not direction.over:
            first = min(direction.waiting, key=lambda sequence: _after(sequence, direction.next or 0))
            if _after(first, direction.next or 0) > 0 and self._may_wait(direction):
                return
            one, itself = direction.waiting.pop(first)
            self._wait(direction, -len(one.payload) - _OVERHEAD)
            yield from self._give(connection, stream, direction, one, itself)

    def _wait(self, direction: _Direction, size: int) -> None:
        direction.size += size
        self._waiting += size

    def _may_wait(self, direction: _Direction) -> bool:
        return direction.size <= MAX_WAITING and self._waiting <= MAX_WAITING_IN_ALL

    def _give(
        self, connection: Connection, stream: str, direction: _Direction, segment: Segment, packet: Packet
    ) -> Iterator[Happening]:
        """Give what is new in a segment; what it leaves out before isn't to come any more."""
        distance = _after(segment.sequence, direction.next or 0)
        known = max(0, -distance)
        data = segment.payload[known:]
        end = (segment.sequence + segment.length) % 2**32
        if known < segment.length:
            missing = direction.lost + max(0, distance)
            continues = direction.in_read and not missing
            yield Read(connection, packet.time, stream, data, packet.comments, continues, missing)
            direction.in_read = segment.length == MAX_PAYLOAD and not segment.flags & PSH
            direction.lost = segment.length - max(known, len(segment.payload))
            direction.next = end
        if segment.flags & FIN:
            direction.over = True
            yield Ended(connection, packet.time, stream, reset=False, comments=() if data else packet.comments)


def _after(one: int, other: int) -> int:
    """Give how far one sequence number is after another, modulo 2^32: negative if it is before."""
    return (one - other + _HALF) % 2**32 - _HALF
