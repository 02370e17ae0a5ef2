"""``twistd filexfer`` as a user runs it, with a client that knows nothing of ours."""

import json
import os
import re
import resource
import socket
import ssl
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.processes import Running, command, connect, receive, receive_all, service

Header = dict[str, Any]
ALICE = {"user": "alice", "password": "secret"}


@pytest.fixture(name="root")
def make_root(tmp_path: Path) -> Path:
    """Make a directory to serve, with a file in it."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "f").write_text("hello")
    return root


@pytest.fixture(name="authority")
def make_authority(tmp_path: Path) -> trustme.CA:
    """Make a CA, a server's certificate, and alice's; ca.pem, server/localhost.pem and alice.pem."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "server").mkdir()
    certificate = authority.issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server" / "localhost.pem")
    alice = authority.issue_cert("alice.example", common_name="alice")
    alice.private_key_and_cert_chain_pem.write_to_path(tmp_path / "alice.pem")
    return authority


@contextmanager
def serving(root: Path, *options: str, endpoint: str = "tcp:0:interface=127.0.0.1") -> Iterator[Running]:
    """Run the service."""
    with service("filexfer", "--root", str(root), "--listen", endpoint, *options, listen=False) as running:
        yield running


def ask(connection: socket.socket, kind: str, **keys: Any) -> Header:
    """Send a request, and give its reply without its content."""
    raw = json.dumps({"type": kind, "id": 1, **keys}).encode()
    connection.sendall(struct.pack("!I", len(raw)) + raw)
    header: Header = {"type": "working"}
    while header["type"] == "working":
        (length,) = struct.unpack("!I", receive(connection, 4))
        header = json.loads(receive(connection, length))
        receive(connection, header.get("length", 0))
    return header


def hello(connection: socket.socket, **keys: Any) -> Header:
    """Greet."""
    return ask(connection, "hello", versions=[1], digests=["sha-256"], **keys)


def test_twistd_lists_it(tmp_path: Path) -> None:
    """`twistd --help` names it; its own help fits into 80 columns and names each option."""
    assert re.search(r"^ +filexfer +\w", command("twistd", "--help", cwd=tmp_path).stdout.decode(), re.MULTILINE)
    done = command("twistd", "filexfer", "--help")
    text = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"")
    assert max(map(len, text.splitlines())) <= 80
    ours = {"root", "anonymous", "users", "client-ca", "quota", "auth", "help-auth", "help-auth-type"}
    common = {"grace", "idle-timeout", "listen", "max-connections", "workers", "help", "version"}
    described = re.findall(r"^ +--([\w-]+)", text, re.MULTILINE)
    assert {*described} == ours | common


def test_help_auth() -> None:
    """`--help-auth` lists the checkers, and `--help-auth-type file` says what the file looks like."""
    assert b"file" in command("twistd", "filexfer", "--help-auth").stdout
    assert b"username:password" in command("twistd", "filexfer", "--help-auth-type", "file").stdout


def test_open_on_loopback(root: Path) -> None:
    """Without a word about access, this machine reads and writes; the log has a line for what was done."""
    with serving(root) as running, connect(running.addresses[0]) as client:
        welcome = hello(client)
        assert (welcome["type"], welcome["mode"], welcome["user"]) == ("hello", "read-write", "")
        assert ask(client, "stat", path="f")["size"] == 5
        assert ask(client, "mkdir", path="d")["type"] == "ok"
        assert ask(client, "stat", path="a\nb\x1b[2K")["code"] == "bad-name"
        running.wait_for(", bad-name\n")
        peer = re.escape(f"127.0.0.1:{client.getsockname()[1]}")
        assert re.search(rf'filexfer: anonymous at {peer}: mkdir "d", [\d.]+ s, ok\n', running.log)
    assert (root / "d").is_dir()


@pytest.mark.parametrize(
    ("mode", "allowed"), [("read", {"stat"}), ("write", {"stat", "mkdir", "remove"}), ("drop", {"mkdir"})]
)
def test_anonymous(mode: str, allowed: set[str], root: Path) -> None:
    """`--anonymous` says what those may do who don't log in."""
    with serving(root, "--anonymous", mode) as running, connect(running.addresses[0]) as client:
        hello(client)
        for kind, path in (("stat", "f"), ("mkdir", "d"), ("remove", "f")):
            reply = ask(client, kind, path=path)
            assert ("code" not in reply, reply.get("code")) == (
                (kind in allowed),
                None if kind in allowed else "denied",
            )


def test_passwords(root: Path, tmp_path: Path) -> None:
    """With `--auth file:` the right password logs in, and nothing else; each user has the directory of the file."""
    (tmp_path / "passwords").write_text("alice:secret\nbob:geheim\n")
    (tmp_path / "users.toml").write_text("[users.alice]\nroot = 'alice'\nmode = 'drop'\n")
    options = ["--auth", f"file:{tmp_path / 'passwords'}", "--users", str(tmp_path / "users.toml")]
    with serving(root, *options) as running:
        with connect(running.addresses[0]) as client:
            assert hello(client)["code"] == "login-required"
            welcome = hello(client, **ALICE)
            assert (welcome["mode"], welcome["user"]) == ("drop", "alice")
            assert ask(client, "mkdir", path="hers")["type"] == "ok"
        for login, code in (
            ({"user": "alice", "password": "wrong"}, "login-failed"),
            ({"user": "bob", "password": "geheim"}, "denied"),
        ):
            with connect(running.addresses[0]) as client:
                assert hello(client, **login)["code"] == code
                assert receive_all(client) == b""
        assert "secret" not in running.log
        assert "geheim" not in running.log
    assert (root / "alice" / "hers").is_dir()


