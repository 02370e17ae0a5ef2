"""
Listening sockets that another process has opened, and that several processes accept from.

Twisted can adopt a listening socket (`IReactorSocket`), but not to share it: of a UNIX one it sets the mode anew and
removes the file when it stops, and of any it accepts up to a hundred connections at one go. A worker that wakes first
would so take a whole burst, while the others sleep. `InheritedPort` takes one connection each time it is woken; and
none for a moment while it has more than its share, so that the others can.
"""

import errno
import socket
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.internet.protocol import DatagramProtocol, ServerFactory
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

#: Seconds without accepting once there are no descriptors, or no memory, for another connection.
PAUSE = 1.0
#: Seconds without accepting while the other processes have fewer connections: time enough for them to wake.
YIELD = 0.001
#: The connection has gone already, or another process was faster.
_NOTHING = {errno.EAGAIN, errno.ECONNABORTED, errno.EINTR, errno.EPERM, errno.EPROTO}
#: There is room for no other connection at present.
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class InheritedSockets:
    """
    What an endpoint takes for a reactor: whatever it is asked to listen on, it gives the next inherited socket.

    So each kind of endpoint works that listens by one of these methods, and what stands around the socket (TLS,
    the PROXY protocol) is the endpoint's own. `descriptors` are in the order in which they are asked for. `is_ahead`
    tells whether this process has more than its share of the connections.
    """

    def __init__(self, reactor: Any, descriptors: Iterable[int], is_ahead: Callable[[], bool] = lambda: False) -> None:
        self._reactor = reactor
        self._is_ahead = is_ahead
        self._descriptors = iter(descriptors)

    def listenTCP(self, port: int, factory: ServerFactory, backlog: int = 50, interface: str = "") -> IListeningPort:
        """Accept from the next socket."""
        return self._listen(factory)

    def listenUNIX(
        self, address: str, factory: ServerFactory, backlog: int = 50, mode: int = 0o666, wantPID: int = 0
    ) -> IListeningPort:
        """Accept from the next socket."""
        return self._listen(factory)

    def listenSSL(
        self, port: int, factory: ServerFactory, contextFactory: Any, backlog: int = 50, interface: str = ""
    ) -> IListeningPort:
        """Accept from the next socket, with TLS."""
        from twisted.protocols.tls import TLSMemoryBIOFactory  # noqa: PLC0415  # it comes with the extra

        wrapped: Any = TLSMemoryBIOFactory(contextFactory, False, factory)
        return self._listen(wrapped)

    def listenUDP(
        self, port: int, protocol: DatagramProtocol, interface: str = "", maxPacketSize: int = 8192
    ) -> IListeningPort:
        """Receive from the next socket."""
        descriptor = next(self._descriptors)
        with socket.socket(fileno=socket.dup(descriptor)) as known:
            family = known.family
        adopted: IListeningPort = self._reactor.adoptDatagramPort(descriptor, family, protocol, maxPacketSize)
        socket.close(descriptor)  # it was duplicated
        return adopted

    def _listen(self, factory: ServerFactory) -> IListeningPort:
        port = InheritedPort(self._reactor, next(self._descriptors), factory, self._is_ahead)
        port.startListening()
        return port


@implementer(IListeningPort)
class InheritedPort(FileDescriptor):
    """Accept connections from a listening socket, one each time there are some: others accept from it as well."""

    log = Logger()
    reactor: Any

    def __init__(
        self,
        reactor: Any,
        descriptor: int,
        factory: ServerFactory,
        is_ahead: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(reactor)
        self._is_ahead = is_ahead
        self._socket = socket.socket(fileno=descriptor)
        self._factory = factory
        self.fileno = self._socket.fileno  # type: ignore[method-assign]  # the reactor asks often

    def startListening(self) -> None:
        """Accept from now on."""
        self._factory.doStart()
        self.connected = True
        self.startReading()  # type: ignore[no-untyped-call]

    def stopListening(self) -> None:
        """Accept no more; other processes go on."""
        if self.connected:
            self.connected = False
            self.stopReading()  # type: ignore[no-untyped-call]
            self._socket.close()
            self._factory.doStop()

    def connectionLost(self, reason: Failure) -> None:
        """Stop: the socket was shut, by the process that opened it."""
        self.stopListening()

    def getHost(self) -> IAddress:
        """Give the address that is listened on."""
        name = self._socket.getsockname()
        if self._socket.family == socket.AF_UNIX:
            return UNIXAddress(name)
        kind = IPv6Address if self._socket.family == socket.AF_INET6 else IPv4Address
        return kind("TCP", *name)

    def doRead(self) -> Failure | None:
        """Accept a connection."""
        try:
            connection, _ = self._socket.accept()
        except OSError as error:
            if error.errno in _EXHAUSTED:
                self.log.warn("no connection is accepted for {pause:g} s: {why}", pause=PAUSE, why=error.strerror)
                self._pause(PAUSE)
            elif error.errno not in _NOTHING:
                return Failure(error)
            return None
        with connection:
            connection.setblocking(False)
            try:
                self.reactor.adoptStreamConnection(connection.fileno(), connection.family, self._factory)
            except Exception:  # noqa: BLE001  # a factory's fault, which mustn't close the port
                self.log.failure("a connection couldn't be begun")
        if self._is_ahead():
            self._pause(YIELD)
        return None

    def _pause(self, seconds: float) -> None:
        self.stopReading()  # type: ignore[no-untyped-call]
        self.reactor.callLater(seconds, self._resume)

    def _resume(self) -> None:
        if self.connected:
            self.startReading()  # type: ignore[no-untyped-call]
