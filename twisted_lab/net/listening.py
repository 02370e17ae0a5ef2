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


class ListenError(Exception):
    """An endpoint can't be listened on; the message is one sentence that says which, and why."""


class ListeningService(Service):
    """
    Serve `factory` on each of `endpoints`: pairs of the text a user wrote and the endpoint it means.

    `grace` is how many seconds open connections get to finish when the service stops. With `datagrams`, a
    protocol is made for each TCP port too and listens on UDP, at the same address.

    `startService` raises `ListenError` if one of them can't be had.
    """

    log = Logger()

    def __init__(
        self,
        reactor: IReactorUDP,
        endpoints: Iterable[tuple[str, IStreamServerEndpoint]],
        factory: BoundedFactory,
        *,
        grace: float,
        datagrams: Callable[[], DatagramProtocol] | None = None,
    ) -> None:
        self.factory = factory
        self.ports: list[IListeningPort] = []
        self._reactor = reactor
        self._endpoints = [*endpoints]
        self._grace = grace
        self._datagrams = datagrams

    def privilegedStartService(self) -> None:
        """Listen, before privileges are dropped: the port may be below 1024."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        self._listen()

    def startService(self) -> None:
        """Listen, if nothing does yet."""
        super().startService()  # type: ignore[no-untyped-call]
        if not self.ports:
            self._listen()

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
                raise ListenError(f"can't listen on {text}: {_show_cause(failure)}") from failure.value

    def _listens(self, port: IListeningPort) -> None:
        self.ports.append(port)
        self.log.info("{name} listens on {address}", name=self.factory.name, address=show_address(port.getHost()))
        if self._datagrams is not None:
            host: Any = port.getHost()  # an IPv4Address or IPv6Address
            # One datagram in, one out: the largest there is must fit into one read.
            datagrams = self._reactor.listenUDP(host.port, self._datagrams(), host.host, maxPacketSize=65536)
            self.ports.append(datagrams)
            self.log.info("{name} listens on {address} (udp)", name=self.factory.name, address=show_address(host))

    def _close_ports(self) -> "Deferred[Any]":
        ports, self.ports = self.ports, []
        return gatherResults([maybeDeferred(port.stopListening) for port in ports])

    async def _stop(self) -> None:
        await self._close_ports()
        await self.factory.shutdown(self._grace)


def _show_cause(failure: Failure) -> str:
    error = failure.value
    cause = error.socketError if isinstance(error, CannotListenError) else error
    return (cause.strerror if isinstance(cause, OSError) else None) or str(cause)