def test_password_behind_a_proxy(root: Path, tmp_path: Path) -> None:
    """A password that came through a proxy isn't taken, whatever address the proxy claims."""
    (tmp_path / "passwords").write_text("alice:secret\n")
    options = ["--auth", f"file:{tmp_path / 'passwords'}", "--anonymous", "read"]
    with (
        serving(root, *options, endpoint="haproxy:tcp:0:interface=127.0.0.1") as running,
        connect(running.addresses[0]) as client,
    ):
        client.sendall(b"PROXY TCP4 127.0.0.1 127.0.0.1 4711 5680\r\n")
        assert hello(client, **ALICE)["code"] == "denied"


@pytest.mark.usefixtures("authority")
def test_certificates(root: Path, tmp_path: Path) -> None:
    """With `--client-ca` a certificate logs in by itself, as the user of its name; without one, one isn't known."""
    (tmp_path / "users.toml").write_text("[users.alice]\nroot = 'alice'\n")
    options = ["--client-ca", str(tmp_path / "ca.pem"), "--users", str(tmp_path / "users.toml")]
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    with serving(root, *options, endpoint=f"tls:{tmp_path / 'server'}:0:interface=127.0.0.1") as running:
        with context.wrap_socket(connect(running.addresses[0]), server_hostname="localhost") as client:
            assert hello(client)["code"] == "login-required"
        context.load_cert_chain(tmp_path / "alice.pem")
        with context.wrap_socket(connect(running.addresses[0]), server_hostname="localhost") as client:
            assert hello(client)["user"] == "alice"
            assert ask(client, "stat", path="f")["code"] == "not-found"
    assert (root / "alice").is_dir()


@pytest.mark.usefixtures("authority")
def test_certificate_of_another_ca(root: Path, tmp_path: Path) -> None:
    """A certificate that another CA has signed ends the handshake: nothing is answered."""
    other = tmp_path / "mallory.pem"
    trustme.CA().issue_cert("x.example", common_name="alice").private_key_and_cert_chain_pem.write_to_path(other)
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    context.load_cert_chain(other)
    endpoint = f"tls:{tmp_path / 'server'}:0:interface=127.0.0.1"
    with serving(root, "--client-ca", str(tmp_path / "ca.pem"), endpoint=endpoint) as running:
        client = connect(running.addresses[0])
        with pytest.raises(ssl.SSLError), context.wrap_socket(client, server_hostname="localhost") as wrapped:
            hello(wrapped)
        client.close()
        running.wait_for("certificate verify failed")


@pytest.mark.usefixtures("authority")
def test_without_the_tls_extra(root: Path, tmp_path: Path) -> None:
    """Without pyOpenSSL it serves, and a TLS endpoint is one sentence that says what to install."""
    program = "import sys; sys.modules['OpenSSL'] = None; from twisted.scripts.twistd import run; run()"
    words = ["-n", "--pidfile=", "filexfer", "--root", str(root)]
    done = command(
        sys.executable, "-c", program, *words, "--listen", f"tls:{tmp_path / 'server'}:0:interface=127.0.0.1"
    )
    assert done.returncode == os.EX_USAGE
    assert re.fullmatch(
        r"twistd filexfer: --listen \S+ TLS needs \S+ pip install 'twisted-lab\[tls\]'\n", done.stderr.decode()
    )
    with (
        service("filexfer", "--root", str(root), twistd=[sys.executable, "-c", program, "-n"]) as running,
        connect(running.addresses[0]) as client,
    ):
        assert hello(client)["type"] == "hello"


def test_refuses_other_machines(root: Path) -> None:
    """On an endpoint that other machines can reach, without a word about access, it doesn't start: status 64."""
    done = command("twistd", "-n", "filexfer", "--root", str(root), "--listen", "tcp:0", cwd=root)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (os.EX_USAGE, b"", 1)
    assert b"say who may come in, with --auth, --client-ca or --anonymous" in done.stderr
    assert [path.name for path in root.iterdir()] == ["f"]


def test_what_is_left_over_goes_at_the_start(root: Path) -> None:
    """What a broken put left is removed at the start if it is old, and stays to go on with if it isn't."""
    with serving(root) as running, connect(running.addresses[0]) as client:
        hello(client)
        raw = json.dumps({"type": "put", "id": 1, "path": "new", "size": 100, "length": 50}).encode()
        client.sendall(struct.pack("!I", len(raw)) + raw + bytes(50))
        running.wait_until(lambda: any(path.stat().st_size >= 50 for path in root.iterdir()), "content")
    assert len([*root.iterdir()]) == 2
    with serving(root) as running, connect(running.addresses[0]) as client:
        hello(client)
        assert ask(client, "resume", path="new", size=100)["offset"] == 50
    program = (
        "import time; seconds = time.time() + 2 * 86400; time.time = lambda: seconds; "
        "from twisted.scripts.twistd import run; run()"
    )
    with service("filexfer", "--root", str(root), twistd=[sys.executable, "-c", program, "-n"]) as running:
        running.wait_for("1 files of 50 B removed")
    assert [path.name for path in root.iterdir()] == ["f"]


def test_descriptors(root: Path) -> None:
    """The service may open as many files as its connections need, whatever the shell's soft limit was."""
    shell = ("sh", "-c", 'ulimit -Sn 256; exec twistd -n "$@"', "sh")
    with service("filexfer", "--root", str(root), twistd=shell) as running:
        soft, hard = resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE)
    assert soft == min(hard, 4 * 900 + 2048)
