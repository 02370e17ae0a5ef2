"""Content from a producer: at the speed at which the transport takes it, and of exactly its length."""

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


class ContentConnection(Protocol):
    """
    What sends content: `HeaderProtocol`.

    `owed` is how many bytes of content were announced and aren't sent yet.
    """

    transport: IStreamTransport
    owed: int

    def sendContent(self, data: bytes) -> None:
        """Send some of it; `LocalProtocolError` if that is more than was announced."""

    def start_producer(self, producer: IPushProducer) -> None:
        """Let the transport pause, resume and stop `producer`."""

    def stop_producer(self) -> None:
        """Let the transport forget the producer."""


@implementer(IConsumer, IPushProducer)
class ContentSender:
    """Stand between a producer and the connection that sends its content, and see that the length is right."""

    def __init__(self, connection: "ContentConnection") -> None:
        self._connection = connection
        self._done: Deferred[None] = Deferred(self._cancelled)
        self._started = self._paused = self._over = False

    def send(self, producer: SizedProducer) -> "Deferred[None]":
        """Send all that `producer` gives; fires or fails as `HeaderProtocol.sendMessage` says."""
        self._producer = producer
        self._connection.start_producer(self)
        lost, self._started = self._over, True
        maybeDeferred(producer.startProducing, self).addCallbacks(self._finish, self._fail)
        if lost:  # before it began; but only what was started can be stopped, and close its file
            producer.stopProducing()
        return self._done

    def write(self, data: bytes) -> None:
        """Take some of the content from the producer; what is too much fails the message."""
        if self._over:
            return
        try:
            self._connection.sendContent(data)
        except LocalProtocolError:
            self._give_up(Failure())

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:  # noqa: FBT001  # IConsumer's signature
        """Refuse: the producer is registered already."""
        raise RuntimeError("the content's producer is registered with the transport already")

    def unregisterProducer(self) -> None:
        """Do nothing: what ends the content is the Deferred of the producer's `startProducing`."""

    def pauseProducing(self) -> None:
        """Let the producer wait: the transport's buffer is full."""
        if not self._paused:
            self._paused = True
            self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        """Let the producer go on, if it waits: Twisted may mean the producer that was registered before it."""
        if self._paused:
            self._paused = False
            self._producer.resumeProducing()

    def stopProducing(self) -> None:
        """Give up: the connection is lost."""
        self._give_up(Failure(ConnectionLost("while content was sent")))

    def _finish(self, _: object) -> None:
        if self._over:
            return
        if self._connection.owed:
            sentence = f"the producer ended {self._connection.owed} bytes before the content's end"
            self._fail(Failure(LocalProtocolError("content-too-short", sentence)))
        else:
            self._over = True
            self._connection.stop_producer()
            self._done.callback(None)

    def _fail(self, failure: Failure) -> None:
        """Abort: the peer waits for bytes that won't come."""
        if not self._over:
            self._abort()
            self._done.errback(failure)

    def _give_up(self, failure: Failure) -> None:
        if not self._over:
            self._cancelled(None)
            self._done.errback(failure)

    def _cancelled(self, _: object) -> None:
        self._over = True  # first: stopping a producer may fire its Deferred
        if self._started:
            self._producer.stopProducing()
        self._abort()

    def _abort(self) -> None:
        self._over = True
        self._connection.stop_producer()
        self._connection.transport.abortConnection()
