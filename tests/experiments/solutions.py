"""Solutions of the exercises as they are often written; each is wrong in one way."""

import json
import os
import signal
import struct
import subprocess
import time
from typing import Any, ClassVar

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

from twisted_lab.header import MessageProtocol
from twisted_lab.wire.header import MAX_HEADER


@implementer(IHalfCloseableProtocol)
class RightEcho(Protocol):
    """Has nothing wrong; the others do one thing otherwise."""

    transport: Any

    def dataReceived(self, data: bytes) -> None:
        """Answer."""
        self.transport.write(b"echo " + data)

    def readConnectionLost(self) -> None:
        """Send what waits, and close."""
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Do nothing."""


class DecodingEcho(RightEcho):
    """Takes bytes for text."""

    def dataReceived(self, data: bytes) -> None:
        """Answer text."""
        self.transport.write(f"echo {data.decode()}".encode())


class AbortingEcho(RightEcho):
    """Doesn't wait for what wasn't sent yet."""

    def readConnectionLost(self) -> None:
        """Drop the connection."""
        self.transport.abortConnection()


class SharingEcho(RightEcho):
    """Keeps in its class what belongs to a connection: who came last gets all answers."""

    last: ClassVar[Any] = None

    def connectionMade(self) -> None:
        """Take all answers."""
        SharingEcho.last = self.transport

    def dataReceived(self, data: bytes) -> None:
        """Answer whoever came last."""
        SharingEcho.last.write(b"echo " + data)


class QuittingEcho(RightEcho):
    """Ends the whole program when a client has gone."""

    def readConnectionLost(self) -> None:
        """Stop."""
        from twisted.internet import reactor  # noqa: PLC0415  # only the host's process has one

        self.transport.loseConnection()
        reactor.stop()


class Strings(Protocol):
    """Has nothing wrong; the others do one thing otherwise."""

    transport: Any
    limit: ClassVar[int] = 99999

    def connectionMade(self) -> None:
        """Begin with nothing."""
        self.kept = b""

    def dataReceived(self, data: bytes) -> None:
        """Answer all that is complete."""
        self.kept += data
        while self.take():
            pass

    def take(self) -> bool:
        """Answer one string, if it is complete; tell whether it was."""
        if len(self.kept) < 4:
            return False
        (length,) = struct.unpack_from("!I", self.kept)
        if length > self.limit:
            self.transport.abortConnection()
            return False
        if len(self.kept) < 4 + length:
            return False
        self.transport.write(self.kept[: 4 + length])
        self.kept = self.kept[4 + length :]
        return True


class OneEachRead(Strings):
    """Answers one string of each read."""

    def dataReceived(self, data: bytes) -> None:
        """Answer one."""
        self.kept += data
        self.take()


class Stalled(OneEachRead):
    """Answers one string of each read, and is kept from running for a while where the stream comes byte by byte."""

    reads: ClassVar[int] = 0

    def dataReceived(self, data: bytes) -> None:
        """Answer one, late for once."""
        Stalled.reads += 1
        if Stalled.reads == 20:
            subprocess.Popen(["sh", "-c", f"sleep 2.5; kill -CONT {os.getpid()}"])
            os.kill(os.getpid(), signal.SIGSTOP)
        super().dataReceived(data)


class Stuck(Strings):
    """Never comes to an end with what isn't complete."""

    def dataReceived(self, data: bytes) -> None:
        """Answer, and wait for what can't come meanwhile."""
        super().dataReceived(data)
        while self.kept:
            time.sleep(600)


class Forgetful(Strings):
    """Forgets what wasn't complete."""

    def dataReceived(self, data: bytes) -> None:
        """Answer all that is complete in this read."""
        self.kept = b""
        super().dataReceived(data)


class Boundless(Strings):
    """Believes any length."""

    limit = 2**32


class NoEmpty(Strings):
    """Takes an empty string for none."""

    def take(self) -> bool:
        """Skip the empty ones."""
        while self.kept.startswith(b"\0\0\0\0"):
            self.kept = self.kept[4:]
        return super().take()


class Completing(Strings):
    """Answers what was never completed."""

    def connectionLost(self, reason: Any = None) -> None:
        """Do nothing: it is too late."""

    def dataReceived(self, data: bytes) -> None:
        """Answer, and what isn't complete as well."""
        super().dataReceived(data)
        if self.kept.endswith(b"comp"):
            self.transport.write(self.kept)


class Messages(MessageProtocol):
    """Has nothing wrong; the others do one thing otherwise."""

    def messageReceived(self, header: dict[str, Any], content: bytes) -> None:
        """Answer."""
        self.sendMessage({key: header[key] for key in ("type", "id") if key in header}, content)

    def streamFailed(self, error: Any) -> None:
        """Say so, and close."""
        self.sendError(error.code, str(error))
        self.transport.loseConnection()


class Anonymous(Messages):
    """Forgets the id."""

    def messageReceived(self, header: dict[str, Any], content: bytes) -> None:
        """Answer."""
        self.sendMessage({"type": header["type"]}, content)


class Silent(Messages):
    """Closes without a word."""

    def streamFailed(self, error: Any) -> None:
        """Close."""
        self.transport.loseConnection()


class Whole(Protocol):
    """Takes each read for one message."""

    transport: Any

    def dataReceived(self, data: bytes) -> None:
        """Answer it."""
        (length,) = struct.unpack_from("!I", data)
        if length <= MAX_HEADER:
            json.loads(data[4 : 4 + length])
            self.transport.write(data)


RightEchoFactory = Factory.forProtocol(RightEcho)
DecodingEchoFactory = Factory.forProtocol(DecodingEcho)
AbortingEchoFactory = Factory.forProtocol(AbortingEcho)
SharingEchoFactory = Factory.forProtocol(SharingEcho)
QuittingEchoFactory = Factory.forProtocol(QuittingEcho)
StringsFactory = Factory.forProtocol(Strings)
OneEachReadFactory = Factory.forProtocol(OneEachRead)
StalledFactory = Factory.forProtocol(Stalled)
StuckFactory = Factory.forProtocol(Stuck)
ForgetfulFactory = Factory.forProtocol(Forgetful)
BoundlessFactory = Factory.forProtocol(Boundless)
NoEmptyFactory = Factory.forProtocol(NoEmpty)
CompletingFactory = Factory.forProtocol(Completing)
MessagesFactory = Factory.forProtocol(Messages)
AnonymousFactory = Factory.forProtocol(Anonymous)
SilentFactory = Factory.forProtocol(Silent)
WholeFactory = Factory.forProtocol(Whole)


class MadeFactory(Factory[RightEcho]):
    """A factory that is made by a call."""

    protocol = RightEcho


def make_factory() -> MadeFactory:
    """Give one."""
    return MadeFactory()


def make_nothing() -> None:
    """Give none."""


def raise_error() -> None:
    """Fail."""
    raise RuntimeError("out of order")
