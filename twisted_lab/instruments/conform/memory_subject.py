"""What is examined, in memory: a factory, a clock, and nothing else that moves."""

import gc
import weakref
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Self

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from zope.interface import implementer, provider

from twisted_lab.instruments.conform.clock import QueueClock
from twisted_lab.instruments.conform.framing import Framing
from twisted_lab.instruments.conform.peer import CLOSED, OPEN, RESET
from twisted_lab.instruments.proxy.in_memory import join_through
from twisted_lab.net.memory import join

#: Seconds of a clock's step while something is waited for.
STEP = 0.05
#: Seconds that faults put things off, at most, for `MemorySubject.settle`.
PUT_OFF = 2.0


@implementer(IHalfCloseableProtocol)
class MemoryPeer(Protocol):
    """A client that keeps what comes, and sees how it ends."""

    transport: Any  # a `MemoryTransport`, most of which has no annotations

    def __init__(self) -> None:
        self.received = bytearray()
        self._state = OPEN
        self._ours = False

    @property
    def state(self) -> str:
        """OPEN, CLOSED or RESET."""
        return self._state

    @property
    def unsent(self) -> int:
        """Bytes that our transport keeps."""
        transport = self.transport
        kept: int = len(transport.dataBuffer) - transport.offset + transport._tempDataLen  # noqa: SLF001  # no other way
        return kept

    def send(self, data: bytes) -> None:
        """Send, unless the connection is over."""
        if self._state == OPEN or not self.transport.disconnected:
            self.transport.write(data)

    def shut(self) -> None:
        """Shut our side."""
        self.transport.loseWriteConnection()

    def reset(self) -> None:
        """End it hard."""
        self._ours = True
        self.transport.abortConnection()

    def close(self) -> None:
        """Close."""
        self._ours = True
        self.transport.loseConnection()

    def stop_reading(self) -> None:
        """Read nothing."""
        self.transport.pauseProducing()

    def read_on(self) -> None:
        """Read again."""
        if not self.transport.disconnected:
            self.transport.resumeProducing()

    def dataReceived(self, data: bytes) -> None:
        """Keep it."""
        self.received += data

    def readConnectionLost(self) -> None:
        """See that the server has shut its side."""
        self._state = CLOSED

    def writeConnectionLost(self) -> None:
        """See that ours is shut."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """See how it ended."""
        if self._state == OPEN and not self._ours:
            self._state = CLOSED if reason.check(ConnectionDone) else RESET


class MemorySubject:
    """
    A factory in memory; `make` gives a new one, for each case, by the clock that it is to go by.

    `faults` stand between it and its clients, each as ``twistd faultproxy --fault`` has it.
    """

    in_memory = True

    def __init__(
        self,
        make: Callable[[Clock], Any],
        framing: Framing,
        faults: Sequence[str] = (),
    ) -> None:
        self.framing = framing
        self._faults = faults
        self.errors: list[str] = []
        self.clock = QueueClock()
        self.losses: list[int] = []
        self._make = make
        self._protocols: list[weakref.ref[Any]] = []
        self._peers: list[MemoryPeer] = []

        @provider(ILogObserver)
        def observe(event: LogEvent) -> None:
            self._note(event)

        self._observe = observe

    def __enter__(self) -> Self:
        with ExitStack() as begun:
            globalLogPublisher.addObserver(self._observe)
            begun.callback(globalLogPublisher.removeObserver, self._observe)
            self.factory = self._make(self.clock)
            self.factory.doStart()
            begun.callback(self._stop)
            self._begun = begun.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._begun.close()

    def _stop(self) -> None:
        for peer in self._peers:
            if not peer.transport.disconnected:
                peer.reset()
        self.settle()
        self.factory.doStop()

    def connect(self) -> MemoryPeer:
        """Connect; `ConnectionError` if the factory refuses."""
        protocol = self.factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 40_000))
        if protocol is None:
            raise ConnectionError("the factory gives no protocol")
        peer = MemoryPeer()
        self._watch(protocol)
        if self._faults:
            join_through(self.clock, peer, protocol, *self._faults, seed=len(self._peers), codec=self.framing.codec)
        else:
            join(self.clock, peer, protocol)
        self._peers.append(peer)
        self.settle()
        if self.framing.hello:
            peer.send(self.framing.hello)
            self.settle()
            peer.received.clear()
        return peer

    def settle(self) -> None:
        """Let happen what is due, and what faults have put off."""
        self.clock.advance(0)
        self.clock.advance(0.001)
        if self._faults:
            self.wait(lambda: False, PUT_OFF)

    def seconds(self) -> float:
        """Give the clock's."""
        return self.clock.seconds()

    def between(self) -> None:
        """Let a piece arrive."""
        self.clock.advance(0)

    def wait(self, until: Callable[[], bool], seconds: float) -> bool:
        """Let the clock go on."""
        for _ in range(round(seconds / STEP)):
            if until():
                return True
            self.clock.advance(STEP)
        return until()

    def left_over(self) -> list[str]:
        """Give what a server without connections still has: protocols, and calls that are due some time."""
        if any(protocol() is not None for protocol in self._protocols):
            gc.collect()
        alive = [type(found).__name__ for protocol in self._protocols if (found := protocol()) is not None]
        calls = [str(call) for call in self.clock.getDelayedCalls()]
        return [*(f"a {name}" for name in alive), *(f"a call of {call}" for call in calls)]

    def _watch(self, protocol: IProtocol) -> None:
        """Count how often its `connectionLost` is called."""
        number = len(self.losses)
        self.losses.append(0)
        self._protocols.append(weakref.ref(protocol))
        lost = protocol.connectionLost
        counted = self.losses

        def connection_lost(reason: Failure = connectionDone) -> None:
            counted[number] += 1
            lost(reason)

        # On the transport's way to the protocol, as a wrapper would be: the protocol itself may look at its attributes.
        vars(protocol)["connectionLost"] = connection_lost

    def _note(self, event: LogEvent) -> None:
        if event.get("log_level") in {LogLevel.error, LogLevel.critical} or event.get("isError"):
            failure = event.get("log_failure")
            self.errors.append(failure.getErrorMessage() if failure is not None else formatEvent(event))
