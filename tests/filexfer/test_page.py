"""docs/filexfer-protocol.rst is enough to write a client from, and its bytes are those that go over the wire."""

import ast
import os
import random
import re
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from tests.filexfer.page_client import PART, PageClient, RefusedError, digest
from tests.filexfer.page_server import ABSENT, greeted, matching, refusal
from tests.processes import DEADLINE, Running, connect, receive, service

PAGE = Path(__file__).parents[2] / "docs" / "filexfer-protocol.rst"
ETAG = "0123456789abcdef"
BIG = random.Random(1).randbytes(3 * 2**20)  # noqa: S311 - only so that no two pieces are the same


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """Give a directory to serve."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[Running]:
    """Serve it."""
    with service("filexfer", "--root", str(root)) as running:
        yield running


@pytest.fixture
def client(server: Running) -> Iterator[PageClient]:
    """Give a client of it."""
    with greeted(server) as connected:
        yield connected


def session() -> list[tuple[str, bytes]]:
    """Give the page's session: who speaks, ``C`` or ``S``, and what."""
    lines = re.findall(r"^   ([CS]) (b['\"].*)$", PAGE.read_text(), re.MULTILINE)
    return [
        (side, b"".join(ast.literal_eval(literal) for _, literal in run))
        for side, run in groupby(lines, key=lambda line: line[0])
    ]


def test_session() -> None:
    """A server with an empty root answers the bytes of the page's client by the bytes of the page's server."""
    turns = session()
    assert len(turns) > 20
    with (
        tempfile.TemporaryDirectory() as directory,
        service("filexfer", "--root", directory) as running,
        closing(connect(running.addresses[0])) as connection,
    ):
        etag = ETAG
        for side, shown in turns:
            if side == "C":
                connection.sendall(shown.replace(ETAG.encode(), etag.encode()))
            else:
                came = receive(connection, len(shown))
                found = re.search(rb'"etag":"([0-9a-f]{16})"', came)
                etag = found[1].decode() if found else etag
                assert re.sub(rb'"etag":"[0-9a-f]{16}"', b'"etag":"%b"' % ETAG.encode(), came) == shown


def test_put_and_get(client: PageClient, root: Path) -> None:
    """A file that was put is there, as it was sent, and is got again: whole, from an offset, and some of it."""
    receipt = client.put("put", BIG, mtime=[1764000000, 123456789], mode=0o640)
    assert receipt["durability"] == "directory"
    assert (root / "put").read_bytes() == BIG
    assert (root / "put").stat().st_mode & 0o7777 == 0o640
    assert (root / "put").stat().st_mtime_ns == 1764000000_123456789
    facts, content = client.get("put")
    assert content == BIG
    assert (facts["kind"], facts["size"], facts["mtime"]) == ("file", len(BIG), [1764000000, 123456789])
    assert (facts["mode"], facts["etag"]) == (0o640, receipt["etag"])
    assert client.get("put", offset=len(BIG) - 5)[1] == BIG[-5:]
    assert client.get("put", offset=7, count=9, **matching(facts["etag"]))[1] == BIG[7:16]
    assert refusal(client, {"type": "get", "path": "put", "if-match": "other"}) == "changed"
    assert refusal(client, {"type": "get", "path": "put", "offset": len(BIG) + 1}) == "changed"


def test_empty_and_streamed_files(client: PageClient, root: Path) -> None:
    """A file may be empty; and its size may be unknown before its end."""
    client.put("empty", b"")
    assert client.get("empty")[1] == b""
    client.put("streamed", BIG, streamed=True, durability="memory")
    assert (root / "streamed").read_bytes() == BIG


def test_conditions(client: PageClient, root: Path) -> None:
    """A put with a condition publishes only where it holds."""
    first = client.put("condition", b"one", **ABSENT)
    with pytest.raises(RefusedError, match="exists"):
        client.put("condition", b"two", **ABSENT)
    client.put("condition", b"three", **matching(first["etag"]))
    with pytest.raises(RefusedError, match="changed"):
        client.put("condition", b"four", **matching(first["etag"]))
    assert (root / "condition").read_bytes() == b"three"


