"""One direction of a proxied connection: from the source's transport through the faults to the destination's."""

import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from twisted_lab.instruments.faults.inbox import Note
from twisted_lab.instruments.faults.pipe import Pipe
from twisted_lab.instruments.proxy.shortcut import Shortcut, can_shorten
from twisted_lab.net.below import wire_of
from twisted_lab.net.refusal import shut

if TYPE_CHECKING:
    from twisted_lab.instruments.proxy.link import Link


class Way:
    """
    What a `Pipe` writes to, and what reads for it.

    `received` and `sent` are bytes; they move while the connection lasts. `source` and `destination` are transports,
    set once both sides are there.
    """

    def __init__(self, link: "Link", stream: str) -> None:
        self.stream = stream
        self.received = 0
        self.sent = 0
        self.ended = False
        self.source: Any = None
        self.destination: Any = None
        self.pipe = Pipe(link.clock, self, link.make_codec)
        self._link = link
        self._shortcut: Shortcut | None = None
        self._ends_at_once = False
        self._buffer = 0  # bytes that the source's receive buffer is to have, if a fault says so

    def open(self, source: Any, destination: Any) -> None:
        """Begin to move bytes."""
        self.source = source
        self.destination = destination
        if self._buffer:
            self.shrink(self._buffer)
        destination.registerProducer(_Backpressure(self.pipe, destination), True)
        if self._ends_at_once:
            self.end()
        else:
            self._shorten()

    def feed(self, data: bytes) -> None:
        """Take what the source has read."""
        self._shorten()
        if self._shortcut is not None:
            self._shortcut.send(data)
        else:
            self.received += len(data)
            self._link.progress(self.stream, received=len(data))
            self.pipe.feed(data)

    def feed_end(self) -> None:
        """Take that the source has shut its side."""
        if self._shortcut is not None:
            self._shortcut.drop()
            self._shortcut = None
        self.pipe.feed_end()

    def lengthen(self) -> None:
        """Look at the bytes again: there is a fault to come."""
        shortcut, self._shortcut = self._shortcut, None
        if shortcut is not None:
            shortcut.undo()

    def cut(self) -> None:
        """Take it that the destination is gone, and has taken all that it wanted: what still comes is dropped."""
        self.stop()
        self.ended = True
        self.resume()

    def stop(self) -> None:
        """Move nothing more: the connection is gone."""
        self.pipe.stop()
        if self._shortcut is not None:
            self._shortcut.drop()
            self._shortcut = None

    def _shorten(self) -> None:
        if (
            self._shortcut is None
            and self.pipe.empty
            and self._link.observer is None
            and can_shorten(self.source, self.destination)
        ):
            self._shortcut = Shortcut(self.source, self.destination, self._moved)

    def _moved(self, count: int) -> None:
        self.received += count
        self.sent += count
        self._link.progress(self.stream, received=count, sent=count)

    # What the pipe calls.

    def write(self, data: bytes) -> None:
        """Send bytes on."""
        self.sent += len(data)
        self._link.progress(self.stream, sent=len(data))
        if self._link.observer is not None:
            self._link.observer.passed(self.stream, data, self._link.clock.seconds())
        self.destination.write(data)

    def end(self) -> None:
        """Shut the destination's side. A producer that is registered would keep Twisted from it."""
        if self.destination is None:  # not yet: a fault was quicker than the connection to the server
            self._ends_at_once = True
            return
        self.ended = True
        self.destination.unregisterProducer()
        shut(self.destination)
        if self._link.observer is not None:
            self._link.observer.ended(self.stream, self._link.clock.seconds())
        self._link.way_ended()

    def close(self, *, last_word: bool) -> None:
        """Close both sides."""
        self._link.close("closed by a fault", last_word=last_word)

    def reset(self) -> None:
        """Reset both sides."""
        self._link.abort("reset by a fault")

    def pause(self) -> None:
        """Read nothing."""
        if self.source is not None:
            self.source.pauseProducing()

    def resume(self) -> None:
        """Read on."""
        if self.source is not None:
            self.source.resumeProducing()

    def shrink(self, size: int) -> None:
        """Make the source's receive buffer so small."""
        self._buffer = size
        wire = wire_of(self.source)
        if wire is not None and wire.connected:
            wire.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)

    @property
    def observed(self) -> bool:
        """Whether there is an observer."""
        return self._link.observer is not None

    def struck(self, note: Note) -> None:
        """Enter it in the journal."""
        if self._link.journal is not None:
            self._link.journal.append((note.time, self.stream, note.fault, note.text))

    def noted(self, notes: Sequence[Note]) -> None:
        """Tell the observer."""
        if self._link.observer is not None:
            for note in notes:
                self._link.observer.struck(self.stream, note.fault, note.text, note.time)


@implementer(IPushProducer)
class _Backpressure:
    """What a destination's transport takes for the producer: while it is paused the pipe writes nothing."""

    def __init__(self, pipe: Pipe, destination: Any) -> None:
        self._pipe = pipe
        self._destination = destination

    def pauseProducing(self) -> None:
        self._pipe.block()

    def resumeProducing(self) -> None:
        # TLS closes TCP when its peer has closed TLS; with a producer that would wait for more, and for ever.
        if wire_of(self._destination).disconnecting:
            self._destination.unregisterProducer()
        else:
            self._pipe.unblock()

    def stopProducing(self) -> None:
        """Do nothing: connectionLost follows."""
