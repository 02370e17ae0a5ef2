"""The two ends of a proxied connection: what they read, how they are closed, and how the wire under them ended."""

from typing import TYPE_CHECKING, Any, ClassVar

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_lab.instruments.directions import DOWNSTREAM, UPSTREAM
from twisted_lab.net.below import wire_of
from twisted_lab.net.connection import BoundedConnection
from twisted_lab.net.linger import Linger
from twisted_lab.net.refusal import shut
from twisted_lab.net.undelayed import send_at_once

if TYPE_CHECKING:
    from twisted_lab.instruments.proxy.link import Link
    from twisted_lab.instruments.proxy.proxy import ProxyFactory


@implementer(IHalfCloseableProtocol)
class Side(Protocol):
    """What both sides do. `stream` is the one that a side reads."""

    stream: ClassVar[str]
    transport: Any
    link: "Link"
    _ended = False  # its peer has shut its side
    _dropped = 0  # bytes
    _last: Linger | None = None
    _wire_reason: Failure | None = None

    def connectionMade(self) -> None:
        """Notice how the wire ends."""
        super().connectionMade()  # type: ignore[no-untyped-call]
        self._watch_wire()

    def dataReceived(self, data: bytes) -> None:
        """Send it on."""
        if self.link.closing:
            self._dropped += len(data)
        else:
            self.link.ways[self.stream].feed(data)

    def readConnectionLost(self) -> None:
        """Shut the other side."""
        self._ended = True
        if self.link.closing:
            self.transport.loseConnection()
        else:
            self.link.ways[self.stream].feed_end()

    def writeConnectionLost(self) -> None:
        """Do nothing, for the other direction goes on; or close, once its peer has our last word."""
        if self.link.closing and self._last is None:
            self._last = Linger(self.link.clock, self.transport, lambda: self._dropped)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Have the other side know."""
        if self._last is not None:
            self._last.cancel()
            self._last = None
        super().connectionLost(reason)
        self.link.lost(self, reason)

    def close_side(self, reason: str, *, last_word: bool) -> None:
        """Close this side, when what was written is sent; with `last_word` as `BoundedConnection.close` does."""
        self.transport.unregisterProducer()
        if last_word and not self._ended:
            self.transport.resumeProducing()  # else the peer's close wouldn't be seen
            shut(self.transport)
        else:
            self.transport.loseConnection()

    def how_it_ended(self, reason: Failure) -> Failure:
        """
        Give why the connection ended, where TLS only says that it was lost.

        For TLS an end without a close_notify, which many leave out, is as bad as a reset. Here it is an end, if that
        is what was on the wire.
        """
        wire = self._wire_reason
        return wire if wire is not None and wire.check(ConnectionDone) and reason.check(ConnectionLost) else reason

    def _watch_wire(self) -> None:
        """Note what TCP tells what is above it, if that isn't us."""
        wire = wire_of(self.transport)
        if wire is self.transport:
            return
        wrapper = wire.protocol
        tell = wrapper.connectionLost

        def note(reason: Failure) -> None:
            self._wire_reason = reason
            del wrapper.connectionLost
            tell(reason)

        wrapper.connectionLost = note


class ClientSide(Side, BoundedConnection):
    """A client's connection."""

    stream = UPSTREAM
    factory: "ProxyFactory"

    def connectionMade(self) -> None:
        """Wait for the server to be connected, too."""
        super().connectionMade()
        self.transport.pauseProducing()
        self.link = self.factory.proxy.make_link(self)
        self.link.connect()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Leave the books, and have the server know."""
        reason = self.how_it_ended(reason)
        if not self.link.closing and not reason.check(ConnectionDone):
            self._reason = "reset by client"
        super().connectionLost(reason)

    def close(self, reason: str, *, last_word: bool = False) -> None:
        """Close both sides: it is idle, or the proxy stops."""
        self.link.close(reason, last_word=last_word)

    def abort(self, reason: str) -> None:
        """Reset both sides."""
        self.link.abort(reason)

    def close_side(self, reason: str, *, last_word: bool) -> None:
        """Close this side."""
        self._reason = self._reason or reason
        self.closing = True
        super().close_side(reason, last_word=last_word)

    def abort_side(self, reason: str) -> None:
        """Reset this side."""
        super().abort(reason)


class ServerSide(Side):
    """The connection to the server."""

    stream = DOWNSTREAM

    def __init__(self, link: "Link") -> None:
        self.link = link

    def connectionMade(self) -> None:
        """Let the bytes pass."""
        super().connectionMade()
        send_at_once(self.transport)
        self.link.server_made(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Have the client know."""
        super().connectionLost(self.how_it_ended(reason))
