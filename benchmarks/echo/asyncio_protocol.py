"""
RFC 862 with asyncio's Protocol: ``python asyncio_protocol.py asyncio|uvloop|rloop`` says whose event loop.

TCP_NODELAY is on, as asyncio, uvloop and rloop have it.
"""

import asyncio
import sys
from importlib import import_module
from typing import Any


class Echo(asyncio.Protocol):
    """Send back what comes."""

    def connection_made(self, transport: Any) -> None:
        """Keep the transport, which is an asyncio.Transport by its methods only, with uvloop and rloop."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Do so."""
        self.transport.write(data)


async def serve() -> None:
    """Serve until the process is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0, backlog=1024)
    print("127.0.0.1:{1}".format(*server.sockets[0].getsockname()), flush=True)
    await loop.create_future()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=import_module(sys.argv[1]).new_event_loop) as runner:
        runner.run(serve())
