"""
A factory whose connections are recorded, server's or client's: what its protocols read and write, as they do.

Under TLS it is the plain text: endpoints put TLS below the factory that they are given.
"""

from collections.abc import Iterable
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocolFactory
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from zope.interface import alsoProvides, directlyProvides, providedBy

from twisted_lab.instruments.capture.recorder import Recorder
from twisted_lab.instruments.capture.recording import Recording
from twisted_lab.instruments.directions import DOWNSTREAM, UPSTREAM
from twisted_lab.net.reason import show_reason


def capture(factory: IProtocolFactory, recorder: Recorder, *, client: bool = False) -> IProtocolFactory:
    """Give a factory that does what `factory` does, and is recorded; `client`: its side is the client's."""
    return _Factory(factory, recorder, client=client)


class _Factory(WrappingFactory["_Connection"]):
    """Makes connections that are recorded."""

    noisy = False

    def __init__(self, factory: IProtocolFactory, recorder: Recorder, *, client: bool) -> None:
        super().__init__(factory)
        self.recorder = recorder
        self.reads, self.writes = (DOWNSTREAM, UPSTREAM) if client else (UPSTREAM, DOWNSTREAM)

    def buildProtocol(self, addr: Any) -> Any:
        """Make one, unless the factory wants none."""
        protocol = self.wrappedFactory.buildProtocol(addr)
        return None if protocol is None else _Connection(self, protocol)


class _Connection(ProtocolWrapper):
    """A connection that is recorded, on its way in both directions."""

    factory: _Factory
    transport: Any
    wrappedProtocol: Any
    recording: Recording
    _resets = False

    def makeConnection(self, transport: Any) -> None:
        """Begin to record; have half-closes passed on if the protocol wants to hear of them."""
        client, server = transport.getPeer(), transport.getHost()
        if self.factory.reads == DOWNSTREAM:
            client, server = server, client
        self.recording = self.factory.recorder.record(client, server)
        # As in ProtocolWrapper, but that the protocol, when it is connected, finds us ready for half-closes.
        directlyProvides(self, providedBy(transport))
        if IHalfCloseableProtocol.providedBy(self.wrappedProtocol):
            alsoProvides(self, IHalfCloseableProtocol)
        Protocol.makeConnection(self, transport)
        self.factory.registerProtocol(self)
        self.wrappedProtocol.makeConnection(self)

    def dataReceived(self, data: bytes) -> None:
        """Record a read."""
        self.recording.passed(self.factory.reads, data, self._now())
        super().dataReceived(data)

    def write(self, data: bytes) -> None:
        """Record a write."""
        self.recording.passed(self.factory.writes, data, self._now())
        super().write(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Record a write."""
        self.write(b"".join(data))

    def loseWriteConnection(self) -> None:
        """Record that our side is shut."""
        self.transport.loseWriteConnection()
        self.recording.ended(self.factory.writes, self._now())

    def abortConnection(self) -> None:
        """Record that it is we who reset."""
        self._resets = True
        self.transport.abortConnection()

    def readConnectionLost(self) -> None:
        """Record that the peer's side is shut."""
        self.recording.ended(self.factory.reads, self._now())
        self.wrappedProtocol.readConnectionLost()

    def writeConnectionLost(self) -> None:
        """Pass it on."""
        self.wrappedProtocol.writeConnectionLost()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Record the end."""
        stream = self.factory.writes if self._resets else self.factory.reads
        reset = self._resets or reason.check(ConnectionDone) is None
        self.recording.closed(show_reason(reason.value), self._now(), reset=reset, stream=stream)
        super().connectionLost(reason)

    def _now(self) -> float:
        return self.factory.recorder.clock.seconds()
