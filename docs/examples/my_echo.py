"""An echo server: a solution to the exercise of experiment 10."""

from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer


@implementer(IHalfCloseableProtocol)
class Echo(Protocol):
    """Puts ``echo`` before each piece that it reads."""

    transport: Any

    def dataReceived(self, data: bytes) -> None:
        """Answer."""
        self.transport.write(b"echo " + data)

    def readConnectionLost(self) -> None:
        """Take notice that the client has shut its side: send what waits, and close."""
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Take notice that our own side is shut; that is never asked for."""


EchoFactory = Factory.forProtocol(Echo)
