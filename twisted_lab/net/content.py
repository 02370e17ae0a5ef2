"""Content from a producer: at the speed at which the transport takes it, and of exactly its length."""

from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IConsumer, IProducer, IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_lab.net.transport import IStreamTransport
from twisted_lab.wire.errors import LocalProtocolError


class SizedProducer(Protocol):
    """
    Content whose length, in bytes, is known: twisted.web's `IBodyProducer`, for instance a `FileBodyProducer`.

    It is registered with the transport as a push producer, so it is paused, resumed and stopped.
    """

    length: int

    def startProducing(self, consumer: IConsumer) -> "Deferred[None]":
        """Write the content to `consumer`; the Deferred fires when all of it is written."""

    def pauseProducing(self) -> None:
        """Write nothing for now."""

    def resumeProducing(self) -> None:
        """Write on."""

    def stopProducing(self) -> None:
        """Write nothing more, ever."""


@implementer(IConsumer, IPushProducer)
class ContentSender:
    """
    Stand between a producer and the transport, and see that the length is right.

    `write` sends content and raises if it is too much; `owed` tells how many bytes are still to be sent.
    """

    def __init__(self, transport: IStreamTransport, write: Callable[[bytes], None], owed: Callable[[], int]) -> None:
        self._transport = transport
        self._write = write
        self._owed = owed
        self._done: Deferred[None] = Deferred(self._cancelled)

    def send(self, producer: SizedProducer) -> "Deferred[None]":
        """Send all that `producer` gives; fires or fails as `HeaderProtocol.sendMessage` says."""
        self._producer = producer
        self._transport.registerProducer(self, True)
        maybeDeferred(producer.startProducing, self).addCallbacks(self._finish, self._fail)
        return self._done

    def write(self, data: bytes) -> None:
        """Take some of the content from the producer; what is too much fails the message."""
        try:
            self._write(data)
        except LocalProtocolError:
            self._producer.stopProducing()
            self._fail(Failure())

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:  # noqa: FBT001  # IConsumer's signature
        """Refuse: the producer is registered already."""
        raise RuntimeError("the content's producer is registered with the transport already")

    def unregisterProducer(self) -> None:
        """Do nothing: what ends the content is the Deferred of the producer's `startProducing`."""

    def pauseProducing(self) -> None:
        """Let the producer wait: the transport's buffer is full."""
        self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        """Let the producer go on."""
        self._producer.resumeProducing()

    def stopProducing(self) -> None:
        """Give up: the connection is lost."""
        self._producer.stopProducing()
        self._fail(Failure(ConnectionLost("while content was sent")))

    def _finish(self, _: object) -> None:
        if self._owed():
            sentence = f"the producer ended {self._owed()} bytes before the content's end"
            self._fail(Failure(LocalProtocolError("content-too-short", sentence)))
        elif not self._done.called:
            self._transport.unregisterProducer()
            self._done.callback(None)

    def _fail(self, failure: Failure) -> None:
        """Abort: the peer waits for bytes that won't come."""
        if not self._done.called:
            self._abort()
            self._done.errback(failure)

    def _cancelled(self, _: object) -> None:
        self._producer.stopProducing()
        self._abort()

    def _abort(self) -> None:
        self._transport.unregisterProducer()
        self._transport.abortConnection()
