"""A fault with a name, a direction and a share of the connections: what a proxy is given, as JSON or in one word."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from twisted_lab.instruments.directions import DOWNSTREAM, STREAMS
from twisted_lab.instruments.faults.fault import Fault, kinds, make_fault


class StreamError(ValueError):
    """A stream is neither upstream nor downstream."""


@dataclass(frozen=True)
class Toxic:
    """`toxicity` is the share of the connections, from 0 to 1, that have the fault on their `stream`."""

    name: str
    stream: str
    toxicity: float
    fault: Fault

    def __post_init__(self) -> None:
        """Check it; ValueError says what is wrong."""
        if self.stream not in STREAMS:
            raise StreamError(f"a stream is upstream or downstream, not {self.stream!r}")
        if isinstance(self.toxicity, bool) or not isinstance(self.toxicity, int | float) or not 0 <= self.toxicity <= 1:
            raise ValueError(f"toxicity is a number from 0 to 1, not {self.toxicity!r}")

    def to_json(self) -> dict[str, Any]:
        """Give it as the API shows it."""
        return {
            "attributes": self.fault.attributes,
            "name": self.name,
            "type": self.fault.kind,
            "stream": self.stream,
            "toxicity": self.toxicity,
        }

    def to_text(self) -> str:
        """Give it as a command line has it, but for its name: `from_text` is the way back."""
        pairs = [*self.fault.attributes.items(), *([("toxicity", self.toxicity)] if self.toxicity != 1 else [])]
        words = ",".join(f"{name}={value}" for name, value in pairs)
        return ":".join(word for word in (self.fault.kind, words, self.stream) if word)

    def changed(self, fields: Mapping[str, Any]) -> "Toxic":
        """Give it with other attributes or another toxicity, as the API takes them; what isn't named stays."""
        attributes = {**self.fault.attributes, **_object(fields, "attributes")}
        toxicity = fields.get("toxicity", self.toxicity)
        return Toxic(self.name, self.stream, toxicity, make_fault(self.fault.kind, attributes))


def make_toxic(kind: str, stream: str = DOWNSTREAM, toxicity: float = 1.0, name: str = "", **attributes: Any) -> Toxic:
    """Give a toxic; without a name it is called by its kind and stream."""
    return Toxic(name or f"{kind}_{stream}", stream, toxicity, make_fault(kind, attributes))


def from_json(fields: Mapping[str, Any]) -> Toxic:
    """Read a toxic as the API takes it; LookupError for a kind that isn't there, ValueError for all else."""
    stream = fields.get("stream") or DOWNSTREAM
    kind = fields.get("type", "")
    name = fields.get("name") or f"{kind}_{stream}"
    if not isinstance(name, str) or not isinstance(kind, str):
        raise ValueError("a toxic's name and type are strings")  # noqa: TRY004  # as documented
    if stream not in STREAMS:
        raise StreamError(f"a stream is upstream or downstream, not {stream!r}")
    return Toxic(name, stream, fields.get("toxicity", 1.0), make_fault(kind, _object(fields, "attributes")))


def from_text(text: str) -> Toxic:
    """
    Read ``KIND[:ATTRIBUTE=VALUE,…][:STREAM]``, as a command line has it; ValueError says what is wrong.

    ``name=`` and ``toxicity=`` may stand among the attributes.
    """
    kind, *parts = text.split(":")
    stream = DOWNSTREAM
    pairs: list[str] = []
    for part in parts:
        if part in STREAMS:
            stream = part
        elif "=" in part:
            pairs += part.split(",")
        else:
            raise ValueError(f"{part!r} is neither upstream nor downstream nor ATTRIBUTE=VALUE")
    words = dict(_pair(pair) for pair in pairs)
    name, toxicity = words.pop("name", ""), words.pop("toxicity", "1")
    types = {field.name: field.type for field in fields(kinds()[kind])} if kind in kinds() else {}
    attributes = {key: _number(value, whole=types.get(key) is not float) for key, value in words.items()}
    try:
        return make_toxic(kind, stream, _number(toxicity, whole=False), name, **attributes)
    except LookupError as error:
        raise ValueError(error.args[0]) from None


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ValueError(f"{text!r} isn't ATTRIBUTE=VALUE")
    return name, value


def _number(text: str, *, whole: bool) -> float:
    try:
        return int(text) if whole else float(text)
    except ValueError:
        raise ValueError(f"{text!r} isn't a {'whole ' if whole else ''}number") from None


def _object(fields: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = fields.get(key) or {}
    if not isinstance(found, dict):
        raise ValueError(f"{key} is an object")  # noqa: TRY004  # as documented
    return found
