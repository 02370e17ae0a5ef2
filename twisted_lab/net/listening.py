"""A service that listens on endpoints, says so with the real port, and stops within a grace period."""

from collections.abc import Callable, Iterable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, ensureDeferred, gatherResults, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IReactorUDP, IStreamServerEndpoint
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_lab.net.address import show_address
from twisted_lab.net.bounded import BoundedFactory
from twisted_lab.net.workers import WorkerError, Workers


class ListenError(Exception):
    """An endpoint can't be listened on; the message is one sentence that says which, and why."""


class ListeningService(Service):
    """
    Serve `factory` on each of `endpoints`: pairs of the text a user wrote and the endpoint it means.

    `grace` is how many seconds open connections get to finish when the service stops. With `datagrams`, a
    protocol is made for each TCP port too and listens on UDP, at the same address.

    With `workers` this process opens the sockets, and they serve them. `announces`: whether to say in the log where it
    listens; a worker doesn't, for who started it does.

    `startService` raises `ListenError` if one of the endpoints can't be had, and `WorkerError` if a worker can't start.
    """

    log = Logger()

    def __init__(  # noqa: PLR0913  # four of them by keyword
        self,
        reactor: IReactorUDP,
        endpoints: Iterable[tuple[str, IStreamServerEndpoint]],
        factory: BoundedFactory,
        *,
        grace: float,
        datagrams: Callable[[], DatagramProtocol] | None = None,
        workers: Workers | None = None,
        announces: bool = True,
    ) -> None:
        self.factory = factory
        self.ports: list[Any] = []  # each an IListeningPort
        self._reactor = reactor
        self._endpoints = [*endpoints]
        self._grace = grace
        self._datagrams = datagrams
        self._workers = workers
        self._announces = announces
        self._announcements: list[tuple[str, str]] = []

    def privilegedStartService(self) -> None:
        """Listen, before privileges are dropped: the port may be below 1024."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        self._listen()

    def startService(self) -> None:
        """Listen, if nothing does yet; start the workers."""
        super().startService()  # type: ignore[no-untyped-call]
        if not self.ports:
            self._listen()
        if self._workers is not None:
            self._hand_over(self._workers)

    def stopService(self) -> "Deferred[None]":
        """Stop accepting, let what goes on finish within the grace period, then abort what is left."""
        super().stopService()  # type: ignore[no-untyped-call]
        return ensureDeferred(self._stop())

    def _listen(self) -> None:
        for text, endpoint in self._endpoints:
            failures: list[Failure] = []
            endpoint.listen(self.factory).addCallback(self._listens).addErrback(failures.append)
            for failure in failures:
                self._close_ports()
                raise ListenError(f"can't listen on {text}: {show_cause(failure)}") from failure.value

    def _listens(self, port: IListeningPort) -> None:
        self.ports.append(port)
        self._announce("{name} listens on {address}", port)
        if self._datagrams is not None:
            host: Any = port.getHost()  # an IPv4Address or IPv6Address
            # One datagram in, one out: the largest there is must fit into one read.
            datagrams = self._reactor.listenUDP(host.port, self._datagrams(), host.host, maxPacketSize=65536)
            self.ports.append(datagrams)
            self._announce("{name} listens on {address} (udp)", datagrams)

    def _announce(self, text: str, port: IListeningPort) -> None:
        self._announcements.append((text, show_address(port.getHost())))
        if self._workers is None:
            self._say_where()

    def _say_where(self) -> None:
        for text, address in self._announcements:
            if self._announces:
                self.log.info(text, name=self.factory.name, address=address)
        self._announcements.clear()

    def _hand_over(self, workers: Workers) -> None:
        """Have the workers accept, and nobody here; say where once they do."""
        for port in self.ports:
            port.stopReading()
        try:
            workers.start([port.fileno() for port in self.ports])
        except WorkerError:
            self._close_ports()
            raise
        self._say_where()

    def _close_ports(self) -> "Deferred[Any]":
        ports, self.ports = self.ports, []
        return gatherResults([maybeDeferred(port.stopListening) for port in ports])

    async def _stop(self) -> None:
        closed = self._close_ports()
        if self._workers is not None:
            await self._workers.stop(self._grace)
        await closed
        await self.factory.shutdown(self._grace)


def show_cause(failure: Failure) -> str:
    """Give why an endpoint can't be listened on, without the address."""
    error = failure.value
    cause = error.socketError if isinstance(error, CannotListenError) else error
    return (cause.strerror if isinstance(cause, OSError) else None) or str(cause)
