"""The client's side of a stream of messages."""

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from twisted_lab.filexfer.messages.content import ContentStream


class ClientStream(ContentStream):
    """The client's side: it reads on while the server takes nothing, for its answers make room."""

    def connectionMade(self) -> None:
        """Have the transport tell when the server takes nothing."""
        super().connectionMade()
        self.transport.registerProducer(_Pressure(self), True)

    def close(self) -> None:
        """Send what is left to send, then close."""
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def abort(self) -> None:
        """Close at once."""
        self.transport.abortConnection()


@implementer(IPushProducer)
class _Pressure:
    """What the transport takes for the producer of what is sent."""

    def __init__(self, stream: ClientStream) -> None:
        self._stream = stream

    def pauseProducing(self) -> None:
        self._stream.peer_is_full()

    def resumeProducing(self) -> None:
        self._stream.peer_has_room()

    def stopProducing(self) -> None:
        """Do nothing: connectionLost follows."""