def test_resume(client: PageClient, server: Running, root: Path) -> None:
    """A put whose connection was lost goes on where it stopped; without it nothing is seen of it."""
    with greeted(server) as first:
        identity = first.send({"type": "put", "path": "resumed", "size": len(BIG)}, BIG[:PART])
        first.send({"type": "part"}, BIG[PART : 2 * PART], identity)
        deadline = time.monotonic() + DEADLINE
        while sum(path.stat().st_size for path in root.glob(".filexfer-*")) < 2 * PART:
            assert time.monotonic() < deadline
    assert not (root / "resumed").exists()
    offset, _ = retry_while_busy(client, "resumed", BIG)
    assert offset == 2 * PART
    assert (root / "resumed").read_bytes() == BIG


def retry_while_busy(client: PageClient, path: str, data: bytes) -> tuple[int, dict[str, object]]:
    """Go on with a put; what the lost connection did last may still be under way."""
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            return client.resume(path, data)
        except RefusedError as error:
            if error.code != "busy" or time.monotonic() > deadline:
                raise


def test_resume_of_other_bytes(client: PageClient, server: Running, root: Path) -> None:
    """What is left over of other bytes is told by its digest, and the put begins anew."""
    with greeted(server) as first:
        first.send({"type": "put", "path": "other", "size": len(BIG)}, b"x" * PART)
        deadline = time.monotonic() + DEADLINE
        while sum(path.stat().st_size for path in root.glob(".filexfer-*")) < PART:
            assert time.monotonic() < deadline
    assert retry_while_busy(client, "other", BIG)[0] == 0
    assert (root / "other").read_bytes() == BIG
    put = {"type": "put", "path": "other", "size": 9, "offset": 3}
    identity = client.send(put)
    client.send({"type": "abandon"}, identity=identity)
    with pytest.raises(RefusedError, match="changed"):
        client.reply(identity)


def test_resumed_get(client: PageClient) -> None:
    """A get goes on after the bytes that the client has, if the file's have the same digest."""
    etag = client.put("got", BIG)["etag"]
    have = BIG[: 2**20]
    reply, _ = client.ask({"type": "digest", "path": "got", "count": len(have), "if-match": etag})
    assert (reply["digest"], reply["size"], reply["etag"]) == (digest(have), len(BIG), etag)
    assert have + client.get("got", offset=len(have), **matching(etag))[1] == BIG


def test_abandon(client: PageClient, root: Path) -> None:
    """A put that is abandoned publishes nothing, leaves nothing, and has no reply."""
    identity = client.send({"type": "put", "path": "abandoned", "size": 10}, b"12345")
    client.send({"type": "part"}, identity=identity)
    client.send({"type": "abandon"}, identity=identity)
    assert client.ask({"type": "ping"})[0]["type"] == "ping"
    assert not (root / "abandoned").exists()
    reply, _ = client.ask({"type": "resume", "path": "abandoned", "size": 10})
    assert (reply["offset"], reply["digest"]) == (0, digest(b""))


@pytest.mark.parametrize(
    ("keys", "finish", "code"),
    [
        ({"path": "a/../b", "size": 3}, digest(b"abc"), "bad-name"),
        ({"path": "nowhere/b", "size": 3}, digest(b"abc"), "not-found"),
        ({"path": "wrong", "size": 3}, digest(b"abd"), "digest-mismatch"),
        ({"path": "wrong", "size": 4}, digest(b"abc"), "bad-request"),
        ({"path": "wrong", "size": 2}, digest(b"abc"), "bad-request"),
        ({"path": "wrong", "size": 3}, "sha-256:abc", "bad-request"),
        ({"path": "wrong", "size": 3, "mode": 0o1777}, digest(b"abc"), "bad-request"),
        ({"path": "wrong", "size": 2**52}, digest(b"abc"), "no-space"),
    ],
)
def test_refused_puts(client: PageClient, root: Path, keys: dict[str, object], finish: str, code: str) -> None:
    """A put that can't be carried out has one error and publishes nothing; the connection goes on after its end."""
    identity = client.send({"type": "put", **keys}, b"abc")
    client.send({"type": "digest", "digest": finish}, identity=identity)
    with pytest.raises(RefusedError) as caught:
        client.reply(identity)
    assert (caught.value.code, caught.value.identity) == (code, identity)
    assert client.ask({"type": "ping"})[0]["type"] == "ping"
    assert not (root / "wrong").exists()


