"""A request's place among the replies, which come in the order of the requests."""

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from twisted.internet.defer import Deferred

from twisted_lab.filexfer.errors import DisconnectedError, FilexferError
from twisted_lab.filexfer.messages.replies import error_from
from twisted_lab.wire.errors import RemoteProtocolError

if TYPE_CHECKING:
    from twisted_lab.filexfer.client.conversation import Conversation

#: Bytes of content that a reply has at most, but for a get's: a page of the longest names is half of that.
MAX_REPLY = 2**24


class Turn:
    """A request's place among the replies."""

    def __init__(self, conversation: "Conversation", identity: int, expected: str) -> None:
        self.identity = identity
        self._conversation = conversation
        self._expected = expected
        self._comes: Deferred[None] = Deferred()
        #: Whether the reply is given up, and may come, if it was on its way, or not.
        self.abandoned = False

    def comes(self) -> None:
        """Take notice that all replies before were heard."""
        if not self._comes.called:
            self._comes.callback(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._conversation.turn_ends(self)

    async def whole(self, most: int = MAX_REPLY) -> tuple[dict[str, Any], bytes]:
        """Give the reply of one message, which is all there is, with its content of at most `most` bytes."""
        with self:
            header = await self.header()
            if header.get("length", 0) > most:
                raise self._conversation.violated("reply-too-large", f"a reply has at most {most} bytes of content")
            pieces: list[bytes] = []
            while some := await self.read():
                pieces += some
            return header, b"".join(pieces)

    async def header(self, expected: str | None = None) -> dict[str, Any]:
        """Give the next message's header, which is of the type that belongs to the request, or of `expected`."""
        conversation = self._conversation
        if not self._comes.called:
            await self._comes
        self.check()
        header = await conversation.next_header()
        self.check()
        if self.abandoned and header.get("id") != self.identity:
            conversation.hold(header)
            raise DisconnectedError("an abandoned put has no reply")
        if header["type"] == "error":
            raise self._error(header)
        if header.get("id") != self.identity:
            raise conversation.violated("wrong-id", "a reply hasn't the id of its request")
        if header["type"] != (expected or self._expected):
            raise conversation.violated("wrong-type", "a reply to another type of request than was sent")
        return header

    async def read(self) -> list[bytes]:
        """Give some more of the message's content, an empty list at its end."""
        pieces = await self._conversation.read_some()
        self.check()
        return pieces

    def check(self) -> None:
        """Raise why the connection has ended, if this side knows."""
        if self._conversation.broken is not None:
            raise self._conversation.broken

    def _error(self, header: dict[str, Any]) -> FilexferError | RemoteProtocolError:
        error = self._conversation.read_reply(error_from, header)
        if header.get("id") is None:  # not about this request, but about all of the connection
            self._conversation.break_off(DisconnectedError(str(error)))
        elif header["id"] != self.identity:
            return self._conversation.violated("wrong-id", "an error hasn't the id of its request")
        return error
