"""Send standard input, write what comes back to standard output: ``printf hello | twisted-lab echo``."""

import argparse
import errno
import os
import select
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.stdio import StandardIO
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_lab.cli.session import Patience, connect, how_it_ended, stop
from twisted_lab.echo import EchoClient, EchoClientFactory
from twisted_lab.specimen import ECHO


async def pipe(reactor: Any, arguments: argparse.Namespace) -> int:
    """Pass bytes both ways until the server has echoed all of them and closed; give the status."""
    source = Source()
    factory = EchoClientFactory(reactor, source.write)
    client = await connect(reactor, arguments.target, ECHO.default_port, factory)
    source.start(client, reactor)
    await DeferredList([source.ended, client.closed], fireOnOneCallback=True)
    patience = Patience(reactor, client.closed, arguments.timeout, "no echo came")
    source.heard = patience.heard
    reason = await patience.result
    if not source.unread:
        if not isinstance(reason, ConnectionDone) or not source.ended.called or client.missing > 0:
            stop(os.EX_UNAVAILABLE, f"{how_it_ended(reason)}, before all was echoed")
        await source.flush()
    if source.unread:
        raise _why_unread()
    return os.EX_OK


def _why_unread() -> OSError:
    """Give the error that Twisted doesn't tell: a pipe whose reader has gone, or an output that can't be written."""
    output = select.poll()
    output.register(1, 0)
    if any(events & select.POLLERR for _, events in output.poll(0)):
        return BrokenPipeError()
    return OSError(errno.EIO, os.strerror(errno.EIO))


@implementer(IHalfCloseableProtocol)
class Source(Protocol):
    """
    Standard input and output, each side read only as fast as the other one takes it.

    `ended` fires at the end of standard input. `unread`: whether standard output takes nothing more. `heard` is
    called when something came back.
    """

    transport: Any
    unread = False

    def __init__(self) -> None:
        self.ended: Deferred[None] = Deferred()
        self.heard: Callable[[], None] = lambda: None
        self._flushed: Deferred[None] = Deferred()

    def start(self, client: EchoClient, reactor: Any) -> None:
        """Begin to pass bytes."""
        self._client = client
        StandardIO(self, reactor=reactor)
        client.transport.registerProducer(self.transport, True)
        self.transport.registerProducer(client.transport, True)

    def write(self, data: bytes) -> None:
        """Write what came back."""
        self.heard()
        self.transport.write(data)

    def dataReceived(self, data: bytes) -> None:
        """Send what was read."""
        self._client.send(data)

    def readConnectionLost(self) -> None:
        """Say to the server that this is the end."""
        self._client.transport.unregisterProducer()
        self._client.finish()
        self.ended.callback(None)

    def writeConnectionLost(self) -> None:
        """Stop: standard output takes nothing more."""
        self.unread = True
        self._client.transport.abortConnection()

    async def flush(self) -> None:
        """Wait until standard output has taken everything."""
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        await self._flushed

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Take notice that everything is written, or can't be."""
        self.unread = self.unread or not reason.check(ConnectionDone)
        self._flushed.callback(None)
