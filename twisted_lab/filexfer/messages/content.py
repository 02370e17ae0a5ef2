"""
Content on its way between the socket and a file, without passing through the reactor's thread.

Where that can't be, as with another's TLS, or where it is too little to be worth it, content goes through `read_some`
and `send_content`, and a thread writes, or reads ahead, meanwhile.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from twisted_lab.filexfer.messages.stream import MessageStream
from twisted_lab.net.detached import Worker
from twisted_lab.net.flow import Inflow, Outflow
from twisted_lab.net.mover import Moved, Mover, Pace, can_move

#: Bytes of content from which on it is worth to let it go by itself.
WORTH = 2**18
#: Bytes that are read from a file at one time, and sent, where it doesn't: two of them are in memory.
PIECE = 2**18


class Sink(Protocol):
    """Where content goes: a stream of the client's, or a file."""

    def write(self, pieces: Sequence[bytes]) -> None:
        """Take `pieces`; this blocks."""


@runtime_checkable
class FileSink(Sink, Protocol):
    """A file that content goes to: an `Incoming`, or what a client has for one."""

    def inflow(self, count: int) -> Inflow:
        """Give what takes `count` bytes from a socket, with all that `write` does; this blocks."""


class Source(Protocol):
    """Where content comes from: an `Outgoing`, or what a client has for one."""

    def read(self, most: int) -> bytes:
        """Give the next bytes, none only at the end; this blocks."""

    def outflow(self, count: int) -> Outflow:
        """Give what sends `count` bytes to a socket, with all that `read` does; this blocks."""


class ContentStream(MessageStream):
    """Messages whose content is received into a file, and sent from one."""

    _mover: Mover | None = None

    async def receive_content(self, sink: Sink, worker: Worker, moved: Moved, pace: Pace | None = None) -> None:
        """Take all that is left of the message's content; `moved` and `pace` are those of a `Mover`."""
        while pieces := await self.read_some():
            await _take(pieces, sink, worker, moved, pace)
            # In the middle of a read there may be more of the content that isn't delivered yet.
            if isinstance(sink, FileSink) and self.can_move(self._codec.content_left) and not self._delivering:
                await self._move_in(sink, worker, moved, pace)

    async def send_file(
        self, source: Source, count: int, worker: Worker, moved: Moved, pace: Pace | None = None
    ) -> None:
        """Send `count` bytes of the content that the last header announced."""
        if self.can_move(count):
            await self._move_out(source, count, worker, moved, pace)
            return
        reading = worker.start(source.read, min(PIECE, count))
        while count:
            piece = await reading.result()
            count -= len(piece)
            if count:  # the next piece is read and hashed while this one goes out
                reading = worker.start(source.read, min(PIECE, count))
            await self.send_content(piece)
            moved(len(piece))
            if pace is not None:
                await pace(len(piece))

    async def fill_up(self) -> None:
        """Send zeros for what is missing of the content that was announced, to be able to say that it is void."""
        while self.owed:
            await self.send_content(bytes(min(PIECE, self.owed)))

    def can_move(self, count: int) -> bool:
        """Tell whether `count` bytes of content can go by themselves, and it is worth it."""
        return count >= WORTH and self.lost is None and can_move(self.transport)

    @property
    def waits_for_peer(self) -> bool:
        """Whether it is the peer that must send something, or take something, for this side to go on."""
        return super().waits_for_peer or self.moving_waits

    @property
    def moving_waits(self) -> bool:
        """Whether content that goes by itself waits for the peer."""
        return self._mover is not None and self._mover.waits

    def content_came(self, count: int) -> None:
        """Take notice that so much content has come by itself."""

    def content_went(self, count: int) -> None:
        """Take notice that so much content has gone by itself."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Move nothing more."""
        self.stop_moving()
        super().connectionLost(reason)

    def stop_moving(self) -> None:
        """Move nothing more: the connection is lost, or isn't wanted."""
        if self._mover is not None:
            self._mover.stop()

    async def _move_in(self, sink: FileSink, worker: Worker, moved: Moved, pace: Pace | None) -> None:
        mover = self._mover = Mover(self.transport, worker)
        try:
            if not self.hold_queue():
                return
            if pieces := self.take_queued():
                await _take(pieces, sink, worker, moved, pace)
            # Whatever has arrived is taken, so what the decoder waits for is this message's, if that goes on.
            left = self._codec.content_left if self.in_message else 0
            if left and not mover.stopped:
                await mover.move(await worker.do(sink.inflow, left), self._came(moved), pace)
        except ConnectionLost:
            """Its protocol was told: what is read next says so."""
        finally:
            self._mover = None
            self.release_queue()
        self.check_connected()

    async def _move_out(self, source: Source, count: int, worker: Worker, moved: Moved, pace: Pace | None) -> None:
        mover = self._mover = Mover(self.transport, worker)
        try:
            flow = await worker.do(source.outflow, count)
            await mover.sent()
            self.check_connected()
            await mover.move(flow, self._went(moved), pace)
        except ConnectionLost:
            """Its protocol was told: the check says so."""
        finally:
            self._mover = None
        self.check_connected()

    def _came(self, moved: Moved) -> Moved:
        def came(count: int) -> None:
            self.content_came(count)
            for event in self._codec.skip(count):
                self._event_received(event)
            moved(count)

        return came

    def _went(self, moved: Moved) -> Moved:
        def went(count: int) -> None:
            self.owed -= count
            self.content_went(count)
            moved(count)

        return went


async def _take(pieces: list[bytes], sink: Sink, worker: Worker, moved: Moved, pace: Pace | None) -> None:
    # Meanwhile more arrives, and is taken in one go.
    await worker.do(sink.write, pieces)
    count = sum(map(len, pieces))
    moved(count)
    if pace is not None:
        await pace(count)
