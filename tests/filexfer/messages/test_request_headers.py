"""Requests: what is written is read back, and nothing else is read without complaint."""

from typing import Any

from hypothesis import given, strategies
from hypothesis.strategies import SearchStrategy
from twisted.trial.unittest import SynchronousTestCase

from tests.filexfer.messages.values import (
    ANYTHING,
    CONDITIONS,
    DIGESTS,
    DURABILITIES,
    ETAGS,
    MODES,
    MTIMES,
    NAMES,
    SIZES,
)
from twisted_lab.filexfer.conditions import ANYWAY, Condition, Durability
from twisted_lab.filexfer.errors import BadNameError, BadRequestError, FilexferError, UnsupportedError
from twisted_lab.filexfer.messages.request_headers import parse_in_put, parse_request, to_header
from twisted_lab.filexfer.messages.requests import (
    MAX_LOGIN,
    MAX_OFFER,
    MAX_OFFERS,
    MAX_PAGE,
    Abandon,
    Bundle,
    DigestOf,
    Finish,
    Get,
    GetBundle,
    Hello,
    InPut,
    List,
    Mkdir,
    Part,
    Ping,
    Put,
    Remove,
    Rename,
    Request,
    Resume,
    Stat,
    Symlink,
)
from twisted_lab.wire.fields import MAX_INTEGER, parse, serialize

