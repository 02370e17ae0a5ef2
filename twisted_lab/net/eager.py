"""
A reactor that sends at once, and dispatches with little ado: ``twistd --reactor eager``, ``trial -r eager``.

It is Twisted's epoll reactor, with other stream transports (`twisted_lab.net.eager_transport`) and another loop.
UDP, processes, threads, timers and all else are inherited.
"""

from socket import AF_UNIX
from typing import Any

from twisted.internet.base import _log, _topHandler
from twisted.internet.epollreactor import EPOLLIN, EPollReactor
from twisted.internet.error import UnsupportedAddressFamily
from twisted.internet.main import installReactor
from twisted.python import context, log

from twisted_lab.net import eager_transport as transports
from twisted_lab.net.eager_stream import EagerStream

#: Events that are fetched at one time, at most. So few fit a cache, and don't set off the garbage collector.
_BATCH = 64


class EagerReactor(EPollReactor):
    """Twisted's epoll reactor, whose streams send when the callback that wrote is over."""

    def __init__(self) -> None:
        #: Connections that were written to in the callback that runs now, but for `reading`.
        self.unsent: list[EagerStream] = []
        #: The connection whose protocol runs now, because bytes have come.
        self.reading: EagerStream | None = None
        self._streams: dict[int, transports.EagerConnection] = {}
        super().__init__()

    def mainLoop(self) -> None:
        """Run timed calls and wait for events, in turn, until stopped; an error that nobody else handled is logged."""
        while self._started:
            with _topHandler:
                while self._started:
                    self.runUntilCurrent()
                    timeout = self.timeout()
                    self.doIteration(timeout if self.running else 0)
        _log.info("Main loop terminated.")

    def doPoll(self, timeout: float | None) -> None:  # noqa: C901, PLR0912  # a call costs as much as a send does here
        """
        Wait for events at most `timeout` seconds, for ever if None, and dispatch them.

        All waiting and dispatching is here: a compiled core would take the place of this method. Each line counts
        that is between `recv` and `send`.
        """
        if self.reading is not None:  # its protocol runs the reactor from within
            self.unsent.append(self.reading)
            self.reading = None
        unsent = self.unsent
        if unsent:  # what timers and calls from threads wrote
            self._flush()
        streams = self._streams
        frames: list[Any] = context.theContextTracker.currentContext().contexts
        events = self._poller.poll(timeout, _BATCH)
        frames.append({})
        try:
            for fd, event in events:
                stream = streams.get(fd)
                if stream is None or event != EPOLLIN:
                    self._dispatch(fd, event)
                else:
                    self.reading = stream
                    frames[-1] = stream.log_frame
                    try:
                        why = stream.doRead()
                    except BaseException as error:  # noqa: BLE001  # as in Twisted it's logged, and ends the connection
                        log.err()
                        self._lose(stream, error, in_read=False)
                    else:
                        if why is not None:
                            self._lose(stream, why, in_read=True)
                        elif (data := stream.held) is not None:
                            # What `flush` does, without the call.
                            stream.held = None
                            try:
                                sent = stream.socket.send(data)
                            except OSError as error:
                                stream.not_sent(data, 0, error)
                            else:
                                if sent == len(data):
                                    stream.room = stream.bufferSize
                                else:
                                    stream.not_sent(data, sent)
                if unsent:
                    self._flush()
        finally:
            self.reading = None
            frames.pop()

    doIteration = doPoll

    def _dispatch(self, fd: int, event: int) -> None:
        """Do what is to be done for anything but bytes that a stream can read, as Twisted's reactor does."""
        self.reading = None
        selectable = self._selectables.get(fd)
        if selectable is not None:  # not closed meanwhile
            log.callWithLogger(selectable, self._doReadOrWrite, selectable, fd, event)

    def _lose(self, stream: transports.EagerConnection, why: BaseException, *, in_read: bool) -> None:
        self.reading = None
        log.callWithLogger(stream, self._disconnectSelectable, stream, why, in_read)

    def _flush(self) -> None:
        for stream in self.unsent:
            stream.flush()
        self.unsent.clear()

    def addReader(self, reader: Any) -> None:
        """Tell `reader` when there are bytes to read. A client that only connects yet isn't read from."""
        super().addReader(reader)
        if isinstance(reader, transports.EagerConnection) and reader.protocol is not None:
            self._streams[reader.fileno()] = reader

    def removeReader(self, reader: Any) -> None:
        """Don't tell it any longer."""
        if isinstance(reader, transports.EagerConnection):
            self._streams.pop(reader.fileno(), None)
        super().removeReader(reader)

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

    def connectUNIX(
        self, address: Any, factory: Any, timeout: float = 30, checkPID: int = 0
    ) -> transports.UNIXConnector:
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
