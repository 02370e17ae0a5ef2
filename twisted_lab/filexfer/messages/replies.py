"""
What a server answers: written by the server as keys of a header or as lines of JSON, and read by the client.

Reading is strict, for a client can't know its server: `RemoteProtocolError` of the code ``bad-reply`` is raised for
what docs/filexfer-protocol.rst doesn't lay down. Names, above all, are one component each (CVE-2019-6111: scp wrote
what the server named); and a server's sentence is made fit to print.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from twisted_lab.filexfer.conditions import Durability
from twisted_lab.filexfer.errors import FilexferError, from_code
from twisted_lab.filexfer.messages.bundle import MAX_BUNDLE, MAX_FILE, MAX_FILES
from twisted_lab.filexfer.messages.keys import Keys, split_mtime
from twisted_lab.filexfer.messages.requests import MAX_LOGIN, MAX_OFFER, MAX_OFFERS, MAX_PAGE
from twisted_lab.filexfer.modes import Mode
from twisted_lab.filexfer.names import MAX_NAME, show_name, show_sentence
from twisted_lab.filexfer.receipt import Receipt
from twisted_lab.filexfer.status import Entry, Kind, Status
from twisted_lab.wire.errors import RemoteProtocolError
from twisted_lab.wire.fields import MAX_INTEGER

#: The content-type of a list's reply and of a bundle's: one JSON object a line.
NDJSON = "application/x-ndjson"
#: Seconds that a server may let a connection idle, and how many requests, entries or bytes it may take, at most.
_MAX_IDLE = 2**31
#: Characters of an error's sentence that are kept.
_MAX_SENTENCE = 1000

_KINDS: dict[str, Kind] = {"file": "file", "directory": "directory", "symlink": "symlink", "other": "other"}
_MODES = {mode.value: mode.value for mode in Mode}
_DURABILITIES = {durability.value: durability for durability in Durability}
_CODE = re.compile("[a-z0-9]+(-[a-z0-9]+)*")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server takes at most: requests not answered yet, entries of a page, files and bytes of a bundle."""

    pipeline: int = 64
    page: int = MAX_PAGE
    part: int = 2**26
    bundle_files: int = MAX_FILES
    bundle_file: int = MAX_FILE
    bundle_bytes: int = MAX_BUNDLE


@dataclass(frozen=True, slots=True)
class Welcome:
    """
    A server's answer to hello.

    `digest` is the algorithm that both use; `mode` one of those of `Mode`; `user` who the client is to the server,
    empty for nobody in particular; `idle_timeout` in seconds, 0 for none.
    """

    version: int
    digest: str
    mode: str
    user: str
    idle_timeout: float
    limits: Limits = Limits()
    features: tuple[str, ...] = ()


def welcome_fields(welcome: Welcome, identity: int) -> dict[str, Any]:
    """Write the reply to hello."""
    seconds = float(welcome.idle_timeout)
    return {
        "type": "hello",
        "id": identity,
        "version": welcome.version,
        "digest": welcome.digest,
        "mode": welcome.mode,
        "user": welcome.user,
        "idle-timeout": int(seconds) if seconds.is_integer() else seconds,
        "limits": {_key(limit.name): getattr(welcome.limits, limit.name) for limit in fields(Limits)},
        "features": [*welcome.features],
    }


def welcome_from(header: Mapping[str, Any]) -> Welcome:
    """Read the reply to hello."""
    keys = _keys(header)
    limits = keys.inner("limits")
    return Welcome(
        keys.integer("version", 1),
        keys.text("digest", MAX_OFFER, 1),
        keys.word("mode", _MODES),
        keys.text("user", MAX_LOGIN),
        keys.number("idle-timeout", _MAX_IDLE),
        Limits(*(limits.integer(_key(limit.name), 1) for limit in fields(Limits))),
        keys.texts("features", MAX_OFFERS, MAX_OFFER),
    )


def status_fields(status: Status) -> dict[str, Any]:
    """Write a file's facts."""
    target = {} if status.target is None else {"target": status.target}
    return {
        "kind": status.kind,
        "size": status.size,
        "mtime": split_mtime(status.mtime_ns),
        "mode": status.mode & 0o777,
        "etag": status.etag,
        **target,
    }


