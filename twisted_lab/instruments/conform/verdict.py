"""What a case finds: how the server behaved, and apart from that how the connection ended."""

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """Ordered: the worst of several is the last one here. NON_STRICT is right in effect, but not as it should be."""

    PASS = "pass"  # noqa: S105  # no password
    NON_STRICT = "non-strict"
    UNKNOWN = "unknown"
    FAIL = "fail"


_ORDER = [*Verdict]


def worst(*verdicts: Verdict) -> Verdict:
    """Give the worst of these."""
    return max(verdicts, key=_ORDER.index)


@dataclass(frozen=True)
class Finding:
    """A case's verdicts, and a clause for each that isn't PASS."""

    behaviour: Verdict
    close: Verdict = Verdict.PASS
    detail: str = ""

    @property
    def verdict(self) -> Verdict:
        """The worse of the two."""
        return worst(self.behaviour, self.close)


class UnknownError(Exception):
    """What a case asks can't be told; the message says why."""


class BrokenRuleError(Exception):
    """The server did what it shouldn't; the message says what, beside what was expected."""
