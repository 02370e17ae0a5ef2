"""The fault proxy as a service: its proxies, and the API over them."""

from typing import Any

from twisted.application.service import Service
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_lab.instruments.proxy.api import ApiSite
from twisted_lab.instruments.proxy.collection import Collection
from twisted_lab.net.address import show_address
from twisted_lab.net.listening import ListenError, show_cause


class FaultProxyService(Service):
    """
    Listens for all proxies of `collection`, and for the API at `api`, a pair of text and endpoint, if there is one.

    `startService` raises `ListenError` if one of them can't be had.
    """

    log = Logger()

    def __init__(self, reactor: Any, collection: Collection, api: tuple[str, IStreamServerEndpoint] | None) -> None:
        self.collection = collection
        self._reactor = reactor
        self._api = api
        self._port: Any = None
        self._listening = False

    def privilegedStartService(self) -> None:
        """Listen, before privileges are dropped: a port may be below 1024."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        self._listen()

    def startService(self) -> None:
        """Listen, if nothing does yet."""
        super().startService()  # type: ignore[no-untyped-call]
        if not self._listening:
            self._listen()

    def stopService(self) -> "Deferred[None]":
        """Listen no more, and close all connections."""
        super().stopService()  # type: ignore[no-untyped-call]
        return ensureDeferred(self._stop())

    def _listen(self) -> None:
        self._listening = True
        for proxy in self.collection.proxies.values():
            proxy.start()
        if self._api is not None:
            text, endpoint = self._api
            site = ApiSite(self.collection, self._reactor)
            failures: list[Failure] = []
            endpoint.listen(site).addCallbacks(self._listens, failures.append)
            for failure in failures:
                raise ListenError(f"can't listen on {text}: {show_cause(failure)}")
            site.api.loopback = _is_loopback(self._port.getHost())

    def _listens(self, port: Any) -> None:
        self._port = port
        self.log.info("faultproxy's API listens on {address}", address=show_address(port.getHost()))

    async def _stop(self) -> None:
        if self._port is not None:
            await self._port.stopListening()
        await self.collection.stop()


def _is_loopback(address: object) -> bool:
    match address:
        case IPv4Address():
            return address.host.startswith("127.")
        case IPv6Address():
            return address.host == "::1"
        case _:
            return isinstance(address, UNIXAddress)
