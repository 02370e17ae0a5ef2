"""The server's side of get, and of digest: a file read and hashed in threads, and sent piece by piece."""

from typing import Any

from twisted_lab.filexfer.errors import ChangedError, SourceChangedError
from twisted_lab.filexfer.messages.replies import status_fields
from twisted_lab.filexfer.messages.requests import DigestOf, Get
from twisted_lab.filexfer.server.exchange import Exchange, Turn
from twisted_lab.filexfer.store.outgoing import Outgoing
from twisted_lab.net.detached import Worker

#: Bytes hashed in one call of a thread, when none are sent.
HASHED = 2**24


async def send_file(exchange: Exchange, request: Get, turn: Turn) -> None:
    """
    Answer a get: header, content, digest.

    `ChangedError` after the content if the file didn't stay what it was; in the middle of it if it became shorter.
    """
    stream, in_thread = exchange.stream, exchange.in_thread
    outgoing = await _open(exchange, request)
    worker = Worker(in_thread)
    try:
        turn.size = outgoing.length
        facts = status_fields(outgoing.status)
        stream.send({**facts, "type": "get", "id": turn.identity, "offset": request.offset, "length": outgoing.length})
        await stream.send_file(outgoing, outgoing.length, worker, lambda _: None)
        turn.digest = await in_thread(outgoing.finish)
        stream.send({"type": "digest", "id": turn.identity, "digest": turn.digest})
    except SourceChangedError as error:
        raise ChangedError(str(error)) from None
    finally:
        await worker.end(outgoing.close)


async def tell_digest(exchange: Exchange, request: DigestOf, turn: Turn) -> dict[str, Any]:
    """Answer a digest: hash a part of a file, or all of it."""
    in_thread = exchange.in_thread
    outgoing = await _open(exchange, request)
    try:
        while await in_thread(outgoing.hash, HASHED):
            exchange.stream.check_connected()
        turn.size = outgoing.length
        turn.digest = await in_thread(outgoing.finish)
    except SourceChangedError as error:
        raise ChangedError(str(error)) from None
    finally:
        await in_thread(outgoing.close)
    status = outgoing.status
    return {"type": "digest", "digest": turn.digest, "size": status.size, "etag": status.etag}


async def _open(exchange: Exchange, request: Get | DigestOf) -> Outgoing:
    outgoing: Outgoing = await exchange.in_thread(
        exchange.account.store.open,
        request.path,
        algorithm=exchange.algorithm,
        offset=request.offset,
        count=request.count,
        if_match=request.if_match,
    )
    return outgoing
