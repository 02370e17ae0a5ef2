"""
The sending side of the eager reactor's transports: what a callback writes goes out when that callback is over.

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

from twisted.internet import abstract
from twisted.internet.interfaces import IProducer, IProtocol
from twisted.python.failure import Failure

if TYPE_CHECKING:
    from twisted_lab.net.eager import EagerReactor

# What becomes of the bytes that wait.
_NONE, _LISTED, _POLLED = range(3)  # there are none; the reactor sends them; epoll tells when the socket takes more
CLOSED = -1  # no room
_FULL = {EAGAIN, ENOBUFS}


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
    room = CLOSED
    #: A send has failed, and took the socket's error with it.
    failed = False
    _asked = False

    def write(self, data: bytes) -> None:
        """Send `data` when this callback is over, after what waits already."""
        EagerStream.writeSequence(self, (data,))

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """Send the pieces likewise."""
        pieces = [*iovec]
        for piece in pieces:
            abstract._dataMustBeBytes(piece)  # its message is what programs know
        if not self.connected or self._writeDisconnected or self._aborting or not any(pieces):
            return
        self.spill()
        self.room = CLOSED
        self._tempDataBuffer.extend(pieces)
        self._tempDataLen += sum(map(len, pieces))
        self._maybePauseProducer()
        if self._owes_resumption():
            self._wait_for_epoll()
        elif self._waiting == _NONE:
            self._waiting = _LISTED
            self.reactor.unsent.append(self)

    def flush(self) -> None:
        """Send what was written. What the kernel doesn't take, and errors, wait for epoll; no protocol's code runs."""
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
            self.failed = self._send_some() is not None
            if self._waiting != _NONE or self._owes_resumption():
                self._wait_for_epoll()

    def not_sent(self, data: bytes, sent: int, error: OSError | None = None) -> None:
        """Let what is left of `data` wait for epoll, which tells of an error as well."""
        self.failed = error is not None and error.errno not in _FULL
        self.dataBuffer = data
        self.offset = sent
        self._wait_for_epoll()

    def doWrite(self) -> BaseException | int | None:
        """Send what waits, for the socket takes more; then do what was put off until nothing would wait."""
        self.spill()
        error = self._send_some()
        if error is not None or self._waiting != _NONE:
            return error
        if self._owes_resumption():
            self.producerPaused = False
            self._asked = False
            self.producer.resumeProducing()  # type: ignore[union-attr]  # there is one, for it is owed something
            # Twisted's own stops before it resumes; as most producers write again, epoll would be told twice.
            if not self._asked and self.connected:
                self.stopWriting()
            return None
        self.stopWriting()
        if self.disconnecting:
            done: BaseException = self._postLoseConnection()
            return done
        if self._writeDisconnecting:
            self._writeDisconnected = True  # before the handler, which may call loseConnection
            self.room = CLOSED
            self._closeWriteConnection()
        return None

    def startWriting(self) -> None:
        """Ask epoll to tell when the socket takes more."""
        self._asked = True
        super().startWriting()

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:  # noqa: FBT001  # Twisted's signature
        """Take a producer. One that pulls is asked for more when epoll says so, so each write must ask about it."""
        if not streaming:
            self.spill()
            self.room = CLOSED
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

    def _wait_for_epoll(self) -> None:
        self._waiting = _POLLED
        self.startWriting()

    def spill(self) -> None:
        """Put what is held with the pieces that wait: something else joins it."""
        if self.held is not None:
            self._tempDataBuffer.append(self.held)
            self._tempDataLen = len(self.held)
            self.held = None
            self._waiting = _LISTED
            if self.reactor.reading is self:
                self.reactor.unsent.append(self)

    def _drop(self) -> None:
        self.room = CLOSED
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
        # A single piece is not copied.
        self.dataBuffer = b"".join([self.dataBuffer, *pieces] if self.dataBuffer else pieces)