def test_another_request_inside_a_put(client: PageClient, root: Path) -> None:
    """Until a put is ended nothing else may come: the put fails."""
    identity = client.send({"type": "put", "path": "interrupted", "size": 3}, b"abc")
    client.send({"type": "ping"})
    client.send({"type": "abandon"}, identity=identity)
    with pytest.raises(RefusedError) as caught:
        client.reply(identity)
    assert (caught.value.code, caught.value.identity) == ("bad-request", identity)
    assert client.ask({"type": "ping"})[0]["type"] == "ping"
    assert not (root / "interrupted").exists()


def test_another_request_after_a_put_that_failed(client: PageClient) -> None:
    """A put that failed has still to be ended: whoever goes on without that is hung up on."""
    identity = client.send({"type": "put", "path": "nowhere/f", "size": 3})
    with pytest.raises(RefusedError, match="not-found"):
        client.reply(identity)
    client.send({"type": "ping"})
    assert client.receive()[0]["code"] == "bad-sequence"
    with pytest.raises(EOFError):
        client.receive()


def test_list(client: PageClient, root: Path) -> None:
    """A directory is listed in the order of its names' bytes, page by page; what has no name is counted."""
    names = sorted([f"file{number}" for number in range(100)] + ["Ä", "z\u2028z", "\U0001f600", "\uffff"])
    (root / "listed").mkdir()
    for name in names:
        (root / "listed" / name).touch()
    (root / "listed" / os.fsdecode(b"\xff")).touch()
    (root / "listed" / ".filexfer-1").touch()
    for count in (1, 7, 4096):
        assert [entry["name"] for entry in client.list("listed", count)] == names
    assert client.ask({"type": "list", "path": "listed", "count": 5})[0]["unnameable"] == 1
    assert refusal(client, {"type": "list", "path": "listed", "count": 0}) == "bad-request"
    assert refusal(client, {"type": "list", "path": "listed/file1"}) == "not-a-directory"


def test_bundle(client: PageClient, root: Path) -> None:
    """Each small file of a bundle is published, or not, by itself, and answered in order."""
    files = [({"path": f"bundle/{number}/f", "mode": 0o600}, b"%d" % number * number) for number in range(200)]
    wrong = [({"path": "../x"}, b"x"), ({"path": "bundle/w", "digest": digest(b"y")}, b"x"), ({"path": "b"}, b"")]
    large = [({"path": "bundle/large"}, bytes(262145)), ({"path": "bundle/last"}, bytes(262144))]
    answers = client.bundle([*files, *wrong, *large], durability="file")
    assert [answer.get("digest") for answer in answers[:200]] == [digest(data) for _, data in files]
    assert [answer.get("code") for answer in answers[200:]] == [
        "bad-name",
        "digest-mismatch",
        None,
        "bad-request",
        None,
    ]
    assert answers[0]["durability"] == "file"
    for facts, data in files:
        assert (root / str(facts["path"])).read_bytes() == data
    assert not (root / "bundle" / "large").exists()
    again = client.bundle(files[:2], **ABSENT)
    assert [answer["code"] for answer in again] == ["exists", "exists"]


