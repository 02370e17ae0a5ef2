"""
Messages pulled rather than pushed: what a coroutine that talks filexfer reads from and writes to.

`HeaderProtocol` calls hooks as bytes arrive. Here the same events wait in a queue until a coroutine asks for them, and
reading pauses when the queue is full; so a session is written top to bottom, and its memory has a bound. Content
passes through two places only, `read_some` and `send_content`: a transport that moves bytes between file and socket
by itself (see `content`) takes the place of these.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from twisted_lab.filexfer.errors import DisconnectedError
from twisted_lab.header import HeaderProtocol
from twisted_lab.net.reason import show_reason
from twisted_lab.wire.errors import RemoteProtocolError, TruncatedError

#: Bytes that wait for the coroutine, at most, and the one read that went over it.
QUEUE = 2**18
#: What a header, and a piece of content, occupies beside its bytes, or thereabouts: a peer may send them one by one.
_HEADER_WEIGHT = 1024
_PIECE_WEIGHT = 64
#: What a value in a header occupies beside its characters, and what one of these: 64 KiB of JSON may make 2 MiB.
_VALUE_WEIGHT = 128
_CHARACTER_WEIGHT = 4

#: The end of a message stands in the queue as content without bytes.
_END = b""
_Event = dict[str, Any] | bytes | Exception


class MessageStream(HeaderProtocol):
    """
    Messages, one after the other, for one coroutine that reads and one that writes.

    What is read raises, once what had arrived is used up: `DisconnectedError` when the peer closed or the connection is
    lost, `RemoteProtocolError` when the peer broke the protocol. What is written raises `DisconnectedError`.
    """

    #: Why nothing more can be sent; None while the connection is there.
    lost: DisconnectedError | None = None

    def connectionMade(self) -> None:
        """Begin with nothing."""
        self._queue: deque[tuple[_Event, int]] = deque()  # each with its weight
        self._weight = 0
        self._full = False
        self._standing = False
        #: Whether more of the content of the message that was received last may be read.
        self.in_message = False
        self._reader: Deferred[None] | None = None
        self._writers: list[Deferred[None]] = []
        self._writable = True
        super().connectionMade()  # type: ignore[no-untyped-call]

    @property
    def waits(self) -> bool:
        """Whether each message that has arrived was received."""
        return not any(isinstance(event, dict) for event in self._queue)

    async def receive(self) -> dict[str, Any]:
        """Give the next message's header; content of the one before that nobody has read is dropped."""
        while True:
            event = await self._next()
            if isinstance(event, dict):
                self.in_message = True
                return event

    async def read_some(self, most: int = QUEUE) -> list[bytes]:
        """
        Give what is there of the message's content, in order: at least something, or an empty list at its end.

        It is about `most` bytes, and more by less than what the network gave at once.
        """
        pieces: list[bytes] = []
        length = 0
        while self.in_message and length < most:
            if pieces and (not self._queue or isinstance(self._queue[0][0], Exception)):
                break  # what is there comes first, and what ended it the next time
            event = await self._next()
            if event == _END:
                self.in_message = False
            elif isinstance(event, bytes):
                pieces.append(event)
                length += len(event)
        return pieces

    def check_connected(self) -> None:
        """Raise `DisconnectedError` if nobody is there any more."""
        if self.lost is not None:
            raise self.lost

    @property
    def waits_for_peer(self) -> bool:
        """Whether it is the peer that must send something, or take something, for this side to go on."""
        return self._reader is not None or not self._writable

    def send(self, header: Mapping[str, Any]) -> None:
        """Send a header; it doesn't wait: what answers requests one by one can't pile up."""
        self.check_connected()
        self.sendHeader(header)

    async def send_content(self, data: bytes) -> None:
        """Send some of the content that the last header announced; return when the peer has room for more."""
        self.check_connected()
        self.sendContent(data)
        await self.flushed()

    async def flushed(self) -> None:
        """Return when the peer has taken so much that more may be sent."""
        if not self._writable:
            writer: Deferred[None] = Deferred()
            self._writers.append(writer)
            await writer
        self.check_connected()

    def headerReceived(self, header: dict[str, Any]) -> None:
        """Queue it."""
        self._push(header)

    def contentReceived(self, data: bytes) -> None:
        """Queue it."""
        self._push(data)

    def messageFinished(self) -> None:
        """Queue that."""
        super().messageFinished()
        self._push(_END)

    def streamFailed(self, error: RemoteProtocolError) -> None:
        """Queue what was wrong: the coroutine hears of it when it has answered what came before."""
        self._push(error)

    def stream_ended(self) -> None:
        """Queue that the peer has shut its side: it may still read our answers."""
        self._push(DisconnectedError("the peer closed the connection"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Let everyone know who waits; what arrived before can still be read."""
        super().connectionLost(reason)
        error = reason.value
        closed = isinstance(error, ConnectionDone)
        sentence = "the peer closed the connection" if closed else f"the connection was lost: {show_reason(error)}"
        self.lost = DisconnectedError(sentence)
        self.lost.__cause__ = error
        # To end in the middle of a message isn't against the protocol: it is how a kill looks.
        if isinstance(error, RemoteProtocolError) and not isinstance(error, TruncatedError):
            self._push(error)
        else:
            self._push(self.lost)
        self._release_writers()

    def peer_is_full(self) -> None:
        """Take notice that the peer takes nothing for now: `flushed` waits."""
        self._writable = False

    def peer_has_room(self) -> None:
        """Take notice that it takes more."""
        self._writable = True
        self._release_writers()

    def hold_queue(self) -> bool:
        """Read nothing more, and have all that was read in the queue; tell whether that could be."""
        self._standing = True
        self.pauseProducing()
        while not self.all_delivered:
            self.resumeProducing()  # the transport reads nothing before it is paused again
            if self.paused:  # by something else
                return False
            self.pauseProducing()
        return True

    def take_queued(self) -> list[bytes]:
        """Give all that is in the queue of the message's content, in order."""
        pieces: list[bytes] = []
        while self.in_message and self._queue and isinstance(event := self._queue[0][0], bytes):
            self._weight -= self._queue.popleft()[1]
            if event == _END:
                self.in_message = False
            else:
                pieces.append(event)
        return pieces

    def release_queue(self) -> None:
        """Read on, if there is room."""
        self._standing = False
        self._full = self._weight > QUEUE
        if not self._full and self.lost is None:
            self.resumeProducing()

    def _push(self, event: _Event) -> None:
        weight = _weight(event)
        self._queue.append((event, weight))
        self._weight += weight
        if self._weight > QUEUE and not self._full:
            self._full = True
            self.pauseProducing()
        if self._reader is not None:
            reader, self._reader = self._reader, None
            reader.callback(None)

    async def _next(self) -> _Event:
        while not self._queue:
            self._reader = Deferred()
            await self._reader
        event, weight = self._queue[0]
        if isinstance(event, Exception):  # stays: whoever asks again hears the same
            raise event
        self._queue.popleft()
        self._weight -= weight
        if self._full and self._weight <= QUEUE // 2 and not self._standing:
            self._full = False
            self.resumeProducing()
        return event

    def _release_writers(self) -> None:
        writers, self._writers = self._writers, []
        for writer in writers:
            writer.callback(None)


def _weight(event: _Event) -> int:
    if isinstance(event, bytes):
        return len(event) + _PIECE_WEIGHT
    weight = _HEADER_WEIGHT
    left: list[object] = [event]
    while left and weight <= QUEUE:
        value = left.pop()
        if isinstance(value, str):
            weight += _CHARACTER_WEIGHT * len(value)
        elif isinstance(value, dict):
            weight += _VALUE_WEIGHT * len(value)
            left += [*value, *value.values()]
        elif isinstance(value, list):
            weight += _VALUE_WEIGHT * len(value)
            left += value
    return weight
