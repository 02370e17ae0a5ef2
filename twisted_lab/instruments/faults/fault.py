"""
A fault: what it is called, its attributes, and what it does to the bytes of one direction.

What it does is a coroutine that takes chunks from its `Stage`, gives chunks to the next one, and may wait in between.
So a fault is written top to bottom, without sockets, by whatever clock there is. When it is changed or removed on a
live connection it is interrupted: `sleep` returns at once, `give` goes on, and the next `take` raises. So what it has
in hand is given on, and no byte is lost by that. A fault of messages finishes the message first.
"""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from twisted_lab.instruments.faults.stage import Stage

#: Bytes that may wait for a fault, before reading stops.
ROOM = 2**16
#: The largest number an attribute may be: some 292 years in nanoseconds.
LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Fault:
    """
    What is wrong with one direction. A subclass is a frozen dataclass of numbers, its attributes, with `kind` its name.

    `room` is how many bytes may wait for it. `needs_codec`: whether it works on messages. `at_most` bounds attributes,
    and so memory.
    """

    kind: ClassVar[str] = ""
    room: ClassVar[int] = ROOM
    needs_codec: ClassVar[bool] = False
    at_most: ClassVar[dict[str, float]] = {}

    def __post_init__(self) -> None:
        """Check the attributes; ValueError says what is wrong."""
        for field in fields(self):
            value = getattr(self, field.name)
            limit = self.at_most.get(field.name, LARGEST)
            wanted = "a number" if field.type is float else "a whole number"
            numeric = isinstance(value, int | float if field.type is float else int) and not isinstance(value, bool)
            if not numeric or not 0 <= value <= limit:
                bound = "of at least 0" if limit == LARGEST else f"from 0 to {limit:g}"
                raise ValueError(f"{self.kind}: {field.name} is {wanted} {bound}, not {value!r}")

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    async def run(self, stage: "Stage") -> None:
        """Do it, until the direction ends; what isn't given on by then is lost."""
        raise NotImplementedError

    def removed(self, stage: "Stage") -> None:
        """Take notice that it was removed from a live connection."""


def kinds() -> dict[str, type[Fault]]:
    """Give all faults by their names."""
    from twisted_lab.instruments.faults import breakage, messages, toxics  # noqa: PLC0415  # they extend this module

    return {kind.kind: kind for module in (toxics, breakage, messages) for kind in module.FAULTS}


def make_fault(kind: str, attributes: dict[str, Any]) -> Fault:
    """Give the fault of that kind; LookupError if there is none, ValueError for attributes that it hasn't."""
    known = kinds()
    if kind not in known:
        raise LookupError(f"there is no fault {kind!r}: it is one of {', '.join(known)}")
    names = [field.name for field in fields(known[kind])]
    for name in attributes:
        if name not in names:
            raise ValueError(f"{kind} has no attribute {name!r}, only {', '.join(names)}")
    return known[kind](**attributes)