def test_bundles_that_cannot_be_read(client: PageClient) -> None:
    """A bundle that isn't a run of files, or has too many, is refused; the connection goes on."""
    assert refusal(client, {"type": "bundle"}, b"\0\0\0\2{}") == "bad-request"
    assert refusal(client, {"type": "bundle"}, b"\0\0\0") == "bad-request"
    with pytest.raises(RefusedError, match="bad-request"):
        client.bundle([({"path": "b"}, b"")] * 1025)
    assert client.bundle([]) == []


def test_full_disk(client: PageClient, server: Running) -> None:
    """A file that the disk doesn't take is refused, in the middle of its content; what follows that is understood."""
    limits = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (2**22, limits[1]))
    try:
        content = os.urandom(2**24)
        identity = client.send({"type": "put", "path": "large", "size": 2 * len(content)})
        client.send({"type": "part"}, content, identity)
        client.send({"type": "part"}, content, identity)
        client.send({"type": "digest", "digest": digest(2 * content)}, identity=identity)
        with pytest.raises(RefusedError, match="no-space"):
            client.reply(identity)
        assert client.ask({"type": "ping"})[0]["type"] == "ping"
        left_over, _ = client.ask({"type": "resume", "path": "large", "size": 2 * len(content)})
        assert left_over["digest"] == digest(content[: left_over["offset"]])
    finally:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)


def test_get_bundle(client: PageClient, root: Path) -> None:
    """Small files come together, each whole with its facts, and what keeps one from coming is told in its place."""
    assert "get-bundle" in client.welcome["features"]
    files = [({"path": f"fetched/{number}", "mode": 0o600}, b"%d" % number * number) for number in range(200)]
    receipts = client.bundle([*files, ({"path": "fetched/last"}, bytes(262144))])
    (root / "fetched" / "large").write_bytes(bytes(262145))
    (root / "fetched" / "link").symlink_to("0")
    wanted: list[dict[str, Any]] = [{"path": str(facts["path"])} for facts, _ in files]
    answers = client.get_bundle([*wanted, {"path": "fetched/last"}])
    assert [content for _, content in answers] == [*(data for _, data in files), bytes(262144)]
    assert [facts["etag"] for facts, _ in answers] == [receipt["etag"] for receipt in receipts]
    assert answers[0][0]["mode"] == 0o600
    assert answers[0][0]["mtime"] == client.ask({"type": "stat", "path": "fetched/0"})[0]["mtime"]
    paths = ["fetched/none", "fetched", "fetched/link", "../x", "fetched/large"]
    odd = client.get_bundle(
        [
            *({"path": path} for path in paths),
            {"path": "fetched/3", **matching("x")},
            {"path": "fetched/4"},
            {"path": 7},
        ]
    )
    assert [facts.get("code") for facts, _ in odd] == [
        "not-found",
        "is-a-directory",
        "not-a-regular-file",
        "bad-name",
        "too-large",
        "changed",
        None,
        "bad-request",
    ]


def test_get_bundles_that_cannot_be_read(client: PageClient) -> None:
    """Lines that are none, too many, too long or without an end are refused; the connection goes on."""
    for content in (b"", b'{"path":"a"}', b'{"path":"a"}\n' * 1025, b" " * 2**20 + b"\n"):
        assert refusal(client, {"type": "get-bundle"}, content) == "bad-request"
    answers = client.get_bundle([{"path": "x" * 32768}, {"path": "nothing"}])
    assert [facts["code"] for facts, _ in answers] == ["bad-request", "not-found"]


