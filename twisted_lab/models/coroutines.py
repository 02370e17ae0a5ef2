"""
An echo server with a coroutine for each client, on asyncio's streams.

It reads like the blocking server, but where that waits, `await` gives the thread to another coroutine. Below, asyncio
asks the kernel for all sockets at once, as the selectors' server does, and goes on with the coroutine whose socket is
ready. It all happens in one thread, so what computes for long holds up everybody.
"""

import asyncio
from contextlib import suppress
from functools import partial

from twisted_lab.models.command import BACKLOG, CHUNK, announce, run


def serve(host: str, port: int, prefix: bytes) -> None:
    """Serve until the program ends."""
    asyncio.run(listen(host, port, prefix))


async def listen(host: str, port: int, prefix: bytes) -> None:
    """Start the server; a coroutine is made for each client that comes."""
    server = await asyncio.start_server(partial(echo, prefix), host, port, backlog=BACKLOG, limit=CHUNK)
    announce(server.sockets[0])
    async with server:
        await server.serve_forever()


async def echo(prefix: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one client until it shuts its side."""
    # A client that resets its connection ends only its own coroutine; the program's end cancels all of them.
    with suppress(OSError, asyncio.CancelledError):
        while data := await reader.read(CHUNK):
            writer.write(prefix + data)
            await writer.drain()  # waits while too much hasn't gone yet
    writer.close()


if __name__ == "__main__":
    run(serve)
