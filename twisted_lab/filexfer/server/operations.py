"""The requests that one call of the store answers, and the table of all of them."""

from collections.abc import Awaitable, Callable
from typing import Any

from twisted_lab.filexfer.messages.replies import NDJSON, entry_line, status_fields
from twisted_lab.filexfer.messages.requests import (
    Bundle,
    DigestOf,
    Get,
    GetBundle,
    List,
    Mkdir,
    Ping,
    Put,
    Remove,
    Rename,
    Request,
    Resume,
    Stat,
    Symlink,
)
from twisted_lab.filexfer.names import join_name
from twisted_lab.filexfer.server.download import send_file, tell_digest
from twisted_lab.filexfer.server.exchange import Exchange, Turn
from twisted_lab.filexfer.server.small_download import send_small
from twisted_lab.filexfer.server.upload import Uploads
from twisted_lab.filexfer.store.listing import Page

#: Bytes of a page, about: names may be long, and so pages shorter than what was asked for.
PAGE = 2**18

#: A reply's header, without its ``id``, and its content; None where the operation has replied by itself.
Reply = tuple[dict[str, Any], bytes] | None
Operation = Callable[[Exchange, Uploads, Any, Turn], Awaitable[Reply]]


async def _ping(_exchange: Exchange, _uploads: Uploads, _request: Ping, _turn: Turn) -> Reply:
    return {"type": "ping"}, b""


async def _stat(exchange: Exchange, _uploads: Uploads, request: Stat, _turn: Turn) -> Reply:
    status = await exchange.in_thread(exchange.account.store.stat, request.path)
    return {"type": "stat", **status_fields(status)}, b""


async def _list(exchange: Exchange, _uploads: Uploads, request: List, turn: Turn) -> Reply:
    page, content = await exchange.in_thread(_read_page, exchange, request)
    turn.size = len(content)
    following = {} if page.next is None else {"next": page.next}
    return {"type": "list", "content-type": NDJSON, "unnameable": page.unnameable, **following}, content


def _read_page(exchange: Exchange, request: List) -> tuple[Page, bytes]:
    page = exchange.account.store.page(request.path, request.after, request.count)
    lines: list[bytes] = []
    size = 0
    for entry in page.entries:
        line = entry_line(entry)
        if lines and size + len(line) > PAGE:
            return Page(page.entries[: len(lines)], page.entries[len(lines) - 1].name, page.unnameable), b"".join(lines)
        lines.append(line)
        size += len(line)
    return page, b"".join(lines)


async def _get(exchange: Exchange, _uploads: Uploads, request: Get, turn: Turn) -> Reply:
    await send_file(exchange, request, turn)
    return None


async def _get_bundle(exchange: Exchange, _uploads: Uploads, request: GetBundle, turn: Turn) -> Reply:
    await send_small(exchange, request, turn)
    return None


async def _digest(exchange: Exchange, _uploads: Uploads, request: DigestOf, turn: Turn) -> Reply:
    return await tell_digest(exchange, request, turn), b""


async def _resume(_exchange: Exchange, uploads: Uploads, request: Resume, turn: Turn) -> Reply:
    return await uploads.resume(request, turn), b""


async def _put(_exchange: Exchange, uploads: Uploads, request: Put, turn: Turn) -> Reply:
    reply = await uploads.put(request, turn)
    return None if reply is None else (reply, b"")


async def _bundle(_exchange: Exchange, uploads: Uploads, request: Bundle, turn: Turn) -> Reply:
    lines = await uploads.bundle(request, turn)
    return {"type": "bundle", "content-type": NDJSON}, lines


async def _mkdir(exchange: Exchange, _uploads: Uploads, request: Mkdir, _turn: Turn) -> Reply:
    await exchange.in_thread(exchange.account.store.make_directory, request.path, parents=request.parents)
    return {"type": "ok"}, b""


async def _rename(exchange: Exchange, _uploads: Uploads, request: Rename, turn: Turn) -> Reply:
    turn.to = join_name(request.to)
    await exchange.in_thread(exchange.account.store.rename, request.path, request.to, request.condition)
    return {"type": "ok"}, b""


async def _remove(exchange: Exchange, _uploads: Uploads, request: Remove, _turn: Turn) -> Reply:
    await exchange.in_thread(exchange.account.store.remove, request.path, if_match=request.if_match)
    return {"type": "ok"}, b""


async def _symlink(exchange: Exchange, _uploads: Uploads, request: Symlink, _turn: Turn) -> Reply:
    store = exchange.account.store
    await exchange.in_thread(store.make_symlink, request.path, request.target, request.condition)
    return {"type": "ok"}, b""


OPERATIONS: dict[type[Request], Operation] = {
    Ping: _ping,
    Stat: _stat,
    List: _list,
    Get: _get,
    GetBundle: _get_bundle,
    DigestOf: _digest,
    Resume: _resume,
    Put: _put,
    Bundle: _bundle,
    Mkdir: _mkdir,
    Rename: _rename,
    Remove: _remove,
    Symlink: _symlink,
}
