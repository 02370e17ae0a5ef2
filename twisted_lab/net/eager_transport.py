"""
The stream transports of the eager reactor: what a callback writes goes out as soon as that callback is over.

Twisted's own transports queue it, ask epoll to be told when the socket takes bytes, are told so in the reactor's next
turn, send, and ask epoll not to be told any longer: three system calls and a turn for a send that nearly always could
have been done at once. Here the reactor keeps a list of the connections that were written to, and sends for each of
them when the callback is over. Only what the kernel doesn't take waits for epoll.

It isn't sent inside `write` itself, for three reasons. All writes of one callback leave in one send, as they do with
Twisted's own transports: else a header and its body would be two packets, and the second of them would wait for the
acknowledgement of the first (Nagle's algorithm, RFC 896), which a peer may delay by 40 ms. What an abort, or an
exception of the protocol's, drops with Twisted's own transports is dropped here too. And no error shows inside `write`.

The bytes to send are in one of three places, and leave in this order: `dataBuffer` from `offset` on, what a send has
left over; `_tempDataBuffer`, a list of pieces; or, instead of both, `held`, the only write so far.

Bounds: those of Twisted's own transports. A streaming producer is paused while more than `bufferSize` bytes wait. A
byte is copied at most once, when pieces are joined: of what a send leaves over only the offset changes
(https://github.com/twisted/twisted/issues/12742).
"""

from collections import deque
from collections.abc import Iterable
from errno import EAGAIN, ENOBUFS
from socket import socket
from typing import TYPE_CHECKING, Any

from twisted.internet import abstract, tcp, unix
from twisted.internet._newtls import startTLS
from twisted.internet.interfaces import IProducer, IProtocol
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.python import context, log
from twisted.python.failure import Failure

if TYPE_CHECKING:
    from twisted_lab.net.eager import EagerReactor

# What becomes of the bytes that wait.
_NONE, _LISTED, _POLLED = range(3)  # there are none; the reactor sends them; epoll tells when the socket takes more
_CLOSED = -1  # no room
_FULL = {EAGAIN, ENOBUFS}


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


class EagerStream(abstract.FileDescriptor):
    """
    The sending side, and what TLS writes to when a connection has started it.

    It goes before one of Twisted's transport classes, which do all else.
    """

    reactor: "EagerReactor"
    protocol: IProtocol
    socket: socket
    TLS: bool
    _aborting: bool
    _waiting = _NONE
    held: bytes | None = None
    #: The longest write that may be held without further questions.
    room = _CLOSED
    #: A send has failed, and took the socket's error with it.
    _failed = False

    def write(self, data: bytes) -> None:
        """Send `data` when this callback is over, after what waits already."""
        EagerStream.writeSequence(self, (data,))

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """Send the pieces likewise."""
        pieces = [*iovec]
        for piece in pieces:
            abstract._dataMustBeBytes(piece)  # noqa: SLF001  # its message is what programs know
        if not self.connected or self._writeDisconnected or self._aborting or not any(pieces):
            return
        self._spill()
        self.room = _CLOSED
        self._tempDataBuffer.extend(pieces)
        self._tempDataLen += sum(map(len, pieces))
        self._maybePauseProducer()
        if self._owes_resumption():
            self._wait_for_epoll()
        elif self._waiting == _NONE:
            self._waiting = _LISTED
            self.reactor.unsent.append(self)

    def flush(self) -> None:
        """Send what was written; what the kernel doesn't take, and an error, wait for epoll. Runs no protocol's code."""
        data = self.held
        if data is not None:
            self.held = None
            try:
                sent = self.socket.send(data)
            except OSError as error:
                self.not_sent(data, 0, error)
            else:
                if sent == len(data):
                    self.room = self.bufferSize
                else:
                    self.not_sent(data, sent)
        elif self._waiting == _LISTED:
            self._failed = self._send_some() is not None
            if self._waiting != _NONE or self._owes_resumption():
                self._wait_for_epoll()

    def not_sent(self, data: bytes, sent: int, error: OSError | None = None) -> None:
        """Let what is left of `data` wait for epoll, which tells of an error as well."""
        self._failed = error is not None and error.errno not in _FULL
        self.dataBuffer = data
        self.offset = sent
        self._wait_for_epoll()

    def doWrite(self) -> BaseException | int | None:
        """Send what waits, for the socket takes more; then do what was put off until nothing would wait."""
        self._spill()
        error = self._send_some()
        if error is not None or self._waiting != _NONE:
            return error
        if self._owes_resumption():
            self.producerPaused = False
            self.producer.resumeProducing()  # type: ignore[union-attr]  # there is one, for it is owed something
            # Most producers write again at once: then epoll needn't be told twice.
            if self.connected and not self._aborting and self._waiting != _POLLED and not self._is_closing():
                self.stopWriting()
            return None
        self.stopWriting()
        if self.disconnecting:
            return self._postLoseConnection()
        if self._writeDisconnecting:
            self._writeDisconnected = True  # before the handler, which may call loseConnection
            self.room = _CLOSED
            self._closeWriteConnection()
        return None

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:  # noqa: FBT001  # Twisted's signature
        """Take a producer. One that pulls is asked for more when epoll says so, so each write must ask about it."""
        if not streaming:
            self._spill()
            self.room = _CLOSED
        abstract.FileDescriptor.registerProducer(self, producer, streaming)

    def abortConnection(self) -> None:
        """Drop what waits, and close."""
        self._drop()
        super().abortConnection()  # type: ignore[misc]  # tcp.Connection has it

    def connectionLost(self, reason: Failure) -> None:
        """Drop what waits."""
        self._drop()
        super().connectionLost(reason)

    def _isSendBufferFull(self) -> bool:
        return len(self.dataBuffer) - self.offset + self._tempDataLen > self.bufferSize

    def _owes_resumption(self) -> bool:
        return self.producer is not None and (self.producerPaused or not self.streamingProducer)

    def _is_closing(self) -> bool:
        return bool(self.disconnecting) or (self._writeDisconnecting and not self._writeDisconnected)

    def _wait_for_epoll(self) -> None:
        self._waiting = _POLLED
        self.startWriting()

    def _spill(self) -> None:
        """Put what is held with the pieces that wait: something else joins it."""
        if self.held is not None:
            self._tempDataBuffer.append(self.held)
            self._tempDataLen = len(self.held)
            self.held = None
            self._waiting = _LISTED
            if self.reactor.reading is self:
                self.reactor.unsent.append(self)

    def _drop(self) -> None:
        self.room = _CLOSED
        self._waiting = _NONE
        self.held = None
        self.dataBuffer = b""
        self.offset = 0
        self._tempDataBuffer = []
        self._tempDataLen = 0

    def _send_some(self) -> BaseException | int | None:
        """Send as much as the kernel takes, and give an error if there was one; note it if nothing waits any longer."""
        if self._tempDataLen and not self.offset and len(self.dataBuffer) < self.SEND_LIMIT:
            self._join()
        data: Any = memoryview(self.dataBuffer)[self.offset :] if self.offset else self.dataBuffer
        sent = self.writeSomeData(data)
        if isinstance(sent, BaseException) or sent < 0:
            return sent
        self.offset += sent
        if self.offset == len(self.dataBuffer):
            self.dataBuffer = b""
            self.offset = 0
            if not self._tempDataLen:
                self._waiting = _NONE
                if not (self.TLS or self._writeDisconnected or self._owes_resumption()):
                    self.room = self.bufferSize
        return None

    def _join(self) -> None:
        """Make one buffer of pieces, about `SEND_LIMIT` bytes long."""
        size = len(self.dataBuffer)
        if size + self._tempDataLen <= self.SEND_LIMIT:
            pieces, self._tempDataBuffer, self._tempDataLen = self._tempDataBuffer, [], 0
        else:
            queue: Any = self._tempDataBuffer
            if isinstance(queue, list):
                queue = self._tempDataBuffer = deque(queue)  # type: ignore[assignment]  # for its append and extend
            pieces = []
            while queue and size < self.SEND_LIMIT:
                pieces.append(queue.popleft())
                size += len(pieces[-1])
            self._tempDataLen -= sum(map(len, pieces))
        self.dataBuffer = b"".join([self.dataBuffer, *pieces])


