"""Servers that are wrong, each in one way, and the cases that must find it."""

from typing import Any

from twisted.internet import task
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from zope.interface import implementer

from twisted_lab.net.bounded import BoundedFactory
from twisted_lab.net.connection import BoundedConnection
from twisted_lab.net.int32 import Int32Receiver
from twisted_lab.wire.int32 import PREFIX


class Right(BoundedConnection, Int32Receiver):
    """Answers each string with itself, within bounds."""

    def dataReceived(self, data: bytes) -> None:
        """Count, and decode."""
        self.bytes_in += len(data)
        if not self.closing:
            super().dataReceived(data)

    def stringReceived(self, string: bytes) -> None:
        """Answer."""
        self.sendString(string)

    def least_progress(self) -> int:
        """Ask for some, inside a string."""
        return 0 if self.is_idle() else 1024


class RightFactory(BoundedFactory):
    """Serves it."""

    protocol = Right
    name = "right"


def served(protocol: type) -> Any:
    """Give what makes a factory of a bounded connection."""

    class Served(RightFactory):
        pass

    Served.protocol = protocol  # type: ignore[assignment]
    return Served


def plain(protocol: type) -> Any:
    """Give what makes a factory of any protocol."""

    def make() -> Factory[Any]:
        factory: Factory[Any] = Factory.forProtocol(protocol)
        factory.noisy = False
        return factory

    return make


class Echo(Protocol):
    """Twisted's own example, to the letter: what waits is lost when the client shuts its side."""

    def dataReceived(self, data: bytes) -> None:
        """As soon as any data is received, write it back."""
        self.transport.write(data)  # type: ignore[union-attr]


class ReadIsMessage(Protocol):
    """Takes each read for a message."""

    def dataReceived(self, data: bytes) -> None:
        """Answer the first message in it."""
        if len(data) >= 4:
            (length,) = PREFIX.unpack(data[:4])
            self.transport.write(data[: 4 + length])  # type: ignore[union-attr]


class DropsEmpty(Right):
    """Answers no empty string."""

    def stringReceived(self, string: bytes) -> None:
        """Answer, if there is something."""
        if string:
            self.sendString(string)


class FewerThanTheLimit(Right):
    """Refuses a string of exactly the limit."""

    MAX_LENGTH = 99_998


class NoLimit(Right):
    """Takes any length."""

    MAX_LENGTH = 2**32 - 1


class Forgets(Right):
    """Answers every third string of a read as if it were the one before."""

    def dataReceived(self, data: bytes) -> None:
        """Join what came in one read."""
        self.count = 0
        super().dataReceived(data)

    def stringReceived(self, string: bytes) -> None:
        """Answer, wrongly from the third on."""
        self.count += 1
        self.sendString(string if self.count < 3 else b"?")


class Shared(Right):
    """Keeps the unfinished string of all connections in one place."""

    rest = b""

    def dataReceived(self, data: bytes) -> None:
        """Take what any connection has left over."""
        data, Shared.rest = Shared.rest + data, b""
        whole = 0
        while len(data) >= whole + 4 and len(data) >= whole + 4 + PREFIX.unpack(data[whole : whole + 4])[0]:
            whole += 4 + PREFIX.unpack(data[whole : whole + 4])[0]
        Shared.rest = data[whole:][:100_000]
        super().dataReceived(data[:whole])


class Raises(Right):
    """Fails where the protocol is broken."""

    def streamFailed(self, error: Exception) -> None:
        """Raise."""
        raise error


@implementer(IHalfCloseableProtocol)
class NeverCloses(Int32Receiver):
    """Doesn't close when the client has shut its side."""

    def stringReceived(self, string: bytes) -> None:
        """Answer."""
        self.sendString(string)

    def readConnectionLost(self) -> None:
        """Do nothing."""

    def writeConnectionLost(self) -> None:
        """Do nothing."""


class Keeps(Right):
    """Is kept by its own class for ever."""

    kept: list["Keeps"] = []  # noqa: RUF012  # that is what is wrong with it

    def connectionMade(self) -> None:
        """Be kept."""
        super().connectionMade()
        Keeps.kept.append(self)


class Ticks(Right):
    """Starts a timer for each connection, and never stops it."""

    def connectionMade(self) -> None:
        """Start it."""
        super().connectionMade()
        ticking = task.LoopingCall(int)
        ticking.clock = self.factory.clock
        ticking.start(30)


class LostTwice(Right):
    """Calls its own connectionLost when it has sent its last answer."""

    def readConnectionLost(self) -> None:
        """End twice."""
        super().readConnectionLost()
        clock: Clock = self.factory.clock  # type: ignore[assignment]
        clock.callLater(0.5, self.connectionLost)

    def connectionLost(self, *arguments: Any) -> None:
        """Do nothing the second time but be called."""
        if self in self.factory._connections:
            super().connectionLost(*arguments)


class NoPressure(Int32Receiver):
    """Buffers without end."""

    def stringReceived(self, string: bytes) -> None:
        """Answer."""
        self.sendString(string)


#: What is wrong, by name: what makes the server, what it speaks, and the cases that must fail.
WRONG: dict[str, tuple[Any, str, set[str]]] = {
    "a read is a message": (plain(ReadIsMessage), "int32", {"F2", "F3", "F4", "F5", "F7", "I1"}),
    "no empty string": (served(DropsEmpty), "int32", {"F6"}),
    "less than the limit": (served(FewerThanTheLimit), "int32", {"F8"}),
    "no limit": (served(NoLimit), "int32", {"F9", "H1", "H3"}),
    "the third of a read": (served(Forgets), "int32", {"F4", "F5", "F7"}),
    "shared state": (served(Shared), "int32", {"I1"}),
    "an exception for garbage": (served(Raises), "int32", {"F9", "H1"}),
    "half-close loses": (plain(Echo), "echo", {"C2", "C3", "P1"}),
    "never closes": (plain(NeverCloses), "int32", {"C1", "C2", "C3"}),
    "kept for ever": (served(Keeps), "int32", {"R2"}),
    "a timer for ever": (served(Ticks), "int32", {"R2"}),
    "lost twice": (served(LostTwice), "int32", {"R1"}),
    "no backpressure": (plain(NoPressure), "int32", {"P1"}),
}
