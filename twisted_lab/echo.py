"""
Echo: what comes in goes out again.

With a prefix it is the tutorial's server, which answers ``echo `` and what it received; with an empty one
it is RFC 862, every byte back and nothing more. The prefix stands before each chunk as received: on a byte
stream nobody promises that a chunk is a message. The header protocol is the cure.
"""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, MessageLengthError
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IReactorTime,
    ISSLTransport,
    IUDPTransport,
)
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_lab.net.bounded import BoundedFactory
from twisted_lab.net.connection import BoundedConnection
from twisted_lab.net.transport import IStreamTransport

#: What the tutorial's server puts before its answer.
PREFIX = b"echo "
#: The echo port that RFC 862 assigned.
ECHO_PORT = 7
#: Seconds without a byte after which a client over TLS takes the echo to be complete.
QUIET = 0.5


class Echo(BoundedConnection):
    """
    Send back what arrives, the factory's prefix before each chunk (RFC 862 if that is empty).

    Memory: reading stops while the peer doesn't read. A peer that shuts its side still gets every byte.
    """

    factory: "EchoFactory"

    def dataReceived(self, data: bytes) -> None:
        """Send `data` back, unless the connection is closing."""
        self.bytes_in += len(data)
        if self.closing:
            return
        if prefix := self.factory.prefix:
            data = prefix + data
        self.bytes_out += len(data)
        self.transport.write(data)


class EchoFactory(BoundedFactory):
    """Serve `Echo`; `options` are those of `BoundedFactory`: `max_connections`, `idle_timeout`, `close_timeout`."""

    protocol = Echo
    name = "echo"

    def __init__(self, clock: IReactorTime, prefix: bytes = PREFIX, **options: Any) -> None:
        super().__init__(clock, **options)
        self.prefix = prefix

    def refusal(self) -> bytes:
        """Give a line that says so; nothing in RFC 862, where every byte is an echo."""
        return b"busy: at most %d connections at one time\n" % self.max_connections if self.prefix else b""


class EchoDatagrams(DatagramProtocol):
    """
    Send each datagram back, the prefix before it (RFC 862, the UDP part, if that is empty).

    A datagram from an echo port, or from port 0, is not answered: two echo servers would answer each other for
    ever, and port 0 is a forgery.
    """

    log = Logger()
    transport: IUDPTransport

    def __init__(self, prefix: bytes = PREFIX) -> None:
        self.prefix = prefix

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        """Send `datagram` back to `addr`."""
        if addr[1] in {0, ECHO_PORT, self.transport.getHost().port}:
            return
        try:
            self.transport.write(self.prefix + datagram, addr)
        except (MessageLengthError, OSError) as error:  # too large with its prefix, or a forged address
            self.log.warn("echo: a datagram of {size} B isn't answered: {error}", size=len(datagram), error=error)


class EchoClient(Protocol):
    """
    Send messages and hand on what comes back, as it comes: on a byte stream a reply has no end.

    `missing` is how many more bytes have gone than have come back: at most 0 when the echo, with any prefixes,
    is complete. `received` is called with each chunk; `closed` fires with the exception that says why the
    connection is over, `ConnectionDone` if the server closed it.
    """

    transport: IStreamTransport

    def __init__(self, clock: IReactorTime, received: Callable[[bytes], object]) -> None:
        self.clock = clock
        self.received = received
        self.closed: Deferred[BaseException] = Deferred()
        self.missing = 0
        self._quiet: IDelayedCall | None = None

    def send(self, message: bytes) -> None:
        """Send `message`; its echo goes to `received`, in as many chunks as the network makes of it."""
        self.missing += len(message)
        self.transport.write(message)

    def finish(self) -> None:
        """
        Say that nothing more will be sent; the server sends back the rest, then closes.

        Twisted can't half-close TLS. There the connection is closed when as many bytes as were sent have come
        back and nothing more follows for `QUIET` seconds.
        """
        if ISSLTransport.providedBy(self.transport):
            self._quiet = self.clock.callLater(QUIET, self._close_if_complete)
        else:
            self.transport.loseWriteConnection()

    def dataReceived(self, data: bytes) -> None:
        """Hand `data` on."""
        self.missing -= len(data)
        if self._quiet is not None:
            self._quiet.reset(QUIET)
        self.received(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Fire `closed` with the reason."""
        if self._quiet is not None and self._quiet.active():
            self._quiet.cancel()
        self.closed.callback(reason.value or ConnectionDone())

    def _close_if_complete(self) -> None:
        if self.missing > 0:
            self.finish()
        else:
            self.transport.loseConnection()


class EchoClientFactory(Factory[EchoClient]):
    """Make `EchoClient`s that all hand what comes back to `received`."""

    noisy = False

    def __init__(self, clock: IReactorTime, received: Callable[[bytes], object]) -> None:
        self.clock = clock
        self.received = received

    def buildProtocol(self, addr: IAddress | None) -> EchoClient:
        """Make a client."""
        return EchoClient(self.clock, self.received)
