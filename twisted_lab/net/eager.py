"""
A reactor that sends at once, and dispatches with little ado: ``twistd --reactor eager``, ``trial -r eager``.

It is Twisted's epoll reactor, with other stream transports (`twisted_lab.net.eager_transport`) and another loop.
UDP, processes, threads, timers and all else are inherited.
"""

from select import EPOLLIN
from socket import AF_UNIX
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.error import UnsupportedAddressFamily
from twisted.internet.main import installReactor
from twisted.python import context, log

from twisted_lab.net import eager_transport as transports

#: Events that are fetched at one time, at most: what comes in meanwhile waits no longer than these take.
_BATCH = 512


class EagerReactor(EPollReactor):
    """Twisted's epoll reactor, whose streams send when the callback that wrote is over."""

    def __init__(self) -> None:
        #: Connections that were written to in the callback that runs now.
        self.unsent: list[transports.EagerStream] = []
        super().__init__()

    def doPoll(self, timeout: float | None) -> None:
        """
        Wait for events at most `timeout` seconds, for ever if None, and dispatch them.

        All waiting and dispatching is here: a compiled core would take the place of this method.
        """
        unsent = self.unsent
        if unsent:  # what timers and calls from threads wrote
            self._flush()
        selectables = self._selectables
        events = self._poller.poll(timeout, min(len(selectables), _BATCH))
        frames: list[Any] = context.theContextTracker.currentContext().contexts
        frames.append({})
        try:
            for fd, event in events:
                selectable = selectables.get(fd)
                if selectable is None:  # closed by one before it
                    continue
                frame = getattr(selectable, "log_frame", None)
                if event != EPOLLIN or frame is None:
                    log.callWithLogger(selectable, self._doReadOrWrite, selectable, fd, event)
                else:
                    frames[-1] = frame
                    try:
                        why = selectable.doRead()
                    except BaseException as error:  # noqa: BLE001  # as in Twisted it is logged, and ends the connection
                        log.err()
                        log.callWithLogger(selectable, self._disconnectSelectable, selectable, error, False)
                    else:
                        if why is not None:
                            log.callWithLogger(selectable, self._disconnectSelectable, selectable, why, True)
                if unsent:
                    self._flush()
        finally:
            frames.pop()

    doIteration = doPoll

    def _flush(self) -> None:
        for connection in self.unsent:
            connection.flush()
        self.unsent.clear()

    def listenTCP(self, port: Any, factory: Any, backlog: int = 50, interface: str = "") -> transports.Port:
        """Listen; see `IReactorTCP`."""
        listening = transports.Port(port, factory, backlog, interface, self)
        listening.startListening()
        return listening

    def connectTCP(
        self, host: str, port: int, factory: Any, timeout: float = 30.0, bindAddress: Any = None
    ) -> transports.Connector:
        """Connect; see `IReactorTCP`."""
        connector = transports.Connector(host, port, factory, timeout, bindAddress, self)
        connector.connect()
        return connector

    def listenUNIX(
        self, address: Any, factory: Any, backlog: int = 50, mode: int = 0o666, wantPID: int = 0
    ) -> transports.UNIXPort:
        """Listen; see `IReactorUNIX`."""
        listening = transports.UNIXPort(address, factory, backlog, mode, self, wantPID)
        listening.startListening()
        return listening

    def connectUNIX(self, address: Any, factory: Any, timeout: float = 30, checkPID: int = 0) -> transports.UNIXConnector:
        """Connect; see `IReactorUNIX`."""
        connector = transports.UNIXConnector(address, factory, timeout, self, checkPID)
        connector.connect()
        return connector

    def adoptStreamPort(self, fileDescriptor: int, addressFamily: int, factory: Any) -> Any:
        """Listen on a socket that listens; see `IReactorSocket`."""
        self._check_family(addressFamily)
        if addressFamily == AF_UNIX:
            listening = transports.UNIXPort._fromListeningDescriptor(self, fileDescriptor, factory)
        else:
            listening = transports.Port._fromListeningDescriptor(self, fileDescriptor, addressFamily, factory)
        listening.startListening()
        return listening

    def adoptStreamConnection(self, fileDescriptor: int, addressFamily: int, factory: Any) -> Any:
        """Serve a socket that is connected; see `IReactorSocket`."""
        self._check_family(addressFamily)
        if addressFamily == AF_UNIX:
            return transports.UNIXServer._fromConnectedSocket(fileDescriptor, factory, self)
        return transports.Server._fromConnectedSocket(fileDescriptor, addressFamily, factory, self)

    def _check_family(self, family: int) -> None:
        if family not in self._supportedAddressFamilies:
            raise UnsupportedAddressFamily(family)


def install() -> None:
    """Make it this process's reactor."""
    installReactor(EagerReactor())
