"""The server of filexfer: its connections, each with a session, and their factory."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from twisted_lab.filexfer.errors import DisconnectedError
from twisted_lab.filexfer.messages.content import ContentStream
from twisted_lab.filexfer.server.accounts import Accounts
from twisted_lab.filexfer.server.audit import Audit
from twisted_lab.filexfer.server.session import Session
from twisted_lab.header_connection import HeaderConnection
from twisted_lab.net.bounded import ABORT_TIMEOUT, BoundedFactory
from twisted_lab.wire.header import HeaderCodec

#: Seconds from accept in which the client's hello must have been answered.
HELLO_TIMEOUT = 10.0
#: Bytes that must move in an idle timeout while a message is half there, or half sent.
LEAST_PROGRESS = 2**14

InThread = Callable[..., "Deferred[Any]"]


class FilexferConnection(ContentStream, HeaderConnection):
    """
    One client's connection, within bounds; what is done on it is its `Session`'s.

    The deadline of hello runs from accept, TLS handshake and all.
    """

    factory: "FilexferFactory"
    _half_closed = False

    def connectionMade(self) -> None:
        """Begin the session."""
        super().connectionMade()
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpKeepAlive(True)
        clock = self.factory.clock
        self._hello_deadline = clock.callLater(HELLO_TIMEOUT, self.abort, f"no hello in {HELLO_TIMEOUT:g} s")
        self.session = Session(self, self.factory)
        self.factory.session_begins(Deferred.fromCoroutine(self.session.run()))

    def hello_done(self) -> None:
        """Take notice that the client is known."""
        if self._hello_deadline.active():  # else it was cut off just now
            self._hello_deadline.cancel()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Let the session end."""
        if self._hello_deadline.active():
            self._hello_deadline.cancel()
        super().connectionLost(reason)

    def readConnectionLost(self) -> None:
        """Answer what was asked, then close: the peer shut its side only."""
        self._half_closed = True
        self._end_of_stream()
        self.stream_ended()

    def finish(self, reason: str) -> None:
        """Send what is left to send, then close; a peer that shut its side has as long as an idle one to take it."""
        if self._half_closed:
            self._reason = self._reason or reason
            self.closing = True
            super().readConnectionLost()
        else:
            self.close(reason, last_word=True)

    def close(self, reason: str, *, last_word: bool = False) -> None:
        """Send what is left to send, then close; content that goes by itself goes no further."""
        self.stop_moving()
        super().close(reason, last_word=last_word)

    def content_came(self, count: int) -> None:
        """Count it."""
        self.bytes_in += count

    def content_went(self, count: int) -> None:
        """Count it."""
        self.bytes_out += count

    def check_connected(self) -> None:
        """Raise `DisconnectedError` too if the connection is closing: what is sent then isn't held back any more."""
        super().check_connected()
        if self.closing:
            raise DisconnectedError("the server closes the connection")

    def pause_reading(self) -> None:
        """Read nothing, either, while the peer doesn't."""
        super().pause_reading()
        self.peer_is_full()

    def resume_reading(self) -> None:
        """Go on, both ways."""
        self.peer_has_room()
        super().resume_reading()

    def least_progress(self) -> int:
        """Give what a peer must take or send in the middle of a message, lest it hold its place for nothing."""
        return LEAST_PROGRESS if self.waits_for_peer and (self.owed or not self.is_idle()) else 0

    def finish_if_draining(self) -> None:
        """Close, if the server is stopping and waited for the request that was answered."""
        self._close_if_drained()

    def _close_if_drained(self) -> None:
        if not self.session.busy and self.waits:
            super()._close_if_drained()


class FilexferFactory(BoundedFactory):
    """
    Serve filexfer to `accounts`.

    `in_thread(function, *arguments)` runs what blocks, and gives a Deferred. `audit` is told of each request.
    """

    protocol = FilexferConnection
    name = "filexfer"

    def __init__(
        self,
        clock: IReactorTime,
        accounts: Accounts,
        in_thread: InThread,
        *,
        audit: Audit | None = None,
        **bounds: Any,
    ) -> None:
        super().__init__(clock, **bounds)
        self.accounts = accounts
        self.in_thread = in_thread
        self.audit = audit or Audit()
        self._sessions: set[Deferred[None]] = set()

    def refusal(self) -> bytes:
        """Give the error that a surplus connection is told."""
        sentence = f"at most {self.max_connections} connections at one time"
        return HeaderCodec().encode_header({"type": "error", "code": "too-many-connections", "message": sentence})

    def session_begins(self, session: "Deferred[None]") -> None:
        """Remember a session until it has let go of its files."""
        self._sessions.add(session)
        session.addErrback(lambda failure: self.log.failure("filexfer: a session didn't end well", failure))
        session.addBoth(lambda _: self._sessions.discard(session))

    async def shutdown(self, grace: float) -> None:
        """Let each connection finish what goes on; then wait a moment for their threads to let go of files."""
        await super().shutdown(grace)
        ended: Deferred[None] = Deferred()
        deadline = self.clock.callLater(ABORT_TIMEOUT, ended.callback, None)
        DeferredList([*self._sessions]).addCallback(lambda _: None if ended.called else ended.callback(None))
        await ended
        if deadline.active():
            deadline.cancel()
