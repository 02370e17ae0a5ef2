"""
One connection in a capture, as a synthetic TCP connection: a handshake, its bytes, an end for each direction.

A packet is what one read gave, or one write, so that it can be seen where those were cut; only what doesn't fit a
packet takes several, of which the last one has the flag PSH. What is noted about bytes stands as a comment on the
packet that has them.
"""

from collections.abc import Callable

from twisted_lab.instruments.capture.segment import ACK, FIN, MAX_PAYLOAD, PSH, RST, SYN, Address, Segment, write_packet
from twisted_lab.instruments.directions import DOWNSTREAM, STREAMS, UPSTREAM, opposite

#: Notes that wait for a packet, at most; of more it is said that there were more.
MAX_NOTES = 64
#: The reason that says nothing: what Twisted calls an end as it should be.
CLEAN = "Connection was closed cleanly"
#: Odd, and far from small: so connections that follow one another on one port begin at numbers far apart.
_SPREAD = 2654435761

#: Takes a packet: seconds, its bytes, comments.
Write = Callable[[float, bytes, list[str]], object]


class Recording:
    """
    What is told what happens on a connection; times are in seconds, on the recorder's clock.

    It is an observer of a proxied connection, and `wrapping` tells it of a protocol's.
    """

    def __init__(self, write: Write, number: int, client: Address, server: Address) -> None:
        self._write = write
        self._ends = {UPSTREAM: (client, server), DOWNSTREAM: (server, client)}
        start = number * _SPREAD % 2**32
        self._next = {UPSTREAM: start, DOWNSTREAM: (start ^ 0x55555555)}
        self._notes: dict[str, list[str]] = {UPSTREAM: [], DOWNSTREAM: []}
        self._ended: set[str] = set()
        self._over = False

    def opened(self, time: float, comments: list[str]) -> None:
        """Write the handshake."""
        self._send(UPSTREAM, SYN, time, comments=comments)
        self._send(DOWNSTREAM, SYN | ACK, time)
        self._send(UPSTREAM, ACK, time)

    def passed(self, stream: str, data: bytes, time: float) -> None:
        """Take bytes that one read or one write had."""
        if stream in self._ended or self._over:
            return
        for start in range(0, len(data), MAX_PAYLOAD):
            last = start + MAX_PAYLOAD >= len(data)
            piece = data[start : start + MAX_PAYLOAD]
            self._send(stream, PSH | ACK if last else ACK, time, piece, self._take_notes(stream))

    def struck(self, stream: str, fault: str, text: str, time: float) -> None:
        """Note a fault, on the next packet of that direction."""
        notes = self._notes[stream]
        if len(notes) < MAX_NOTES:
            notes.append(f"fault={fault} {text}".rstrip())
        elif len(notes) == MAX_NOTES:
            notes.append("fault=… and more than these")

    def ended(self, stream: str, time: float) -> None:
        """Take the end of one direction."""
        if stream not in self._ended and not self._over:
            self._ended.add(stream)
            self._send(stream, FIN | ACK, time, comments=self._take_notes(stream))

    def closed(self, reason: str, time: float, *, reset: bool | None = None, stream: str = UPSTREAM) -> None:
        """
        Take the end of the connection, and why.

        Was it reset, then by the sender of `stream`; unless that is told, the reason says so.
        """
        if self._over:
            return
        if reset is None:
            reset = reason.startswith("reset")
        why = [] if reason == CLEAN else [reason if reason.startswith("closed") else f"closed: {reason}"]
        if reset:
            comments = self._take_notes(UPSTREAM) + self._take_notes(DOWNSTREAM)
            self._send(stream, RST | ACK, time, comments=comments + why)
        else:
            for each in STREAMS:
                self.ended(each, time)
            self._send(UPSTREAM, ACK, time, comments=why)
        self._over = True

    def _take_notes(self, stream: str) -> list[str]:
        notes, self._notes[stream] = self._notes[stream], []
        return notes

    def _send(self, stream: str, flags: int, time: float, data: bytes = b"", comments: list[str] | None = None) -> None:
        acknowledges = self._next[opposite(stream)] if flags & ACK else 0
        segment = Segment(*self._ends[stream], self._next[stream], acknowledges, flags, data)
        self._write(time, write_packet(segment), comments or [])
        self._next[stream] = (self._next[stream] + len(data) + bool(flags & (SYN | FIN))) % 2**32
