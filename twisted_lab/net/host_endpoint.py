"""
A host by its name, which may have several addresses: the next one is tried as soon as the one before has failed.

Twisted's `HostnameEndpoint` waits 0.3 s before it tries the next, whatever became of the one before, and as long to
find that there is none. So each connection to ``localhost`` takes that much longer where ::1 is its first address and
the server listens on 127.0.0.1 only. RFC 8305, section 5, has it as here.
"""

from collections.abc import Sequence
from typing import Any

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import (
    IAddress,
    IHostResolution,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from twisted.python.failure import Failure
from zope.interface import implementer

#: Seconds for which an address may be silent before the next is tried too: RFC 8305, section 8.
DELAY = 0.25


@implementer(IStreamClientEndpoint)
class HostEndpoint:
    """
    Connects to `port` of `host`, a name or an address; each attempt may take `timeout` seconds.

    Fails with `DNSLookupError` if there is no host of that name, `ValueError` if it can't be one, and otherwise with
    the last attempt's reason.
    """

    def __init__(self, reactor: Any, host: str, port: int, timeout: float = 30.0) -> None:
        self._reactor = reactor
        self._host = host
        self._port = port
        self._timeout = timeout

    def connect(self, protocolFactory: IProtocolFactory) -> "Deferred[IProtocol]":
        """Give a connected protocol; may be cancelled."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        endpoints = [self._endpoint(address) for address in await self._addresses()]
        if not endpoints:
            raise DNSLookupError(f"no address of {self._host} is known")
        return await _Race(self._reactor, endpoints, factory).winner

    async def _addresses(self) -> Sequence[IAddress]:
        if isIPAddress(self._host):
            return [IPv4Address("TCP", self._host, self._port)]
        if isIPv6Address(self._host):
            return [IPv6Address("TCP", self._host, self._port)]
        try:
            self._host.encode("idna")  # as the resolver does; but it would say nothing, and never end
        except UnicodeError:
            raise ValueError(f"{self._host} can't be the name of a host") from None
        receiver = _Receiver()
        self._reactor.nameResolver.resolveHostName(receiver, self._host, self._port)
        return await receiver.addresses

    def _endpoint(self, address: Any) -> IStreamClientEndpoint:
        kind = TCP6ClientEndpoint if isinstance(address, IPv6Address) else TCP4ClientEndpoint
        endpoint: IStreamClientEndpoint = kind(self._reactor, address.host, address.port, self._timeout)
        return endpoint


@implementer(IResolutionReceiver)
class _Receiver:
    """Gathers the addresses of a host."""

    def __init__(self) -> None:
        self.addresses: Deferred[Sequence[IAddress]] = Deferred()
        self._found: list[IAddress] = []

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """Do nothing: Twisted's can't be cancelled."""

    def addressResolved(self, address: IAddress) -> None:
        """Add an address."""
        self._found.append(address)

    def resolutionComplete(self) -> None:
        """Give them."""
        self.addresses.callback(self._found)


class _Race:
    """Attempts to connect, one after the other, or side by side if they take their time; `winner` is the first."""

    def __init__(
        self, clock: IReactorTime, endpoints: Sequence[IStreamClientEndpoint], factory: IProtocolFactory
    ) -> None:
        self.winner: Deferred[IProtocol] = Deferred(lambda _: self._stop())
        self._clock = clock
        self._waiting = iter(endpoints)
        self._factory = factory
        self._running: set[Deferred[Any]] = set()
        self._over = False
        self._begin()

    def _begin(self) -> None:
        endpoint = next(self._waiting, None)
        if endpoint is not None:
            self._timer = self._clock.callLater(DELAY, self._begin)
            attempt: Deferred[Any] = endpoint.connect(self._factory)
            self._running.add(attempt)
            attempt.addBoth(self._ended, attempt)

    def _ended(self, result: Any, attempt: "Deferred[Any]") -> None:
        self._running.remove(attempt)
        if self._over:
            return
        if isinstance(result, Failure):
            self._cancel_timer()
            self._begin()
        if not isinstance(result, Failure) or not (self._running or self._over):
            self._stop()
            self.winner.callback(result)

    def _stop(self) -> None:
        self._over = True
        self._cancel_timer()
        for attempt in [*self._running]:
            attempt.cancel()

    def _cancel_timer(self) -> None:
        if self._timer.active():
            self._timer.cancel()