def test_names(client: PageClient, root: Path) -> None:
    """Directories and links are made, renamed and removed, under the conditions that the page gives."""

    def ask(kind: str, path: str, **keys: object) -> dict[str, object]:
        return client.ask({"type": kind, "path": path, **keys})[0]

    assert ask("mkdir", "n")["type"] == "ok"
    assert refusal(client, {"type": "mkdir", "path": "n"}) == "exists"
    assert refusal(client, {"type": "mkdir", "path": "n/a/b"}) == "not-found"
    ask("mkdir", "n/a/b", parents=True)
    ask("mkdir", "n/a/b", parents=True)
    ask("symlink", "n/l", target="../n/a/b")
    assert (root / "n" / "l").readlink() == Path("../n/a/b")
    link = ask("stat", "n/l")
    assert (link["kind"], link["target"], link["size"]) == ("symlink", "../n/a/b", 0)
    for target in ("../../x", "a/../b", "/etc", ""):
        assert refusal(client, {"type": "symlink", "path": "n/m", "target": target}) in {"bad-name", "bad-request"}
    assert refusal(client, {"type": "symlink", "path": "n/l", "target": "a", "if": "absent"}) == "exists"
    assert refusal(client, {"type": "list", "path": "n/l"}) == "not-a-directory"
    assert refusal(client, {"type": "get", "path": "n/l"}) == "not-a-regular-file"
    assert refusal(client, {"type": "get", "path": "n"}) == "is-a-directory"
    assert refusal(client, {"type": "rename", "path": "n/l", "to": "n/a", "if": "absent"}) == "exists"
    assert refusal(client, {"type": "rename", "path": "n/l", "to": "n/k", "if-match": "no"}) == "changed"
    ask("rename", "n/l", to="n/k", **ABSENT)
    assert refusal(client, {"type": "remove", "path": "n/a"}) == "not-empty"
    assert refusal(client, {"type": "remove", "path": "n/k", "if-match": "no"}) == "changed"
    ask("remove", "n/k", **matching(ask("stat", "n/k")["etag"]))
    ask("remove", "n/a/b")
    assert refusal(client, {"type": "stat", "path": "n/k"}) == "not-found"
    assert ask("stat", "")["kind"] == "directory"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"type": "stat"}, "bad-request"),
        ({"type": "stat", "path": 7}, "bad-request"),
        ({"type": "stat", "path": None}, "bad-request"),
        ({"type": "stat", "path": "/etc/passwd"}, "bad-name"),
        ({"type": "stat", "path": ".filexfer-1"}, "bad-name"),
        ({"type": "get", "path": "x", "offset": True}, "bad-request"),
        ({"type": "get", "path": "x", "offset": -1}, "bad-request"),
        ({"type": "get", "path": "x", "count": 2**53}, "bad-request"),
        ({"type": "rename", "path": "x", "to": "y", "if": "maybe"}, "bad-request"),
        ({"type": "part"}, "bad-request"),
        ({"type": "abandon"}, "bad-request"),
        ({"type": "digest", "digest": digest(b"")}, "bad-request"),
        ({"type": "hello", "versions": [1], "digests": ["sha-256"]}, "bad-request"),
        ({"type": "defragment"}, "unsupported"),
    ],
)
def test_refused_requests(client: PageClient, request_: dict[str, object], code: str) -> None:
    """A request that isn't as the page has it is refused, with its content, and the connection goes on."""
    assert refusal(client, request_, b"content") == code


def test_busy(client: PageClient, server: Running) -> None:
    """Who has resumed has the path, up to the next request but pings; others are told that it is busy."""
    resume = {"type": "resume", "path": "busy", "size": 9}
    with greeted(server) as other:
        client.ask(resume)
        client.ask({"type": "ping"})
        assert refusal(other, resume) == "busy"
        client.ask({"type": "stat", "path": ""})
        other.ask(resume)
        assert other.put("busy", b"123456789")["size"] == 9
        assert client.ask(resume)[0]["offset"] == 0


def test_error_before_the_content(client: PageClient, root: Path) -> None:
    """A put may fail before it was sent: the error comes at once, and the client ends it."""
    identity = client.send({"type": "put", "path": "nowhere/f", "size": len(BIG)})
    with pytest.raises(RefusedError, match="not-found"):
        client.reply(identity)
    client.send({"type": "part"}, BIG, identity)
    client.send({"type": "abandon"}, identity=identity)
    assert client.ask({"type": "ping"})[0]["type"] == "ping"
    assert not (root / "nowhere").exists()
