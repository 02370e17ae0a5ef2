"""What every codec offers, so that every instrument can take any of them."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from twisted_lab.wire.errors import RemoteProtocolError

Message_contra = TypeVar("Message_contra", contravariant=True)
Event_co = TypeVar("Event_co", covariant=True)


class Codec(Protocol[Message_contra, Event_co]):
    """
    One direction's decoder, and the encoder of its messages.

    `feed` costs O(n) in the bytes fed, whatever the cuts, and checks every length against a limit before
    it keeps a byte of what is announced.
    """

    @property
    def error(self) -> RemoteProtocolError | None:
        """What the peer did wrong, once it did: nothing can be decoded after it."""

    @property
    def at_boundary(self) -> bool:
        """Whether the stream stands between two messages: none has begun, none is unfinished."""

    @property
    def wanted(self) -> int:
        """
        How many bytes more, at least one, may be fed before anything else can be known.

        Who feeds no more than that sees each message end exactly where it does.
        """

    def feed(self, data: bytes) -> Sequence[Event_co]:
        """
        Take the next bytes of the stream; give what they complete, in order.

        Where `data` breaks the protocol, what came before the fault is given as usual and `error` is set;
        from then on `feed` and `eof` raise it.
        """

    def eof(self) -> None:
        """Take the end of the stream; raise `TruncatedError` if it falls inside a message."""

    def encode(self, message: Message_contra) -> bytes:
        """Give the bytes of `message`; raise `LocalProtocolError` for one that may not be sent."""


def wanted_by(codec: Codec[Any, Any]) -> int:
    """Give a codec's `wanted`; 1, a byte at a time, of one that doesn't say, or says less."""
    return max(1, getattr(codec, "wanted", 1))
