"""
The client's side of a connection: requests go out one after the other, and their replies come in the same order.

Any number of coroutines use one conversation. Each has to speak alone, so that a request and its content aren't mixed
with another's: that is the lock `speaking`. And each hears its own reply, for which it waits its `Turn`. One that has
spoken needn't have heard before the next speaks: requests are pipelined.

While nobody speaks, `Pulse` has a ping sent now and then; in a put, where no other message may come, a part without
content.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred, DeferredLock, DeferredSemaphore
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from twisted_lab.filexfer.client.pulse import Pulse
from twisted_lab.filexfer.client.stream import ClientStream
from twisted_lab.filexfer.client.turn import Turn
from twisted_lab.filexfer.digests import algorithm_of, parse_digest
from twisted_lab.filexfer.errors import DisconnectedError, FilexferError
from twisted_lab.filexfer.messages.replies import Welcome
from twisted_lab.filexfer.messages.request_headers import to_header
from twisted_lab.filexfer.messages.requests import Part, Ping, Request
from twisted_lab.net.detached import Detached
from twisted_lab.net.taken import bytes_waiting
from twisted_lab.net.undelayed import send_at_once
from twisted_lab.wire.errors import RemoteProtocolError

Value = TypeVar("Value")
#: Seconds that a close may take to send what is left to send.
CLOSE_TIMEOUT = 5.0
#: The types of reply that aren't their request's.
_REPLIES = {"put": "ok", "mkdir": "ok", "rename": "ok", "remove": "ok", "symlink": "ok"}


class Conversation(ClientStream):
    """
    A connection to a server, for any number of coroutines at one time.

    What is asked raises the `FilexferError` that the server answers, `DisconnectedError` once the connection is lost,
    and `RemoteProtocolError` when the server breaks the protocol; it is closed then.

    `welcome` is what the server said of itself, once it has.
    """

    welcome: Welcome

    def __init__(self, clock: IReactorTime) -> None:
        self.clock = clock
        self._identity = 0
        self._turns: deque[Turn] = deque()
        self._put: int | None = None
        self._held: dict[str, Any] | None = None
        self._ping: Detached[Any] | None = None
        self._pulse = Pulse(clock, self._give_sign, self._give_up, self._is_owed_nothing)
        self._ended: list[Deferred[None]] = []
        self._unreadable: RemoteProtocolError | None = None
        #: Why it ends, once that is known on this side.
        self.broken: DisconnectedError | RemoteProtocolError | None = None
        #: Held while a request and its content are sent.
        self.speaking = DeferredLock()
        #: One for each request that may wait for its reply.
        self.places = DeferredSemaphore(1)

    def welcomed(self, welcome: Welcome, silence: float | None) -> None:
        """Keep to the server's limits from here on; `silence` is how many seconds it may be silent, None the usual."""
        self.welcome = welcome
        self.places = DeferredSemaphore(max(1, welcome.limits.pipeline))
        self._pulse.start(welcome.idle_timeout, silence)

    def begin(self, request: Request) -> Turn:
        """Send a request's header; whoever calls holds `speaking`, and takes the turn by ``with``."""
        if self.broken is not None:
            raise self.broken
        self._identity += 1
        header = to_header(request, self._identity)
        self.send(header)
        turn = Turn(self, self._identity, _REPLIES.get(header["type"], header["type"]))
        self._turns.append(turn)
        self._next_turn()
        return turn

    async def ask(self, request: Request, content: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """
        Send a request and give its reply, header and content.

        Whoever waits for it may be cancelled; then the reply is dropped, unless the request wasn't complete.
        """
        async with self.places:
            async with self.speaking:
                await self.flushed()
                reply = Detached(self.begin(request).whole())
                if content:
                    await self.send_whole(content)
            return await reply.result()

    async def send_whole(self, content: bytes) -> None:
        """Send the content that was announced; the connection ends if it can't be completed."""
        self.sendContent(content)  # the transport has all of it now, whatever becomes of us
        await self.flushed()

    def put_begins(self, identity: int) -> None:
        """Take notice that nothing but that put's messages may be sent."""
        self._put = identity

    def put_ends(self) -> None:
        """Take notice that other messages may be sent again."""
        self._put = None

    def violated(self, code: str, sentence: str) -> RemoteProtocolError:
        """End the connection, for the server has broken the protocol; give the error that says how."""
        error = RemoteProtocolError(code, f"the server broke the protocol: {sentence}")
        self.break_off(error)
        return error

    def read_reply(self, read: Callable[..., Value], *arguments: Any) -> Value:
        """Give what `read`, one of `replies`' readers, makes of a reply; end the connection if it can't be read."""
        try:
            return read(*arguments)
        except RemoteProtocolError as error:
            self.break_off(error)
            raise

    def read_digest(self, header: dict[str, Any]) -> str:
        """Give the ``digest`` of a reply; end the connection if it isn't one of the algorithm that was agreed on."""
        try:
            digest = parse_digest(header.get("digest"))
        except FilexferError as error:
            raise self.violated("bad-reply", str(error)) from None
        if algorithm_of(digest) != self.welcome.digest:
            raise self.violated("wrong-digest", "a digest of another algorithm than was agreed on")
        return digest

    def break_off(self, error: DisconnectedError | RemoteProtocolError) -> None:
        """End the connection at once; `error` is what all who wait hear, or its reason."""
        if self.broken is None and self.lost is None:
            self.broken = error
            self.abort()

    async def end(self) -> None:
        """Send what is left to send, and close; return once the connection is gone."""
        if self.lost is not None:
            return
        ended: Deferred[None] = Deferred()
        self._ended.append(ended)
        if self.broken is None:
            self.broken = DisconnectedError("this side closed it")
            self.close()
        deadline = self.clock.callLater(CLOSE_TIMEOUT, self.abort)
        try:
            await ended
        except CancelledError:
            self.abort()
            raise
        finally:
            if deadline.active():
                deadline.cancel()

    async def next_header(self) -> dict[str, Any]:
        """Give the next message's header, signs of life left out."""
        if self._held is not None:
            header, self._held = self._held, None
            return header
        while (header := await self.receive())["type"] == "working":
            pass
        return header

    def hold(self, header: dict[str, Any]) -> None:
        """Let `next_header` give `header` again: it is another's."""
        self._held = header

    def turn_ends(self, turn: Turn) -> None:
        """Let the next one hear; if this one breaks off the connection, once that is gone: its reason comes first."""
        self._turns.remove(turn)
        if self.broken is None or self.lost is not None:
            self._next_turn()

    def connectionMade(self) -> None:
        """Have nothing held back: a put is several small messages before the server answers."""
        super().connectionMade()
        send_at_once(self.transport)

    def dataReceived(self, data: bytes) -> None:
        """Note that the server lives."""
        self._pulse.heard()
        super().dataReceived(data)

    def streamFailed(self, error: RemoteProtocolError) -> None:
        """Close: what came before can still be heard, and nothing that follows."""
        self._unreadable = error
        super().streamFailed(error)
        self.abort()

    def peer_has_room(self) -> None:
        """Note that the server lives."""
        self._pulse.heard()
        super().peer_has_room()

    def content_came(self, count: int) -> None:
        """Note that the server lives."""
        self._pulse.heard()

    def content_went(self, count: int) -> None:
        """Note that both sides live: it takes what we send."""
        self._pulse.heard()
        self._pulse.sent()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell all who wait; the reason is ours, if we had one."""
        self._pulse.stop()
        known = self.broken or self._unreadable
        super().connectionLost(reason if known is None else Failure(known))
        self._next_turn()
        ended, self._ended = self._ended, []
        for waiter in ended:
            waiter.callback(None)

    def _next_turn(self) -> None:
        if self._turns:
            self._turns[0].comes()

    def _write(self, data: bytes) -> None:
        self._pulse.sent()
        super()._write(data)

    def _is_owed_nothing(self) -> bool:
        """Tell whether we don't listen, our own consumer being slow, or it waits for more of a put than it has got."""
        return (self.paused and not self.moving_waits) or (self._put is not None and not bytes_waiting(self.transport))

    def _give_up(self, why: str) -> None:
        self.break_off(DisconnectedError(why))

    def _give_sign(self) -> None:
        if self.owed or self.broken is not None:
            return
        if self._put is not None:
            self.send(to_header(Part(0), self._put))
        elif self._ping is None or self._ping.over:
            self._ping = Detached(self.begin(Ping()).whole())
