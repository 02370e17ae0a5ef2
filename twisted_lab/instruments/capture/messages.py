"""
The messages in captured streams: a codec for each direction; of each message its size, its reads and what it says.

Memory: of each direction that goes on, what its codec keeps, and `Summary`'s few bytes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from twisted_lab.instruments.capture.streams import MAX_CONNECTIONS, Connection, Ended, Happening, Noted, Opened, Read
from twisted_lab.instruments.capture.summary import Summary
from twisted_lab.instruments.directions import STREAMS
from twisted_lab.wire.codec import Codec, wanted_by

MakeCodec = Callable[[], Codec[Any, Any]]
#: Comments of a message, at most.
MAX_COMMENTS = 16


@dataclass(frozen=True, slots=True)
class Message(Happening):
    """A message is complete, at `time`; its first byte came at `began`. `reads`: how many reads it came in."""

    stream: str
    began: float
    size: int
    reads: int
    summary: Summary
    comments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Broken(Happening):
    """
    A direction has `size` bytes of a message that isn't whole; `why` is a sentence.

    From here on it has no messages, unless each read is one.
    """

    stream: str
    size: int
    why: str
    comments: tuple[str, ...]


class Messages:
    """Take what happened; give it with the messages between. Without a codec each read is taken for one."""

    def __init__(self, make_codec: MakeCodec | None) -> None:
        self._make_codec = make_codec
        self._decoders: dict[tuple[Connection, str], _Decoder | None] = {}

    def take(self, happening: Happening) -> Iterator[Happening]:
        """Give it, and the messages that are complete by it."""
        match happening:
            case Opened(connection=connection):
                while len(self._decoders) > 2 * MAX_CONNECTIONS - 2:  # those of connections whose end isn't there
                    yield from self._end(*next(iter(self._decoders)), "more connections are open than can be followed")
                for stream in STREAMS:
                    self._decoders[connection, stream] = _Decoder(self._make_codec and self._make_codec())
                yield happening
            case Read(connection=connection, stream=stream):
                yield happening
                yield from self._decode(self._decoders.get((connection, stream)), happening)
            case Ended(connection=connection, stream=stream):
                why = "the stream ended in the middle of a message"
                for ends in STREAMS if happening.reset else (stream,):
                    yield from self._end(connection, ends, why, happening.time)
                yield happening
            case _:
                yield happening

    def finish(self) -> Iterator[Happening]:
        """Take the end of all that is known; give what has come of messages that aren't complete."""
        for connection, stream in [*self._decoders]:
            yield from self._end(connection, stream, "the capture ended in the middle of a message")

    def _end(self, connection: Connection, stream: str, why: str, time: float | None = None) -> Iterator[Happening]:
        decoder = self._decoders.pop((connection, stream), None)
        if decoder is not None and decoder.size:
            at = decoder.time if time is None else time
            yield Broken(connection, at, stream, decoder.size, why, decoder.comments)

    def _decode(self, decoder: "_Decoder | None", read: Read) -> Iterator[Happening]:
        if decoder is None:  # of what has no messages there is still what was noted
            if read.comments:
                yield Noted(read.connection, read.time, read.stream, read.comments)
            return
        comments = decoder.comments + read.comments
        why = f"{read.missing:,} bytes weren't captured" if read.missing else ""
        if why and self._make_codec is None:  # the next read is a message again
            yield Broken(read.connection, read.time, read.stream, 0, why, ())
            why = ""
        if not why:
            yield from decoder.take(read)
            comments, why = decoder.comments, decoder.why
        if why:
            self._decoders[read.connection, read.stream] = None
            yield Broken(read.connection, read.time, read.stream, decoder.size, why, comments)


class _Decoder:
    """
    One direction.

    `size` is how many bytes of a message have come that isn't complete, the last of them at `time`, and `comments` what
    was noted about them; `why` is what is wrong with it, once something is.
    """

    def __init__(self, codec: Codec[Any, Any] | None) -> None:
        self.size = 0
        self.why = ""
        self.time = 0.0
        self.comments: tuple[str, ...] = ()
        self._codec = codec
        self._summary = Summary()
        self._began = 0.0
        self._reads = 0

    def take(self, read: Read) -> Iterator[Message]:
        """Give the messages that end in a read."""
        position, fresh = 0, not read.continues
        self.time = read.time
        self.comments = (self.comments + read.comments)[:MAX_COMMENTS]
        while position < len(read.data) and not self.why:
            if not self.size:
                self._began = read.time
            if fresh or not self.size:
                self._reads += 1
                fresh = False
            wanted = len(read.data) if self._codec is None else wanted_by(self._codec)
            piece = read.data[position : position + wanted]
            position += len(piece)
            self.size += len(piece)
            if self._feed(piece):
                yield self._finish(read)

    def _feed(self, piece: bytes) -> bool:
        """Take some bytes; tell whether a message ends with them."""
        if self._codec is None:
            self._summary.add(piece)
            return True
        for event in self._codec.feed(piece):
            self._summary.add(event)
        if self._codec.error is not None:
            self.why = str(self._codec.error)
        return self._codec.at_boundary

    def _finish(self, read: Read) -> Message:
        message = Message(
            read.connection,
            read.time,
            read.stream,
            self._began,
            self.size,
            self._reads,
            self._summary,
            self.comments,
        )
        self.size, self._reads, self.comments, self._summary = 0, 0, (), Summary()
        return message
