"""How a load's connections come about: some at a time, or so many a second; and what an echo puts before its answer."""

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import Deferred, DeferredSemaphore, ensureDeferred
from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from twisted_lab.instruments.load.drivers import Driver, factory_of
from twisted_lab.instruments.load.generator import Load
from twisted_lab.instruments.load.lanes import Lane
from twisted_lab.instruments.load.plan import Plan
from twisted_lab.instruments.load.waiting import wait_for_all
from twisted_lab.net.reason import show_reason
from twisted_lab.net.transport import IStreamTransport

#: Connections that are begun at one time: fewer than any server's backlog.
AT_ONE_TIME = 64
#: Bytes that may stand before an echo.
LONGEST_PREFIX = 1024
#: What is sent to find out.
PROBE = b"\x00\xff\x01\xfe" * 4


class Connector:
    """Connects what a plan needs; `connect` connects a factory and gives its protocol, and raises what it likes."""

    def __init__(self, reactor: Any, plan: Plan, driver: Driver, connect: Callable[[Any], Awaitable[Any]]) -> None:
        self._reactor = reactor
        self._plan = plan
        self._driver = driver
        self._connect = connect

    async def find_prefix(self) -> bytes:
        """Give what an echo server puts before its answer, by asking it once; `LookupError` if it doesn't echo."""
        asking = await self._connect(factory_of(_Asking))
        try:
            prefix: bytes = await asking.prefix.addTimeout(self._plan.connect_timeout, self._reactor)
            return prefix
        except DeferredTimeoutError:
            raise LookupError(f"no echo came within {self._plan.connect_timeout:g} s") from None
        finally:
            asking.transport.abortConnection()

    async def open_lanes(self, load: Load, worker: int, prefix: bytes) -> list[Lane]:
        """Give a worker's lanes, connected; raises what `connect` raises for the first that fails."""
        tokens = DeferredSemaphore(AT_ONE_TIME)
        plan = self._plan

        async def open_one(number: int) -> Lane:
            if plan.connect_rate is not None:
                await deferLater(self._reactor, number / plan.connect_rate)
            await tokens.acquire()
            try:
                protocol = await self._connect(self._driver.factory(load, number, plan.window, prefix))
            finally:
                tokens.release()
            return self._driver.lane(protocol, load, number, plan.window)

        return await wait_for_all([ensureDeferred(open_one(number)) for number in plan.lanes(worker)])


class _Asking(Protocol):
    """Sends the probe, and waits until it is back: what stands before it is the prefix."""

    transport: IStreamTransport

    def __init__(self) -> None:
        self.prefix: Deferred[bytes] = Deferred()
        self._came = b""

    def connectionMade(self) -> None:
        self.transport.write(PROBE)

    def dataReceived(self, data: bytes) -> None:
        if self.prefix.called:
            return
        self._came += data
        if self._came.endswith(PROBE):
            self.prefix.callback(self._came.removesuffix(PROBE))
        elif len(self._came) > LONGEST_PREFIX + len(PROBE):
            self.prefix.errback(LookupError("it doesn't echo: something else came back"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.prefix.called:
            self.prefix.errback(
                LookupError(f"no echo came before the connection was lost: {show_reason(reason.value)}")
            )
