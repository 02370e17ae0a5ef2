"""
Requests as headers: read by the server, which checks every key that it knows and ignores others; written by a client.

What is wrong with a request is told by the key's name; what the key holds isn't repeated.
"""

from collections.abc import Callable, Mapping
from typing import Any

from twisted_lab.filexfer.conditions import Condition, Durability
from twisted_lab.filexfer.errors import BadRequestError, UnsupportedError
from twisted_lab.filexfer.messages.keys import Keys, split_mtime
from twisted_lab.filexfer.messages.requests import (
    EARLIEST,
    LATEST,
    MAX_LOGIN,
    MAX_OFFER,
    MAX_OFFERS,
    MAX_PAGE,
    Abandon,
    Bundle,
    DigestOf,
    Finish,
    Get,
    GetBundle,
    Hello,
    InPut,
    List,
    Mkdir,
    Part,
    Ping,
    Put,
    Remove,
    Rename,
    Request,
    Resume,
    Stat,
    Symlink,
)
from twisted_lab.filexfer.names import MAX_NAME, Name, join_name
from twisted_lab.wire.fields import MAX_INTEGER

_WORDS = {durability.value: durability for durability in Durability}
_TYPES: dict[type, str] = {
    kind: kind.__name__.lower()
    for kind in (Hello, Stat, List, Get, Resume, Put, Part, Abandon, Bundle, Mkdir, Symlink, Rename, Remove, Ping)
} | {GetBundle: "get-bundle", DigestOf: "digest", Finish: "digest"}


def parse_request(header: Mapping[str, Any]) -> Request:
    """
    Read a request; in a put, `parse_in_put` reads what comes.

    Raises `BadRequestError`, `BadNameError`, or `UnsupportedError` for a type that isn't known.
    """
    read = _READERS.get(str(header.get("type")))
    if read is None:
        raise UnsupportedError("there is no request of that type")
    return read(_keys(header))


def parse_in_put(header: Mapping[str, Any]) -> InPut:
    """Read what may come between a put and its end; `BadRequestError` for all else."""
    if header.get("type") == "digest":
        return Finish(_keys(header).digest("digest"))
    match parse_request(header):
        case Part() | Abandon() as request:
            return request
    raise BadRequestError("a put goes on with part, digest or abandon, and nothing else")


def to_header(request: Request, identity: int) -> dict[str, Any]:
    """Write a request; the content that ``length`` announces must follow."""
    fields: dict[str, Any] = {"type": _TYPES[type(request)], "id": identity}
    for key in request.__slots__:
        _write(fields, key, getattr(request, key))
    return fields


def _write(fields: dict[str, Any], key: str, value: object) -> None:
    """Add what a field of a request is on the wire; None is what isn't there."""
    match key, value:
        case _, None:
            pass
        case _, Condition(absent, etag):
            fields |= {"if": "absent"} if absent else {}
            _write(fields, "if-match", etag)
        case "path" | "to", tuple(name):
            fields[key] = join_name(name)
        case "mtime_ns", int(nanoseconds):
            fields["mtime"] = split_mtime(nanoseconds)
        case _, Durability():
            fields[key] = value.value
        case "after", "":
            pass
        case "versions" | "digests", tuple(offers):
            fields[key] = [*offers]
        case _, _:
            fields[key.replace("_", "-")] = value


def _keys(header: Mapping[str, Any]) -> Keys:
    keys = Keys(header)
    keys.integer("id", -MAX_INTEGER)
    return keys


def _hello(keys: Keys) -> Hello:
    return Hello(
        keys.integers("versions", MAX_OFFERS),
        keys.texts("digests", MAX_OFFERS, MAX_OFFER),
        keys.optional("user", lambda key: keys.text(key, MAX_LOGIN)),
        keys.optional("password", lambda key: keys.text(key, MAX_LOGIN)),
    )


def _list(keys: Keys) -> List:
    count = keys.optional("count", lambda key: keys.integer(key, 1, MAX_PAGE))
    return List(keys.name("path"), keys.optional("after", keys.component) or "", count or MAX_PAGE)


def _range(keys: Keys) -> tuple[Name, int, int | None, str | None]:
    """Read which bytes of which file."""
    offset = keys.optional("offset", keys.integer) or 0
    return keys.name("path"), offset, keys.optional("count", keys.integer), keys.optional("if-match", keys.etag)


def _put(keys: Keys) -> Put:
    put = Put(
        keys.name("path"),
        keys.optional("size", keys.integer),
        keys.optional("offset", keys.integer) or 0,
        _length(keys),
        keys.optional("mtime", lambda key: keys.mtime(key, EARLIEST, LATEST)),
        keys.optional("mode", lambda key: keys.integer(key, 0, 0o777)),
        _condition(keys),
        _durability(keys),
    )
    if put.size is None and put.offset:
        raise BadRequestError('without "size" there is nothing to go on from: "offset" is 0')
    if put.size is not None and put.offset + put.length > put.size:
        raise BadRequestError('"offset" and "length" are more than "size"')
    return put


def _condition(keys: Keys) -> Condition:
    absent = keys.optional("if", lambda key: keys.word(key, {"absent": True})) or False
    etag = keys.optional("if-match", keys.etag)
    if absent and etag is not None:
        raise BadRequestError('"if" and "if-match" exclude each other')
    return Condition(absent=absent, etag=etag)


def _durability(keys: Keys) -> Durability:
    return keys.optional("durability", lambda key: keys.word(key, _WORDS)) or Durability.DIRECTORY


def _length(keys: Keys) -> int:
    return keys.optional("length", keys.integer) or 0


_READERS: dict[str, Callable[[Keys], Request]] = {
    "hello": _hello,
    "stat": lambda keys: Stat(keys.name("path")),
    "list": _list,
    "get": lambda keys: Get(*_range(keys)),
    "get-bundle": lambda keys: GetBundle(_length(keys)),
    "digest": lambda keys: DigestOf(*_range(keys)),
    "resume": lambda keys: Resume(keys.name("path"), keys.integer("size")),
    "put": _put,
    "part": lambda keys: Part(_length(keys)),
    "abandon": lambda _: Abandon(),
    "bundle": lambda keys: Bundle(_length(keys), _condition(keys), _durability(keys)),
    "mkdir": lambda keys: Mkdir(keys.name("path"), keys.optional("parents", keys.flag) or False),
    "symlink": lambda keys: Symlink(keys.name("path"), keys.text("target", MAX_NAME, 1), _condition(keys)),
    "rename": lambda keys: Rename(keys.name("path"), keys.name("to"), _condition(keys)),
    "remove": lambda keys: Remove(keys.name("path"), keys.optional("if-match", keys.etag)),
    "ping": lambda _: Ping(),
}
