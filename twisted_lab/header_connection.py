"""A server's side of the header protocol, within bounds: what every service on it has in common."""

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer

from twisted_lab.header import HeaderProtocol
from twisted_lab.net.connection import BoundedConnection
from twisted_lab.net.content import SizedProducer
from twisted_lab.wire.errors import RemoteProtocolError

#: Bytes that must come within an idle timeout, inside a message: who sends one a second holds a place for nothing.
LEAST_PROGRESS = 1024


class HeaderConnection(BoundedConnection, HeaderProtocol):
    """
    A server's side of the header protocol, within bounds: what every service on it has in common.

    It reads and delivers while nothing holds it back: the peer doesn't read, content from a producer goes out, or
    the application has called `pauseProducing`, to answer later. Each is undone for itself.
    """

    _draining = False

    def connectionMade(self) -> None:
        """Nothing holds it back yet."""
        self._holds: set[str] = set()
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        """Count, and decode, until the connection is closing."""
        self.bytes_in += len(data)
        if not self.closing:
            super().dataReceived(data)

    def messageFinished(self) -> None:
        """Close, if the server is stopping and waited for this message."""
        super().messageFinished()
        self._close_if_drained()

    def pauseProducing(self) -> None:
        """Deliver and read nothing until `resumeProducing`; the server waits for it when it stops."""
        self._hold("application")

    def resumeProducing(self) -> None:
        """Deliver and read on, if nothing else holds it back."""
        self._release("application")
        self._close_if_drained()

    def streamFailed(self, error: RemoteProtocolError) -> None:
        """Say what was wrong, then close."""
        self.sendError(error.code, str(error))
        self.close(error.code, last_word=True)

    def readConnectionLost(self) -> None:
        """Report a message cut short; send what is left to send, then close."""
        self._end_of_stream()
        super().readConnectionLost()

    def pause_reading(self) -> None:
        """Deliver nothing more, either: its answer would have to wait in memory."""
        self._hold("peer")

    def resume_reading(self) -> None:
        """Deliver what waits, then read on."""
        self._release("peer")

    def sendMessage(
        self, header: Mapping[str, Any], content: bytes | bytearray | memoryview | SizedProducer = b""
    ) -> "Deferred[None]":
        """Send a message; while a producer's content goes out the next request waits, for replies are in order."""
        sent = super().sendMessage(header, content)
        if not sent.called:
            self._hold("content")
            sent.addCallback(lambda _: self._release("content"))
        return sent

    def start_producer(self, producer: IPushProducer) -> None:
        """Let the content's producer take the place of the one that stops reading."""
        self.unregister_backpressure()
        self._holds.discard("peer")
        super().start_producer(producer)

    def stop_producer(self) -> None:
        """Give it its place back."""
        super().stop_producer()
        if not self.transport.disconnecting:
            self.register_backpressure()

    def least_progress(self) -> int:
        """Be content with a byte between messages, and not with less than `LEAST_PROGRESS` inside one."""
        return 0 if self.is_idle() else LEAST_PROGRESS

    def drain(self) -> None:
        """Let the message that is arriving arrive, and be answered."""
        self._draining = True
        self._close_if_drained()

    def _close_if_drained(self) -> None:
        if self._draining and self.is_idle() and "application" not in self._holds:
            self.close("server stopping", last_word="content" not in self._holds)

    def _hold(self, what: str) -> None:
        self._holds.add(what)
        super().pauseProducing()

    def _release(self, what: str) -> None:
        self._holds.discard(what)
        if not self._holds and not self.closing:
            super().resumeProducing()

    def _write(self, data: bytes) -> None:
        self.bytes_out += len(data)
        super()._write(data)
