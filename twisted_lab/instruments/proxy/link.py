"""
A proxied connection: a client's, the one to the server that was made for it, and a way in each direction.

What happens to one side happens to the other. A side that is shut is shut there, behind the bytes that came before; a
reset is a reset. Once both directions have ended both sides are closed.
"""

from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IDelayedCall
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from twisted_lab.instruments.directions import DOWNSTREAM, STREAMS, UPSTREAM, opposite
from twisted_lab.instruments.faults.toxic import Toxic
from twisted_lab.instruments.proxy.sides import ClientSide, ServerSide, Side
from twisted_lab.instruments.proxy.way import Way
from twisted_lab.net.reason import show_reason

if TYPE_CHECKING:
    from twisted_lab.instruments.proxy.proxy import Proxy


class Observer(Protocol):
    """What is told of one connection, if somebody wants to know: a capture, say. Times are the clock's, in seconds."""

    def passed(self, stream: str, data: bytes, time: float) -> None:
        """Take notice of bytes that were sent on, after the faults."""

    def struck(self, stream: str, fault: str, text: str, time: float) -> None:
        """
        Take notice of what a fault, by its name, has done, and when.

        It was done to the bytes that pass next, or to some before them that are missing.
        """

    def ended(self, stream: str, time: float) -> None:
        """Take notice that a direction has ended, and was shut on the other side."""

    def closed(self, reason: str, time: float, *, reset: bool | None = None, stream: str = UPSTREAM) -> None:
        """Take notice that the connection is over; if it was reset, by who sends `stream`."""


class Link:
    """
    The connection with that number: both its sides and ways. `closing`: what comes is dropped.

    Into the `journal`, if somebody keeps one, goes what faults do as soon as they do it: seconds, stream, the fault's
    name, and what it was. The `observer` hears of it with the bytes.
    """

    def __init__(self, proxy: "Proxy", client: ClientSide, number: int) -> None:
        self.clock = proxy.clock
        self.make_codec = proxy.make_codec
        self.closing = False
        self.number = number
        self.reason = ""
        self.observer: Observer | None = None
        self.journal: list[tuple[float, str, str, str]] | None = None
        self.ways = {stream: Way(self, stream) for stream in STREAMS}
        self._proxy = proxy
        self._client: ClientSide | None = client
        self._server: ServerSide | None = None
        self._attempt: Deferred[Any] | None = None
        self._over = False
        self._reset_by: str | None = None
        self._deadline: IDelayedCall | None = None

    def connect(self) -> None:
        """Connect to the server; when that fails, close."""
        if self._proxy.observe is not None:
            self.observer = self._proxy.observe(self)
        for toxic in self._proxy.toxics:
            self.add(toxic)
        factory = Factory.forProtocol(lambda: ServerSide(self))
        factory.noisy = False
        self._attempt = self._proxy.connect(factory)
        self._attempt.addErrback(self._failed)

    def add(self, toxic: Toxic) -> None:
        """Have a fault on its stream; whether it strikes, and how, follows from the seed, our number and its name."""
        way = self.ways[toxic.stream]
        way.lengthen()
        words = (self._proxy.seed, self._proxy.name, self.number, toxic.name)
        way.pipe.add(toxic, Random("/".join(map(str, words))))  # noqa: S311  # it has to replay

    def close(self, reason: str, *, last_word: bool = False) -> None:
        """
        Close both sides, when what was written is sent; or after the client's `close_timeout`.

        With `last_word` that arrives even if a peer is sending now: see `BoundedConnection.close`.
        """
        self.closing = True
        self.reason = self.reason or reason
        for way in self.ways.values():
            way.lengthen()
        self._stop()
        timeout = (self._client or self._proxy.factory).close_timeout
        for side in (self._server, self._client):
            if side is not None:
                side.close_side(reason, last_word=last_word)
        if self._deadline is None and (self._client or self._server):
            self._deadline = self.clock.callLater(timeout, self.abort, reason)

    def abort(self, reason: str) -> None:
        """Reset both sides."""
        self.closing = True
        self._reset_by = self._reset_by or DOWNSTREAM
        self.reason = self.reason or reason
        self._stop()
        if self._server is not None:
            self._server.transport.abortConnection()
        if self._client is not None:
            self._client.abort_side(reason)

    @property
    def toxics(self) -> list[Toxic]:
        """The faults that its proxy has now."""
        return self._proxy.toxics

    @property
    def addresses(self) -> tuple[IAddress | None, IAddress | None]:
        """The client's address, and ours that it came to."""
        if self._client is None:
            return None, None
        return self._client.transport.getPeer(), self._client.transport.getHost()

    def progress(self, stream: str, received: int = 0, sent: int = 0) -> None:
        """Count bytes: on the client's side for its line in the log, and for whether it is idle."""
        if self._client is not None:
            if stream == UPSTREAM:
                self._client.bytes_in += received
            else:
                self._client.bytes_out += sent

    def way_ended(self) -> None:
        """Close both sides if both directions have ended."""
        if all(way.ended for way in self.ways.values()):
            self.close("closed by both sides", last_word=True)

    def server_made(self, server: ServerSide) -> None:
        """Have bytes pass, in both directions."""
        if self._client is None or self.closing:
            server.transport.abortConnection()
            return
        self._server = server
        client = self._client.transport
        self._client.unregister_backpressure()
        self.ways[UPSTREAM].open(client, server.transport)
        self.ways[DOWNSTREAM].open(server.transport, client)
        client.resumeProducing()

    def lost(self, side: Side, reason: Failure) -> None:
        """Have the other side know that a side is gone: it was closed by us, or was reset."""
        stream = UPSTREAM if side is self._client else DOWNSTREAM
        if side is self._client:
            self._client = None
        else:
            self._server = None
        if not self.closing and reason.check(ConnectionDone):  # of TLS, which has no half-close
            self.ways[opposite(stream)].cut()
            self.ways[stream].feed_end()
        elif not self.closing:
            self._reset_by = stream
            self.abort(f"reset by {'client' if stream == UPSTREAM else 'server'}")
        if self._client is None and self._server is None and not self._over:
            self._over = True
            if self._deadline is not None and self._deadline.active():
                self._deadline.cancel()
            self._proxy.forget_link(self)
            if self.observer is not None:
                reset = self._reset_by is not None
                self.observer.closed(self.reason, self.clock.seconds(), reset=reset, stream=self._reset_by or UPSTREAM)

    def _stop(self) -> None:
        for way in self.ways.values():
            way.stop()
        if self._attempt is not None and self._server is None:
            self._attempt.cancel()

    def _failed(self, failure: Failure) -> None:
        if self._client is not None and not self.closing:
            self.close(f"the server can't be reached: {show_reason(failure.value)}")
