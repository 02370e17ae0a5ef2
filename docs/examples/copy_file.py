"""A file from one side of a connection to the other: ``python docs/examples/copy_file.py FROM TO``."""

import os
import struct
import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import react
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure

from twisted_lab.net.zerocopy import FileReceiver, receive_file, send_file

LENGTH = struct.Struct("!Q")


class Sender(Protocol):
    """Send the file's length, then the file."""

    transport: Any

    def connectionMade(self) -> None:
        """Begin at once."""
        source = os.open(sys.argv[1], os.O_RDONLY)
        length = os.fstat(source).st_size
        self.transport.write(LENGTH.pack(length))
        sent = send_file(self.transport.reactor, self.transport, source, 0, length, in_thread=deferToThread)
        sent.addErrback(lambda _: self.transport.abortConnection())
        sent.addBoth(lambda _: os.close(source))


class Receiver(Protocol):
    """Receive the length, then the file; `arrived` fires when it is there."""

    transport: Any
    file: FileReceiver | None = None
    before = b""

    def __init__(self) -> None:
        self.arrived: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        """Gather the length; what comes after it is the file's."""
        if self.file is None:
            self.before += data
            if len(self.before) < LENGTH.size:
                return
            (length,), data = LENGTH.unpack_from(self.before), self.before[LENGTH.size :]
            target = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            self.file = receive_file(self.transport.reactor, self.transport, target, 0, length, in_thread=deferToThread)
            self.file.done.addBoth(self.close, target)
        self.file.dataReceived(data)

    def close(self, result: Any, target: int) -> None:
        """Close the file, and say what became of it."""
        os.close(target)
        self.arrived.callback(result)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the file, if it isn't complete."""
        if self.file is not None:
            self.file.connectionLost(reason)
        elif not self.arrived.called:
            self.arrived.errback(reason)


async def main(reactor: Any) -> None:
    """Connect both sides, and wait until the file is there."""
    port: Any = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(Factory.forProtocol(Sender))
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
    receiver = await connectProtocol(endpoint, Receiver())
    await receiver.arrived
    receiver.transport.loseConnection()
    await port.stopListening()
    await deferToThread(compare)


def compare() -> None:
    """Say whether it is."""
    print("the same" if Path(sys.argv[1]).read_bytes() == Path(sys.argv[2]).read_bytes() else "something else")


react(main)
