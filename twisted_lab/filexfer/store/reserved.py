"""The names of what isn't published yet: reserved, so that no client can say them, and known again by `is_ours`."""

import hashlib
import re
import secrets

from twisted_lab.filexfer.names import RESERVED, Name

_OURS = re.compile(re.escape(RESERVED.encode()) + rb"[0-9a-f]{32}")


def unique_name() -> bytes:
    """Give a name that nothing has had yet, for what is staged once and never found again."""
    return RESERVED.encode() + secrets.token_hex(16).encode()


def left_over_name(target: Name, size: int, owner: str) -> bytes:
    """Give the name, beside `target`, of what `owner` stages for a file of `size` bytes there: always the same."""
    facts = "\0".join((owner, str(size), target[-1])) if target else ""
    return RESERVED.encode() + hashlib.blake2b(facts.encode(), digest_size=16).hexdigest().encode()


def is_ours(last: bytes) -> bool:
    """Tell whether `last` is a name that we give; what is merely similar isn't ours to remove."""
    return _OURS.fullmatch(last) is not None
