"""
How a protocol's messages lie in the stream, field by field: what a codec does, said so that other programs can be told.

A layout is a tuple of fields in their order. From it comes the Wireshark dissector.
"""

from dataclasses import dataclass
from typing import Literal

#: What a field holds: an unsigned integer of 4 bytes at most in network byte order, a JSON object in UTF-8, or bytes.
Kind = Literal["number", "json", "bytes"]


@dataclass(frozen=True, slots=True)
class LengthIn:
    """The length in bytes is the value of a number before; or of a `key` of a JSON object before, and 0 without it."""

    field: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """
    A field of a message.

    `length`: so many bytes, or where that is said; None for all that there is, when no one says where messages end.
    `most` bounds a number that says a length. `keys` are those of a JSON object by which one may want to search.
    """

    name: str
    kind: Kind
    length: int | LengthIn | None
    most: int | None = None
    keys: tuple[str, ...] = ()


Layout = tuple[Field, ...]
#: Of a protocol that has no messages.
STREAM: Layout = (Field("data", "bytes", None),)
