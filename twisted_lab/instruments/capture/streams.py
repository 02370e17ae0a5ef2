"""
Connections and their streams, put together from captured packets.

In what our recorder wrote nothing is missing or out of order; in what was caught on a wire there are segments that come
twice, late or never. What is late is waited for, and kept within bounds; what never comes is a gap, and what waited for
it is given after that: at the latest when the packets or the connection end, or when the connection is forgotten.

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
    captured; there are no bytes after those if the stream, or what is known of it, ends there.
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
            yield from self._drop(key)
        if key not in self._known:
            if segment.flags & (RST | FIN) and not segment.payload and not packet.comments:
                return  # of one that isn't known any more
            while len(self._known) >= MAX_CONNECTIONS:
                yield from self._drop(next(iter(self._over or self._known)))
            yield self._begin(key, segment, packet)
        connection, directions = self._known[key]
        stream = UPSTREAM if segment.source == connection.client else DOWNSTREAM
        direction = directions[stream]
        if segment.flags & SYN:
            direction.next = (segment.sequence + 1) % 2**32
            return
        if direction.next is None:
            direction.next = segment.sequence
        if segment.flags & RST and key not in self._over:
            yield from self._reset(connection, stream, directions, segment, packet)
        else:
            yield from self._pass(connection, stream, direction, segment, packet)
        if all(each.over for each in directions.values()):
            self._over[key] = None  # not forgotten yet: the last acknowledgements may be to come
            yield from self._give_waiting(connection, directions)

    def finish(self) -> Iterator[Happening]:
        """Take that no more packets come, or none of those that are missing; give what waits for them."""
        for connection, directions in self._known.values():
            yield from self._give_waiting(connection, directions)

    def _begin(self, key: tuple[Address, Address], segment: Segment, packet: Packet) -> Opened:
        self._count += 1
        client, server = segment.source, segment.destination
        knows = bool(segment.flags & SYN)
        # Who answers a SYN is the server; who has the smaller port, else, usually is.
        if segment.flags & (SYN | ACK) == SYN | ACK or (not knows and client.port < server.port):
            client, server = server, client
        connection = Connection(self._count, client, server)
        self._known[key] = connection, {UPSTREAM: _Direction(), DOWNSTREAM: _Direction()}
        return Opened(connection, packet.time, packet.comments if knows else (), not knows)

    def _drop(self, key: tuple[Address, Address]) -> Iterator[Happening]:
        """Forget a connection; give what waits of it."""
        self._over.pop(key, None)
        yield from self._give_waiting(*self._known.pop(key))

    def _reset(
        self, connection: Connection, stream: str, directions: dict[str, _Direction], segment: Segment, packet: Packet
    ) -> Iterator[Happening]:
        """Take a reset; what waits came before it, and so did what its sequence number counts."""
        yield from self._give_waiting(connection, directions)
        missing = _after(segment.sequence, directions[stream].next or 0)
        if missing > 0 and not directions[stream].over:
            yield Read(connection, packet.time, stream, b"", missing=missing)
        for each in directions.values():
            each.over = True
        yield Ended(connection, packet.time, stream, reset=True, comments=packet.comments)

    def _give_waiting(self, connection: Connection, directions: dict[str, _Direction]) -> Iterator[Happening]:
        for stream, direction in directions.items():
            yield from self._go_on(connection, stream, direction, wait=False)
            self._wait(direction, -direction.size)
            direction.waiting.clear()  # of what came behind an end

    def _pass(
        self, connection: Connection, stream: str, direction: _Direction, segment: Segment, packet: Packet
    ) -> Iterator[Happening]:
        if direction.over or (not segment.length and not segment.flags & FIN):
            if packet.comments:
                yield Noted(connection, packet.time, stream, packet.comments)
            return
        if _after(segment.sequence, direction.next or 0) > 0:
            self._keep(direction, segment, packet)
        else:
            yield from self._give(connection, stream, direction, segment, packet)
        yield from self._go_on(connection, stream, direction)

    def _keep(self, direction: _Direction, segment: Segment, packet: Packet) -> None:
        """Have a segment wait; of two that begin at one place the one that goes further."""
        if segment.sequence in direction.waiting:
            other, _ = direction.waiting[segment.sequence]
            if (segment.length, segment.flags & FIN) <= (other.length, other.flags & FIN):
                return
            self._wait(direction, -len(other.payload) - _OVERHEAD)
        direction.waiting[segment.sequence] = segment, packet
        self._wait(direction, len(segment.payload) + _OVERHEAD)

    def _go_on(
        self, connection: Connection, stream: str, direction: _Direction, *, wait: bool = True
    ) -> Iterator[Happening]:
        """Give what has waited long enough: for what is there now, or more than may `wait`."""
        while direction.waiting and not direction.over:
            first = min(direction.waiting, key=lambda sequence: _after(sequence, direction.next or 0))
            if wait and _after(first, direction.next or 0) > 0 and self._may_wait(direction):
                return
            segment, packet = direction.waiting.pop(first)
            self._wait(direction, -len(segment.payload) - _OVERHEAD)
            yield from self._give(connection, stream, direction, segment, packet)

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
        known, missing = max(0, -distance), max(0, distance)
        data = segment.payload[known:]
        lost = segment.length - max(known, len(segment.payload))
        ends = bool(segment.flags & FIN)
        continues = direction.in_read and not missing
        if known < segment.length:
            direction.next = (segment.sequence + segment.length) % 2**32
            direction.in_read = segment.length == MAX_PAYLOAD and not segment.flags & PSH and lost <= 0
        direction.over = ends
        of_end = packet.comments if ends and not data else ()
        of_data = () if of_end else packet.comments
        if known < segment.length or missing:
            yield Read(connection, packet.time, stream, data, of_data, continues, missing)
        elif of_data:
            yield Noted(connection, packet.time, stream, of_data)
        if lost > 0:
            yield Read(connection, packet.time, stream, b"", missing=lost)
        if ends:
            yield Ended(connection, packet.time, stream, reset=False, comments=of_end)


def _after(one: int, other: int) -> int:
    """Give how far one sequence number is after another, modulo 2^32: negative if it is before."""
    return (one - other + _HALF) % 2**32 - _HALF