class EagerConnection(EagerStream):
    """A connection's transport as its protocol sees it, with TLS or without."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.log_frame: LogFrame | None = LogFrame(self)
        self.bufferSize = self.bufferSize  # is found faster on the instance
        super().__init__(*args, **kwargs)

    def write(self, data: bytes) -> None:
        """Send `data` when this callback is over; inside TLS, if that was started."""
        if type(data) is bytes and 0 < len(data) <= self.room:
            # The common case: all there is to send. Each line here counts.
            self.room = _CLOSED
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
        self._spill()
        self.room = _CLOSED
        startTLS(self, ctx, normal, EagerStream)

    def doRead(self) -> BaseException | None:
        """Deliver what has come, at most `bufferSize` bytes: over 64 KiB the C library would map memory at each read."""
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
        return CONNECTION_LOST if self._failed else CONNECTION_DONE

    def connectionLost(self, reason: Failure) -> None:
        """Drop what waits, and what would keep this object alive."""
        self.log_frame = None
        super().connectionLost(reason)


class Server(EagerConnection, tcp.Server):
    """A TCP connection that was accepted."""


class Client(EagerConnection, tcp.Client):
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

    doRead = unix.Server.doRead  # that of both sides

    def sendFileDescriptor(self, fileno: int) -> None:
        """Send a descriptor with the next byte."""
        self._spill()
        self.room = _CLOSED
        super().sendFileDescriptor(fileno)  # type: ignore[misc]  # unix.Server and unix.Client have it

    def _isSendBufferFull(self) -> bool:
        return len(self._sendmsgQueue) > self._fileDescriptorBufferSize or super()._isSendBufferFull()


class UNIXServer(UNIXConnection, unix.Server):
    """A UNIX connection that was accepted."""


class UNIXClient(UNIXConnection, unix.Client):
    """A UNIX connection that was asked for."""


class UNIXPort(unix.Port):
    """A UNIX port."""

    transport = UNIXServer


class UNIXConnector(unix.Connector):
    """Who asks for a UNIX connection."""

    def _makeTransport(self) -> UNIXClient:
        return UNIXClient(self.address, self, self.reactor, self.checkPID)
