"""Send standard input, write what comes back to standard output: ``printf hello | twisted-lab echo``."""

import argparse
import os
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.stdio import StandardIO
from zope.interface import implementer

from twisted_lab.cli.session import connect, how_it_ended, stop
from twisted_lab.echo import EchoClient, EchoClientFactory
from twisted_lab.specimen import ECHO


async def pipe(reactor: Any, arguments: argparse.Namespace) -> int:
    """Pass bytes both ways until the server has echoed all of them and closed; give the status."""
    source = Source()
    factory = EchoClientFactory(reactor, source.write)
    client = await connect(reactor, arguments.target, ECHO.default_port, factory)
    source.start(client, reactor)
    reason = await client.closed
    if source.unread:
        raise BrokenPipeError
    if not isinstance(reason, ConnectionDone) or not source.ended:
        stop(os.EX_UNAVAILABLE, f"{how_it_ended(reason)}, before all was echoed")
    await source.flush()
    return os.EX_OK


@implementer(IHalfCloseableProtocol)
class Source(Protocol):
    """
    Standard input and output, each side read only as fast as the other one takes it.

    `ended`: whether standard input is at its end. `unread`: whether nobody reads standard output any more.
    """

    transport: Any
    ended = False
    unread = False

    def start(self, client: EchoClient, reactor: Any) -> None:
        """Begin to pass bytes."""
        self._client = client
        self._flushed: Deferred[None] = Deferred()
        StandardIO(self, reactor=reactor)
        client.transport.registerProducer(self.transport, True)
        self.transport.registerProducer(client.transport, True)

    def write(self, data: bytes) -> None:
        """Write what came back."""
        self.transport.write(data)

    def dataReceived(self, data: bytes) -> None:
        """Send what was read."""
        self._client.send(data)

    def readConnectionLost(self) -> None:
        """Say to the server that this is the end."""
        self.ended = True
        self._client.transport.unregisterProducer()
        self._client.finish()

    def writeConnectionLost(self) -> None:
        """Stop: who read standard output has seen enough."""
        self.unread = True
        self._client.transport.abortConnection()

    async def flush(self) -> None:
        """Wait until standard output has taken everything."""
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        await self._flushed

    def connectionLost(self, reason: object = None) -> None:
        """Take notice that everything is written."""
        self._flushed.callback(None)
