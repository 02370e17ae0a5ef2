"""The transports of the eager reactor, TCP and UNIX, of both sides: they read here, and write as `EagerStream` does."""

from collections.abc import Iterable
from typing import Any

from twisted.internet import abstract, tcp, unix
from twisted.internet.interfaces import IProducer
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.python import context, log
from twisted.python.failure import Failure

from twisted_lab.net.eager_stream import CLOSED, EagerStream


class LogFrame:
    """
    What `twisted.python.context` finds while a connection's protocol runs. It is worked out only if someone looks.

    `log.callWithLogger` makes two dicts for it at each event, which takes longer than all else in an event's dispatch.
    """

    __slots__ = ("_owner",)

    def __init__(self, owner: abstract.FileDescriptor) -> None:
        self._owner = owner

    def __getitem__(self, key: object) -> dict[str, object]:
        """Give what `log.callWithLogger` would have put there; KeyError for anything else, which is further down."""
        if key is not log.ILogContext:
            raise KeyError(key)
        try:
            system = self._owner.logPrefix()
        except Exception:  # noqa: BLE001  # it may be anyone's
            system = "(buggy logPrefix method)"
        return {**context.defaultContextDict[log.ILogContext], "system": system}


class EagerConnection(EagerStream):
    """A connection's transport as its protocol sees it, with TLS or without."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.log_frame: LogFrame | None = LogFrame(self)
        # What an event needs stands together in memory, if it is set first and on the instance.
        self.bufferSize = self.bufferSize
        self.held = None
        self.room = CLOSED
        super().__init__(*args, **kwargs)

    def write(self, data: bytes) -> None:
        """Send `data` when this callback is over; inside TLS, if that was started."""
        if type(data) is bytes and 0 < len(data) <= self.room:
            # The common case: all there is to send. Each line here counts.
            self.room = CLOSED
            self.held = data
            if self.reactor.reading is not self:
                self.reactor.unsent.append(self)
        elif not self.TLS:
            EagerStream.writeSequence(self, (data,))
        elif self.connected:
            self.protocol.write(data)  # type: ignore[attr-defined]  # it is a TLSMemoryBIOProtocol

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """Send the pieces likewise."""
        if not self.TLS:
            EagerStream.writeSequence(self, iovec)
        elif self.connected:
            self.protocol.writeSequence(iovec)  # type: ignore[attr-defined]

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:  # noqa: FBT001
        """Take a producer; what TLS makes of it is what has to be paused, if that was started."""
        if self.TLS:
            self.protocol.registerProducer(producer, streaming)  # type: ignore[attr-defined]
        else:
            EagerStream.registerProducer(self, producer, streaming)

    def startTLS(self, ctx: object, normal: bool = True) -> None:  # noqa: FBT001, FBT002
        """Start TLS after what was written; from then on writes go through it."""
        from twisted.internet._newtls import startTLS  # noqa: PLC0415  # it comes with the extra

        self.spill()
        self.room = CLOSED
        startTLS(self, ctx, normal, EagerStream)

    def doRead(self) -> BaseException | None:
        """Deliver what has come, at most `bufferSize` bytes; over 64 KiB, memory would be mapped at each read."""
        try:
            data = self.socket.recv(self.bufferSize)
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        if data:
            self.protocol.dataReceived(data)
            return None
        # A send that failed has taken the error that recv would have given.
        return CONNECTION_LOST if self.failed else CONNECTION_DONE

    def connectionLost(self, reason: Failure) -> None:
        """Drop what waits, and what would keep this object alive."""
        self.log_frame = None
        super().connectionLost(reason)


class Server(EagerConnection, tcp.Server):  # type: ignore[misc]  # abortConnection replaces methods
    """A TCP connection that was accepted."""


class Client(EagerConnection, tcp.Client):  # type: ignore[misc]
    """A TCP connection that was asked for."""


class Port(tcp.Port):
    """A TCP port."""

    transport = Server


class Connector(tcp.Connector):
    """Who asks for a TCP connection."""

    def _makeTransport(self) -> Client:
        return Client(self.host, self.port, self.bindAddress, self, self.reactor)


class UNIXConnection(EagerConnection):
    """A UNIX connection's transport: descriptors may go with the bytes."""

    _sendmsgQueue: list[int]
    _fileDescriptorBufferSize: int

    def doRead(self) -> BaseException | None:
        """Deliver what has come, descriptors as well."""
        why: BaseException | None = unix.Server.doRead(self)  # type: ignore[arg-type]  # the client's is the same
        return CONNECTION_LOST if why is CONNECTION_DONE and self.failed else why

    def sendFileDescriptor(self, fileno: int) -> None:
        """Send a descriptor with the next byte."""
        self.spill()
        self.room = CLOSED
        super().sendFileDescriptor(fileno)  # type: ignore[misc]  # unix.Server and unix.Client have it

    def _isSendBufferFull(self) -> bool:
        return len(self._sendmsgQueue) > self._fileDescriptorBufferSize or super()._isSendBufferFull()


class UNIXServer(UNIXConnection, unix.Server):  # type: ignore[misc]
    """A UNIX connection that was accepted."""


class UNIXClient(UNIXConnection, unix.Client):  # type: ignore[misc]
    """A UNIX connection that was asked for."""


class UNIXPort(unix.Port):
    """A UNIX port."""

    transport = UNIXServer


class UNIXConnector(unix.Connector):
    """Who asks for a UNIX connection."""

    def _makeTransport(self) -> Any:
        return UNIXClient(self.address, self, self.reactor, self.checkPID)
