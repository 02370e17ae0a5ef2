"""
A dissector for Wireshark, in Lua, from the layout of a specimen's messages.

Wireshark puts a message together from the segments that it came in once the dissector has said how long it is. That it
says as soon as it can: where a length stands in a JSON header, when the header is there.
"""

import re

from twisted_lab.instruments.capture.dissector_lua import BYTES, END, JSON_SCAN, KEY, NUMBER, OBJECT, START
from twisted_lab.specimen import Specimen
from twisted_lab.wire.layout import Field, LengthIn

#: Bytes of a message that Wireshark is asked to put together, at most; the length of a longer one is taken for that.
LONGEST = 2**28
_NAME = re.compile(r"[a-z][a-z0-9_-]*")


def write_dissector(specimen: Specimen, port: int | None = None) -> str:
    """Give the program; `LookupError` for a specimen without a layout, or with names that Wireshark hasn't."""
    layout = specimen.layout
    if not layout:
        raise LookupError(f"{specimen.name} has no `layout`: nobody knows how its messages lie in the stream")
    names = [specimen.name, *(name for field in layout for name in (field.name, *field.keys))]
    for name in names:
        if not _NAME.fullmatch(name):
            raise LookupError(f"{name!r} can't be a name in Wireshark: small letters, digits, - and _ can")
    protocol = f"lab_{_lua_name(specimen.name)}"
    fixed = layout[0].length if isinstance(layout[0].length, int) else 1
    start = START.format(
        name=specimen.name, protocol=protocol, fixed=fixed, longest=LONGEST, port=port or specimen.default_port
    )
    scan = JSON_SCAN if any(field.kind == "json" for field in layout) else ""
    declared = [line for field in layout for line in _declare(protocol, field)]
    steps = "".join(_step(field) for field in layout)
    bare = str(layout[-1].length is None).lower()
    return start + "\n".join(declared) + "\n" + scan + END.format(steps=steps, bare=bare, protocol=protocol)


def _lua_name(name: str) -> str:
    return name.replace("-", "_")


def _declare(protocol: str, field: Field) -> list[str]:
    """Give the lines that make a field, and those of its keys, known."""
    kinds = {"number": "uint32", "json": "string", "bytes": "bytes"}
    name = _lua_name(field.name)
    lines = [f'fields["{name}"] = ProtoField.{kinds[field.kind]}("{protocol}.{name}", "{field.name}")']
    for key in field.keys:
        own = f"{name}_{_lua_name(key)}"
        lines.append(f'fields["{own}"] = ProtoField.string("{protocol}.{_lua_name(key)}", "{key}")')
    return lines


def _step(field: Field) -> str:
    """Give the lines that take a field."""
    name = _lua_name(field.name)
    match field.length:
        case None:
            length = "left"
        case int(count):
            length = str(count)
        case LengthIn(other, ""):
            length = f'values["{_lua_name(other)}"]'
        case LengthIn(other, key):
            length = f'number_of(values["{_lua_name(other)}"], "{key}")'
    template = {"number": NUMBER, "json": OBJECT, "bytes": BYTES}[field.kind]
    keys = "".join(KEY.format(field=f"{name}_{_lua_name(key)}", key=key) for key in field.keys)
    return template.format(name=name, length=length, most=field.most or 2**32, keys=keys)
