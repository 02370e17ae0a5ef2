"""What names, digests and all the rest of a request or a reply may be, for hypothesis."""

from hypothesis import strategies

from tests.filexfer.test_names import COMPONENTS
from twisted_lab.filexfer.conditions import Condition, Durability
from twisted_lab.filexfer.messages.requests import EARLIEST, LATEST
from twisted_lab.wire.fields import MAX_INTEGER

NAMES = strategies.lists(COMPONENTS, max_size=4).map(tuple)
SIZES = strategies.integers(0, MAX_INTEGER)
ETAGS = strategies.text("0123456789abcdef-é", min_size=1, max_size=32)
DIGESTS = strategies.builds(
    "{}:{}".format,
    strategies.sampled_from(["blake3", "sha-256"]),
    strategies.text("0123456789abcdef", min_size=64, max_size=64),
)
MTIMES = strategies.integers(EARLIEST * 10**9, LATEST * 10**9)
MODES = strategies.integers(0, 0o777)
DURABILITIES = strategies.sampled_from(Durability)
CONDITIONS = strategies.just(Condition(absent=True)) | strategies.builds(
    Condition, etag=strategies.none() | ETAGS, absent=strategies.just(value=False)
)
#: Any JSON, half surrogate pairs and numbers out of range included.
ANYTHING = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers()
    | strategies.floats(allow_nan=False)
    | strategies.text("ab1/.-\0\x1b\ud800\u202eé", max_size=8),
    lambda inner: strategies.lists(inner, max_size=3) | strategies.dictionaries(strategies.just("k"), inner),
    max_leaves=4,
)
