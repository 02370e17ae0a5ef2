"""
An echo server of callbacks, on asyncio's transports and protocols.

This is what lies below asyncio's streams, and it was modelled on Twisted: the event loop calls `data_received` when
the kernel says that a socket can be read from and something was there. There is no coroutine for a client, only an
object. `pause_writing` says that the client doesn't read; then it isn't read from either.
"""

import asyncio
from functools import partial
from typing import cast

from twisted_lab.models.command import BACKLOG, announce, run


class Echo(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, prefix: bytes) -> None:
        self.prefix = prefix

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer; what the socket doesn't take is kept by the transport."""
        self.transport.write(self.prefix + data)

    def pause_writing(self) -> None:
        """Much is kept: read no more."""
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """It has gone: read on."""
        self.transport.resume_reading()


def serve(host: str, port: int, prefix: bytes) -> None:
    """Serve until the program ends."""
    asyncio.run(listen(host, port, prefix))


async def listen(host: str, port: int, prefix: bytes) -> None:
    """Start the server; when a client shuts its side, asyncio sends what is kept, and closes."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(partial(Echo, prefix), host, port, backlog=BACKLOG)
    announce(server.sockets[0])
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    run(serve)