def status_from(header: Mapping[str, Any]) -> Status:
    """Read a file's facts."""
    keys = _keys(header)
    return Status(
        keys.word("kind", _KINDS),
        keys.integer("size"),
        keys.mtime("mtime", -MAX_INTEGER, MAX_INTEGER),
        keys.integer("mode", 0, 0o777),
        keys.etag("etag"),
        keys.optional("target", lambda key: keys.text(key, MAX_NAME)),
    )


def receipt_fields(receipt: Receipt) -> dict[str, Any]:
    """Write a receipt; the client knows the path."""
    return {
        "digest": receipt.digest,
        "size": receipt.size,
        "etag": receipt.etag,
        "durability": receipt.durability.value,
    }


def receipt_from(header: Mapping[str, Any], path: str) -> Receipt:
    """Read the receipt of what was put at `path`."""
    keys = _keys(header)
    return Receipt(
        path,
        _told(keys.digest, "digest"),
        keys.integer("size"),
        keys.etag("etag"),
        keys.word("durability", _DURABILITIES),
    )


def error_from(header: Mapping[str, Any]) -> FilexferError:
    """Read an error; its sentence is fit to print."""
    keys = _keys(header)
    code, sentence = keys.text("code", MAX_OFFER, 1), header.get("message")
    if not _CODE.fullmatch(code) or not isinstance(sentence, str):
        raise bad_reply("an error has a code of letters, digits and hyphens, and a message")
    return from_code(code, show_sentence(sentence[:_MAX_SENTENCE]))


def sentence_of(error: FilexferError) -> str:
    """Give an error's sentence, cut to what a client keeps of it: names may be long, and a reply have many."""
    return str(error)[:_MAX_SENTENCE]


def result_line(result: Receipt | FilexferError) -> bytes:
    """Write what became of a file of a bundle."""
    if isinstance(result, Receipt):
        return _line(receipt_fields(result))
    return _line({"code": result.code, "message": sentence_of(result)})


def results_from(content: bytes, paths: list[str]) -> list[Receipt | FilexferError]:
    """Read what became of a bundle's files, those at `paths`, in order."""
    lines = _objects(content, len(paths))
    if len(lines) != len(paths):
        raise bad_reply(f"{len(paths)} files were put, and {len(lines)} answered")
    return [
        error_from(line) if "code" in line else receipt_from(line, path)
        for line, path in zip(lines, paths, strict=True)
    ]


def entry_line(entry: Entry) -> bytes:
    """Write an entry of a directory, which must have a name."""
    return _line({"name": entry.name, **status_fields(entry.status)})


def entries_from(content: bytes, *, after: str = "", count: int = MAX_PAGE) -> list[Entry]:
    """Read a page: at most `count` entries, in the order of their names, and all of them after that of `after`."""
    entries = []
    for line in _objects(content, count):
        name = _told(_keys(line).component, "name")
        if name <= after:
            raise bad_reply("the entries aren't in the order of their names")
        entries.append(Entry(name, show_name(name), status_from(line)))
        after = name
    return entries


def bad_reply(sentence: str) -> RemoteProtocolError:
    """Give the error for a reply that isn't as it is laid down."""
    return RemoteProtocolError("bad-reply", f"the server's reply can't be relied on: {sentence}")


def _keys(header: Mapping[str, Any]) -> Keys:
    return Keys(header, bad_reply)


def _told(read: Callable[[str], T], key: str) -> T:
    """Read what our own checks refuse with the error of a request."""
    try:
        return read(key)
    except FilexferError as error:
        raise bad_reply(f'"{key}": {error}') from None


def _key(name: str) -> str:
    return name.replace("_", "-")


def _line(line: dict[str, Any]) -> bytes:
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _objects(content: bytes, most: int) -> list[dict[str, Any]]:
    """Read lines of JSON, `most` of them; more aren't even looked at."""
    lines = content.split(b"\n", most)
    if lines.pop():
        raise bad_reply(f"there are more than the {most} lines that were asked for, or the last one has no end")
    try:
        found = [json.loads(line) for line in lines]
    except (ValueError, RecursionError):
        raise bad_reply("a line isn't JSON") from None
    if not all(isinstance(each, dict) for each in found):
        raise bad_reply("a line isn't an object")
    return found
