"""
The header's JSON object: read and written strictly, so that two peers never read one header differently.

`docs/header-protocol.rst` lists what is refused and the code of each error.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Never

from twisted_lab.wire.errors import LocalProtocolError, ProtocolError, RemoteProtocolError

MAX_DEPTH = 32
#: The largest integer that every JSON implementation keeps exactly: 2^53 - 1.
MAX_INTEGER = 2**53 - 1

#: Keys that mean the same in every header.
WELL_KNOWN: dict[str, type] = {
    "type": str,
    "id": int,
    "length": int,
    "content-type": str,
    "content-encoding": str,
}
# Possessive, and an unclosed string reaches to the end: each character is looked at once, whatever the text.
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NESTING = (dict, list, tuple)
_BRACKET = re.compile(r"[\[\]{}]")


def parse(raw: bytes) -> dict[str, Any]:
    """Read a header: `RemoteProtocolError` for anything but one valid JSON object with valid well-known keys."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise RemoteProtocolError("bad-utf-8", f"the header isn't UTF-8: {error}") from None
    if _depth(text) > MAX_DEPTH:
        raise RemoteProtocolError("too-deep", f"the header is nested deeper than {MAX_DEPTH}")
    try:
        fields = _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise RemoteProtocolError("bad-json", f"the header isn't JSON: {error}") from None
    except ValueError as error:  # an integer of more digits than Python converts
        raise RemoteProtocolError("bad-number", f"the header has a number that can't be read: {error}") from None
    if not isinstance(fields, dict):
        raise RemoteProtocolError("not-an-object", "the header isn't a JSON object")
    if "\\u" in text and not _is_unicode(fields):
        raise RemoteProtocolError("bad-unicode", "the header has half of a surrogate pair")
    _check_well_known(fields, RemoteProtocolError)
    return fields


def serialize(fields: Mapping[str, Any]) -> bytes:
    """Write a header: `LocalProtocolError` for what `parse` would refuse or JSON can't hold."""
    header = dict(fields)
    _check_nested(header, 1)
    _check_well_known(header, LocalProtocolError)
    try:
        return _encoder.encode(header).encode()
    except UnicodeEncodeError:
        raise LocalProtocolError("bad-unicode", "a header can't hold half of a surrogate pair") from None
    except TypeError as error:
        raise LocalProtocolError("bad-json", f"a header can't hold that: {error}") from None
    except ValueError as error:
        raise LocalProtocolError("bad-number", f"a header can't hold that: {error}") from None


def _check_well_known(fields: dict[str, Any], error: type[ProtocolError]) -> None:
    if "type" not in fields:
        raise error("missing-type", 'the header has no "type"')
    for key, kind in WELL_KNOWN.items():
        if key in fields and type(fields[key]) is not kind:
            noun = "a string" if kind is str else "an integer"
            raise error(f"bad-{key}", f"the header's \"{key}\" isn't {noun}")
    if not 0 <= fields.get("length", 0) <= MAX_INTEGER:
        raise error("bad-length", f"the header's \"length\" isn't in 0 … {MAX_INTEGER}")
    if not -MAX_INTEGER <= fields.get("id", 0) <= MAX_INTEGER:
        raise error("bad-id", f"the header's \"id\" isn't in -{MAX_INTEGER} … {MAX_INTEGER}")


def _check_nested(value: dict[Any, Any] | list[Any] | tuple[Any, ...], depth: int) -> None:
    """Refuse what JSON would silently turn into something else, and what is too deep for the peer."""
    if depth > MAX_DEPTH:
        raise LocalProtocolError("too-deep", f"a header may not be nested deeper than {MAX_DEPTH}")
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise LocalProtocolError("bad-json", "a header's keys are strings")
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, _NESTING):
            _check_nested(inner, depth + 1)


def _depth(text: str) -> int:
    """Give how deep brackets nest; counted before parsing, for Python's parser would recurse as deep."""
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return 0
    depth = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        depth += 1 if bracket in "{[" else -1
        deepest = max(deepest, depth)
    return deepest


def _is_unicode(fields: dict[str, Any]) -> bool:
    try:
        _encoder.encode(fields).encode()
    except UnicodeEncodeError:
        return False
    return True


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise RemoteProtocolError("duplicate-key", "the header has a key twice")
    return fields


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise RemoteProtocolError("bad-number", f"the header has a number that is too large: {text[:40]}")
    return number


def _refuse_constant(name: str) -> Never:
    raise RemoteProtocolError("bad-number", f"the header has {name}, which isn't JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_refuse_constant)
_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
