"""What docs/filexfer-protocol.rst says of connections: who is let in, what they may do, and when they end."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.filexfer.page_client import PageClient, RefusedError, digest
from tests.filexfer.page_server import ABSENT, greeted, matching, refusal, serving
from tests.processes import Running


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """Serve an empty directory."""
    with serving() as (running, _):
        yield running


@pytest.fixture
def client(server: Running) -> Iterator[PageClient]:
    """Give a client of it."""
    with greeted(server) as connected:
        yield connected


def test_hello(client: PageClient) -> None:
    """The reply to hello has what the page says, in the ranges that it says."""
    welcome = client.welcome
    assert welcome["version"] == 1
    assert welcome["digest"] == "sha-256"
    assert welcome["mode"] == "read-write"
    assert welcome["user"] == ""
    assert "symlink" in welcome["features"]
    assert welcome["limits"] == {
        "pipeline": 64,
        "page": 4096,
        "part": 67108864,
        "bundle-files": 1024,
        "bundle-file": 262144,
        "bundle-bytes": 16777216,
    }


@pytest.mark.parametrize(
    ("hello", "code"),
    [
        ({"type": "hello", "versions": [2], "digests": ["sha-256"]}, "unsupported"),
        ({"type": "hello", "versions": [1], "digests": ["md5"]}, "unsupported"),
        ({"type": "hello", "versions": [1], "digests": ["sha-256"], "user": "joe", "password": "x"}, "login-failed"),
        ({"type": "hello", "versions": 1, "digests": []}, "bad-request"),
        ({"type": "ping"}, "bad-request"),
    ],
)
def test_no_hello(server: Running, hello: dict[str, object], code: str) -> None:
    """Whoever can't be welcomed is told why, and hung up on."""
    with PageClient(server.port) as client:
        client.send(hello)
        header, _ = client.receive()
        assert header["code"] == code
        with pytest.raises(EOFError):
            client.receive()


def test_read_only() -> None:
    """Where one may only read, all that would change something is denied."""
    with serving("--anonymous", "read") as (running, root), greeted(running) as client:
        (root / "f").write_bytes(b"there")
        assert client.welcome["mode"] == "read"
        assert client.get("f")[1] == b"there"
        assert [entry["name"] for entry in client.list("")] == ["f"]
        for request in (
            {"type": "resume", "path": "g", "size": 1},
            {"type": "mkdir", "path": "g"},
            {"type": "remove", "path": "f"},
            {"type": "rename", "path": "f", "to": "g"},
            {"type": "symlink", "path": "g", "target": "f"},
            {"type": "bundle"},
        ):
            assert refusal(client, request) == "denied"
        with pytest.raises(RefusedError, match="denied"):
            client.put("g", b"x")
        assert client.ask({"type": "ping"})[0]["type"] == "ping"
        assert [path.name for path in root.iterdir()] == ["f"]


def test_drop_box() -> None:
    """In a drop box files can be left, and nothing there is seen, replaced or removed."""
    with serving("--anonymous", "drop") as (running, root), greeted(running) as client:
        (root / "f").write_bytes(b"there")
        assert client.welcome["mode"] == "drop"
        client.put("g", b"dropped")
        assert client.bundle([({"path": "a/b"}, b"x"), ({"path": "f"}, b"x")])[1]["code"] == "exists"
        for keys, code in (({}, "exists"), (ABSENT, "exists"), (matching("e"), "denied")):
            with pytest.raises(RefusedError, match=code):
                client.put("f", b"other", **keys)
        for kind in ("stat", "list", "get", "digest", "remove"):
            assert refusal(client, {"type": kind, "path": "f"}) == "denied"
        assert (root / "f").read_bytes() == b"there"
        assert (root / "g").read_bytes() == b"dropped"
        assert (root / "a" / "b").read_bytes() == b"x"


def test_login(tmp_path: Path) -> None:
    """A server that wants to know who asks says so, and takes a hello with a user and a password after that."""
    right, wrong = ({"user": "joe", "password": word} for word in ("secret", "guessed"))
    (tmp_path / "passwords").write_text("joe:secret\n")
    with serving("--auth", f"file:{tmp_path / 'passwords'}") as (running, _):
        with PageClient(running.port) as client:
            with pytest.raises(RefusedError, match="login-required"):
                client.hello()
            assert client.hello(**right)["user"] == "joe"
        with PageClient(running.port) as client:
            with pytest.raises(RefusedError, match="login-failed"):
                client.hello(**wrong)
            with pytest.raises(EOFError):
                client.receive()


def test_broken_stream(client: PageClient) -> None:
    """What isn't a message is told, after the replies that are due, and ends the connection."""
    identity = client.send({"type": "ping"})
    client.socket.sendall(b"\0\0\0\2[]")
    assert client.reply(identity)[0]["type"] == "ping"
    header, _ = client.receive()
    assert (header["type"], header["code"], "id" in header) == ("error", "not-an-object", False)
    with pytest.raises(EOFError):
        client.receive()


def test_half_close(client: PageClient) -> None:
    """A client that has shut its side gets the replies that are due."""
    identities = [client.send({"type": "ping"}) for _ in range(9)]
    client.socket.shutdown(socket.SHUT_WR)
    assert [client.receive()[0]["id"] for _ in identities] == identities
    with pytest.raises(EOFError):
        client.receive()


def test_idle_timeout() -> None:
    """The reply to hello says how long a client may be idle; pings, and parts without content, are taken meanwhile."""
    with serving("--idle-timeout", "1000.5") as (running, _), greeted(running) as client:
        assert client.welcome["idle-timeout"] == 1000.5
        client.ask({"type": "ping"})
        identity = client.send({"type": "put", "path": "slow", "size": 3})
        for byte in (b"", b"a", b"", b"b", b"", b"c"):
            client.send({"type": "part"}, byte, identity)
        client.send({"type": "digest", "digest": digest(b"abc")}, identity=identity)
        assert client.reply(identity)[0]["type"] == "ok"


def test_idle() -> None:
    """A client that says nothing is hung up on; how long each may be silent is in test_page_times.py."""
    with serving("--idle-timeout", "0.3") as (running, _), PageClient(running.port) as silent:
        with pytest.raises(EOFError):
            silent.receive()
        running.wait_for(", idle for 0.3 s\n")


def test_pipeline(client: PageClient) -> None:
    """As many requests as the limit says are sent before the first reply is read; they are answered in order."""
    identities = [
        client.send({"type": "ping"} if number % 2 else {"type": "stat", "path": f"missing{number}"})
        for number in range(client.welcome["limits"]["pipeline"])
    ]
    replies = [client.receive()[0] for _ in identities]
    assert [reply["id"] for reply in replies] == identities
    assert [reply["type"] for reply in replies] == ["error", "ping"] * 32