_TEXTS = strategies.text(strategies.characters(codec="utf-8"), max_size=MAX_OFFER // 4)
_RANGES = (NAMES, SIZES, strategies.none() | SIZES, strategies.none() | ETAGS)
_PUTS = strategies.builds(
    Put,
    NAMES,
    strategies.none() | SIZES,
    SIZES,
    SIZES,
    strategies.none() | MTIMES,
    strategies.none() | MODES,
    CONDITIONS,
    DURABILITIES,
).filter(lambda put: not put.offset if put.size is None else put.offset + put.length <= put.size)
REQUESTS: dict[type, SearchStrategy[Any]] = {
    Hello: strategies.builds(
        Hello,
        strategies.lists(SIZES, max_size=MAX_OFFERS).map(tuple),
        strategies.lists(_TEXTS.filter(bool), max_size=MAX_OFFERS).map(tuple),
        strategies.none() | _TEXTS,
        strategies.none() | _TEXTS,
    ),
    Stat: strategies.builds(Stat, NAMES),
    List: strategies.builds(
        List, NAMES, NAMES.map(lambda name: name[0] if name else ""), strategies.integers(1, MAX_PAGE)
    ),
    Get: strategies.builds(Get, *_RANGES),
    GetBundle: strategies.builds(GetBundle, SIZES),
    DigestOf: strategies.builds(DigestOf, *_RANGES),
    Resume: strategies.builds(Resume, NAMES, SIZES),
    Put: _PUTS | strategies.builds(Put, NAMES, strategies.just(MAX_INTEGER), strategies.integers(0, 99)),
    Bundle: strategies.builds(Bundle, SIZES, CONDITIONS, DURABILITIES),
    Mkdir: strategies.builds(Mkdir, NAMES, strategies.booleans()),
    Symlink: strategies.builds(Symlink, NAMES, _TEXTS.filter(bool), CONDITIONS),
    Rename: strategies.builds(Rename, NAMES, NAMES, CONDITIONS),
    Remove: strategies.builds(Remove, NAMES, strategies.none() | ETAGS),
    Ping: strategies.just(Ping()),
}
IN_PUT: dict[type, SearchStrategy[Any]] = {
    Part: strategies.builds(Part, SIZES),
    Finish: strategies.builds(Finish, DIGESTS),
    Abandon: strategies.just(Abandon()),
}
IDENTITIES = strategies.integers(-MAX_INTEGER, MAX_INTEGER)
_KEYS = (
    "id path to after target offset size count length mode mtime if if-match durability parents versions digests user "
    "password digest"
)
#: Headers near to requests: some of the keys that requests have, with values of any kind.
HEADERS = strategies.builds(
    lambda kind, keys: {"type": kind, "id": 1, "path": "a", **keys},
    strategies.sampled_from([kind.__name__.lower() for kind in REQUESTS] + ["part", "abandon", "digest", "get-bundle"]),
    strategies.dictionaries(
        strategies.sampled_from(_KEYS.split()),
        strategies.sampled_from(["a/b", "", "absent", 0, 1, [1, 2], ["sha-256"], "file"]) | ANYTHING,
        max_size=5,
    ),
)


class RequestTests(SynchronousTestCase):
    """`parse_request`, `parse_in_put` and `to_header`."""

    def test_strategies_are_complete(self) -> None:
        """There is a strategy here for each kind of request."""
        kinds = {*REQUESTS, *IN_PUT}
        self.assertEqual(kinds, {*Request.__args__})
        self.assertEqual({*IN_PUT}, {*InPut.__args__})

    @given(strategies.one_of(*REQUESTS.values()), IDENTITIES)
    def test_round_trip(self, request: Request, identity: int) -> None:
        """What a client writes is what the server reads, after the JSON of the wire as well."""
        header = to_header(request, identity)
        self.assertEqual(header["id"], identity)
        self.assertEqual(parse_request(header), request)
        self.assertEqual(parse_request(parse(serialize(header))), request)

    @given(strategies.one_of(*IN_PUT.values()), IDENTITIES)
    def test_round_trip_in_a_put(self, request: InPut, identity: int) -> None:
        """So it is with what may come inside a put."""
        self.assertEqual(parse_in_put(parse(serialize(to_header(request, identity)))), request)

    @given(HEADERS | strategies.dictionaries(strategies.sampled_from(["type", *_KEYS.split()]), ANYTHING, max_size=4))
    def test_any_header(self, header: dict[str, Any]) -> None:
        """Any JSON object is a request, or is refused with an error for the client; what is read can be written."""
        for read in (parse_request, parse_in_put):
            try:
                request = read(header)
            except FilexferError as error:
                self.assertTrue(str(error).isprintable())
            else:
                self.assertEqual(read(to_header(request, header["id"])), request)

    def test_defaults(self) -> None:
        """What a request leaves out has the value that the page gives."""
        self.assertEqual(
            parse_request({"type": "put", "id": 1, "path": "a/b", "size": 7}),
            Put(("a", "b"), 7, 0, 0, None, None, ANYWAY, Durability.DIRECTORY),
        )
        self.assertEqual(parse_request({"type": "list", "id": 1, "path": ""}), List((), "", 4096))
        self.assertEqual(parse_request({"type": "mkdir", "id": 1, "path": "a"}), Mkdir(("a",), parents=False))
        self.assertEqual(parse_request({"type": "get", "id": 1, "path": "a", "more": 1}), Get(("a",), 0, None, None))

    def test_conditions(self) -> None:
        """The conditions are two keys."""
        rename = {"type": "rename", "id": 1, "path": "a", "to": "b"}
        for keys, condition in (
            ({}, ANYWAY),
            ({"if": "absent"}, Condition(absent=True)),
            ({"if-match": "e"}, Condition(etag="e")),
        ):
            self.assertEqual(parse_request({**rename, **keys}), Rename(("a",), ("b",), condition))

    def test_refused(self) -> None:
        """What isn't as the page has it is refused, by the name of its key, and never repeated."""
        get: dict[str, Any] = {"type": "get", "id": 1, "path": "a"}
        put: dict[str, Any] = {"type": "put", "id": 1, "path": "a", "size": 3}
        hello: dict[str, Any] = {"type": "hello", "id": 1, "versions": [1], "digests": ["sha-256"]}
        for header, why in (
            ({"type": "stat", "path": "a"}, '"id" is missing'),
            ({**get, "id": "1"}, '"id" isn\'t an integer'),
            ({**get, "id": True}, '"id" isn\'t an integer'),
            ({"type": "get", "id": 1}, '"path" is missing'),
            ({**get, "path": ["a"]}, '"path" isn\'t a string'),
            ({**get, "offset": -1}, '"offset" isn\'t an integer from 0'),
            ({**get, "offset": 2**53}, '"offset" isn\'t an integer'),
            ({**get, "offset": 1.0}, '"offset" isn\'t an integer'),
            ({**get, "count": None}, '"count" isn\'t an integer'),
            ({**get, "if-match": ""}, '"if-match" isn\'t a string of 1 to 64'),
            ({**get, "if-match": "é" * 33}, '"if-match" isn\'t a string of 1 to 64'),
            ({**get, "if-match": "\ud800"}, '"if-match" has half of a surrogate pair'),
            ({"type": "list", "id": 1, "path": "", "count": 4097}, '"count" isn\'t an integer from 1 to 4096'),
            ({"type": "list", "id": 1, "path": "", "after": "a/b"}, '"after" is more than one component'),
            ({"type": "mkdir", "id": 1, "path": "a", "parents": 1}, '"parents" is neither true nor false'),
            ({"type": "symlink", "id": 1, "path": "a", "target": ""}, '"target" isn\'t a string of 1 to 4096'),
            ({**put, "offset": 2, "length": 2}, '"offset" and "length" are more than "size"'),
            ({"type": "put", "id": 1, "path": "a", "offset": 2}, 'without "size"'),
            ({**put, "mode": 0o1000}, '"mode" isn\'t an integer from 0 to 511'),
            ({**put, "mtime": 1764000000}, r'"mtime" isn\'t \[seconds'),
            ({**put, "mtime": [1]}, r'"mtime" isn\'t \[seconds'),
            ({**put, "mtime": [1, 10**9]}, r'"mtime" isn\'t \[seconds'),
            ({**put, "mtime": [2**34 + 1, 0]}, r'"mtime" isn\'t \[seconds'),
            ({**put, "mtime": [True, 0]}, r'"mtime" isn\'t \[seconds'),
            ({**put, "durability": "eternal"}, '"durability" isn\'t one of: memory, file, directory'),
            ({**put, "if": "present"}, '"if" isn\'t one of: absent'),
            ({**put, "if": "absent", "if-match": "e"}, "exclude each other"),
            ({**hello, "versions": 1}, '"versions" isn\'t an array'),
            ({**hello, "versions": [1] * (MAX_OFFERS + 1)}, '"versions" isn\'t an array of at most 16'),
            ({**hello, "versions": ["1"]}, 'what "versions" lists isn\'t all integers'),
            ({**hello, "digests": [7]}, 'what "digests" lists isn\'t a string'),
            ({**hello, "digests": ["x" * (MAX_OFFER + 1)]}, 'what "digests" lists isn\'t a string of 1 to 64'),
            ({**hello, "password": "x" * (MAX_LOGIN + 1)}, '"password" isn\'t a string of 0 to 1024'),
        ):
            error = self.assertRaises(BadRequestError, parse_request, header)
            self.assertRegex(str(error), why)

    def test_bad_names(self) -> None:
        """A name that isn't one has its own error, whichever of two it is."""
        for keys in ({"path": "a/../b", "to": "c"}, {"path": "c", "to": "/b"}):
            self.assertRaises(BadNameError, parse_request, {"type": "rename", "id": 1, **keys})

    def test_unknown_types(self) -> None:
        """A type that isn't known is told from a request that isn't right."""
        for kind in ("defragment", "Stat", "file", ""):
            self.assertRaises(UnsupportedError, parse_request, {"type": kind, "id": 1})

    def test_in_a_put(self) -> None:
        """Inside a put a digest ends it; outside it asks for one. No other request may come there."""
        digest = "sha-256:" + "0" * 64
        self.assertEqual(parse_in_put({"type": "digest", "id": 1, "digest": digest}), Finish(digest))
        self.assertEqual(parse_request({"type": "digest", "id": 1, "path": "a", "digest": digest}), DigestOf(("a",)))
        for header in ({"type": "digest", "id": 1, "digest": digest.upper()}, {"type": "ping", "id": 1}):
            self.assertRaises(BadRequestError, parse_in_put, header)
