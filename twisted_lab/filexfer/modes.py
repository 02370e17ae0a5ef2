"""What somebody may do with the files that are served to them."""

from enum import Enum

from twisted_lab.filexfer.conditions import Condition
from twisted_lab.filexfer.errors import DeniedError


class Mode(Enum):
    """
    What an account may do; the values are those of the protocol.

    In a drop box files and directories can be put where nothing is, and nothing can be seen or changed.
    """

    READ = "read"
    READ_WRITE = "read-write"
    DROP = "drop"

    def check(self, operation: str) -> None:
        """Refuse with `DeniedError` a type of request, as the protocol calls it, that isn't allowed; else return."""
        if operation not in _ALLOWED[self]:
            raise DeniedError(_SENTENCES[self])

    def narrow(self, condition: Condition) -> Condition:
        """Give what must hold at the publication of a put whose client asked for `condition`; or `DeniedError`."""
        if self is not Mode.DROP:
            return condition
        if condition.etag is not None:  # it would replace, and tell whether the guess was right
            raise DeniedError(_SENTENCES[self])
        return Condition(absent=True)


_SEEING = frozenset({"stat", "list", "get", "get-bundle", "digest"})
#: A resume tells the digest of what the same owner has begun to put, and nothing of what is published.
_ADDING = frozenset({"resume", "put", "bundle", "mkdir"})
_CHANGING = frozenset({"rename", "remove", "symlink"})
_ALWAYS = frozenset({"ping"})
_ALLOWED = {
    Mode.READ: _ALWAYS | _SEEING,
    Mode.READ_WRITE: _ALWAYS | _SEEING | _ADDING | _CHANGING,
    Mode.DROP: _ALWAYS | _ADDING,
}
_SENTENCES = {
    Mode.READ: "that isn't allowed: these files are to read only",
    Mode.READ_WRITE: "that isn't allowed",
    Mode.DROP: "that isn't allowed: this is a drop box, where files can be put, and nothing seen or changed",
}
