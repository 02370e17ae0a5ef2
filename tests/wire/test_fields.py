"""The header's JSON, read and written strictly."""

import json
from typing import Any

from hypothesis import given, strategies
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.wire.errors import LocalProtocolError, RemoteProtocolError
from twisted_lab.wire.fields import MAX_DEPTH, MAX_INTEGER, parse, serialize

TEXT = strategies.text(max_size=12)
VALUES = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers()
    | strategies.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: strategies.lists(inner, max_size=4) | strategies.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
#: Valid headers: well-known keys with values of their kind, and any others.
FIELDS = strategies.builds(
    lambda unknown, known: {**unknown, **known},
    strategies.dictionaries(strategies.text(max_size=8).map("x-".__add__), VALUES, max_size=4),
    strategies.fixed_dictionaries(
        {"type": TEXT},
        optional={
            "id": strategies.integers(-MAX_INTEGER, MAX_INTEGER),
            "content-type": TEXT,
            "content-encoding": TEXT,
        },
    ),
)


def nested(depth: int) -> Any:
    """Give lists nested `depth` deep."""
    return [nested(depth - 1)] if depth > 1 else []


class FieldsTests(SynchronousTestCase):
    """`parse` and `serialize`."""

    @given(FIELDS)
    def test_round_trip(self, fields: dict[str, Any]) -> None:
        """What was written is read back."""
        self.assertEqual(parse(serialize(fields)), fields)

    @given(strategies.binary(max_size=60) | TEXT.map(str.encode) | VALUES.map(json.dumps).map(str.encode))
    def test_any_bytes(self, raw: bytes) -> None:
        """Any bytes are a header or a `RemoteProtocolError`; a header can be written again."""
        try:
            fields = parse(raw)
        except RemoteProtocolError as error:
            self.assertRegex(error.code, "^[a-z0-9]+(-[a-z0-9]+)+$")
        else:
            self.assertEqual(parse(serialize(fields)), fields)

    def test_depth(self) -> None:
        """A header may nest to the limit and no deeper, both ways; brackets in strings don't count."""
        for deeper, code in ((0, None), (1, "too-deep")):
            fields = {"type": "[" * 100 + '"{', "x": nested(MAX_DEPTH - 1 + deeper)}
            raw = json.dumps(fields).encode()
            if code is None:
                self.assertEqual(parse(raw), fields)
                self.assertEqual(parse(serialize(fields)), fields)
            else:
                self.assertEqual(self.assertRaises(RemoteProtocolError, parse, raw).code, code)
                self.assertEqual(self.assertRaises(LocalProtocolError, serialize, fields).code, code)

    def test_deep_nesting_costs_no_recursion(self) -> None:
        """A header of brackets only is refused without following them."""
        self.assertEqual(self.assertRaises(RemoteProtocolError, parse, b"[" * 65536).code, "too-deep")

    def test_deep_nesting_of_quotes(self) -> None:
        """A header of brackets and escaped quotes costs one look at each character: this once took 15 s."""
        for raw in (b"[" * 33 + b'"' + b'\\"' * 32750, b"[" * 33 + b'"\\' * 32700, b"[" * 33 + b'"' + b"\\" * 32701):
            self.assertEqual(self.assertRaises(RemoteProtocolError, parse, raw).code, "too-deep")

    def test_not_sent(self) -> None:
        """What the peer would refuse, or JSON would change on the way, isn't sent."""
        refused: dict[str, dict[Any, Any]] = {
            "missing-type": {},
            "bad-type": {"type": None},
            "bad-id": {"type": "t", "id": MAX_INTEGER + 1},
            "bad-length": {"type": "t", "length": -1},
            "bad-content-type": {"type": "t", "content-type": 1},
            "bad-content-encoding": {"type": "t", "content-encoding": b"gzip"},
            "bad-number": {"type": "t", "x": float("nan")},
            "bad-unicode": {"type": "\ud800"},
            "bad-json": {"type": "t", "x": {1: 2}},
        }
        for code, fields in refused.items():
            self.assertEqual(self.assertRaises(LocalProtocolError, serialize, fields).code, code)
        self.assertEqual(self.assertRaises(LocalProtocolError, serialize, {"type": "t", "x": b""}).code, "bad-json")
        self.assertEqual(self.assertRaises(LocalProtocolError, serialize, {"type": "t", "id": True}).code, "bad-id")

    def test_a_circle_is_not_sent(self) -> None:
        """A header that contains itself is refused, not followed for ever."""
        fields: dict[str, Any] = {"type": "t"}
        fields["x"] = fields
        self.assertEqual(self.assertRaises(LocalProtocolError, serialize, fields).code, "too-deep")

    def test_text_is_sent_as_it_is(self) -> None:
        """Text travels as UTF-8, without escapes or spaces: a header is as short as it can be."""
        self.assertEqual(serialize({"type": "你好", "x": [1, 2]}), '{"type":"你好","x":[1,2]}'.encode())
