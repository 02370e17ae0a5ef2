"""``twistd echo`` and ``twistd header`` as a user runs them: real processes, real sockets."""

import json
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.processes import DEADLINE, Running, command, connect, receive, receive_all, service

#: Puts the descriptor that is its first argument where systemd would, and becomes the program of the others.
SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "echo"}
os.execvp(sys.argv[2], sys.argv[2:])
"""
#: In a network namespace of its own: brings loopback up and becomes the program that its arguments name.
ALONE = """
import fcntl, os, socket, struct, sys
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP))
os.execvp(sys.argv[1], sys.argv[1:])
"""
#: A log observer for twistd's --logger: the usual text, and each event as a line of JSON in the file `events`.
BOTH_LOGS = """
import sys
from twisted.logger import LogPublisher, jsonFileLogObserver, textFileLogObserver

def observer():
    return LogPublisher(
        textFileLogObserver(sys.stdout), jsonFileLogObserver(open("events", "w"), recordSeparator="")
    )
"""


@pytest.fixture(scope="module")
def echo() -> Iterator[Running]:
    """Run the tutorial's echo, with UDP."""
    with service("echo", "--udp") as running:
        yield running


@pytest.fixture(scope="module")
def rfc862() -> Iterator[Running]:
    """Run the echo of RFC 862, with UDP."""
    with service("echo", "--prefix", "", "--udp") as running:
        yield running


def encode(header: dict[str, Any], content: bytes = b"") -> bytes:
    """Write a message with nothing but struct and json, as a peer in another language would."""
    raw = json.dumps(header | {"length": len(content)} if content else header).encode()
    return struct.pack("!I", len(raw)) + raw + content


def read_reply(connection: socket.socket) -> tuple[dict[str, Any], bytes]:
    """Read a message: header and content."""
    (length,) = struct.unpack("!I", receive(connection, 4))
    header = json.loads(receive(connection, length))
    return header, receive(connection, header.get("length", 0))


def say(connection: socket.socket, message: bytes, expected: bytes) -> None:
    """Send `message`; see that `expected` comes back."""
    connection.sendall(message)
    assert receive(connection, len(expected)) == expected


def exchange_datagram(port: int, datagram: bytes) -> bytes:
    """Send one datagram, and give the one that comes back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(DEADLINE)
        client.sendto(datagram, ("127.0.0.1", port))
        return client.recv(65536)


def fill(connection: socket.socket, content: bytes) -> int:
    """Send `content`, and never read, until the server takes nothing more; give how much it took."""
    connection.settimeout(0.1)
    sent = 0
    with suppress(TimeoutError):
        while sent < len(content):
            sent += connection.send(content[sent : sent + 2**16])
    connection.settimeout(DEADLINE)
    return sent


def test_twistd_lists_the_plugins(tmp_path: Path) -> None:
    """`twistd --help` names both services, wherever it is run."""
    listing = command("twistd", "--help", cwd=tmp_path).stdout.decode()
    assert re.search(r"^ +echo +\w", listing, re.MULTILINE)
    assert re.search(r"^ +header +\w", listing, re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("echo", ["--grace", "--idle-timeout", "--listen", "--max-connections", "--prefix", "--udp", "--workers"]),
        ("header", ["--grace", "--idle-timeout", "--listen", "--max-connections", "--workers"]),
    ],
)
def test_help_reads_well(name: str, options: list[str]) -> None:
    """`twistd NAME --help` fits into 80 columns and names each option."""
    done = command("twistd", name, "--help")
    text = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"")
    assert max(map(len, text.splitlines())) <= 80
    assert {*re.findall(r"--[\w-]+", text)} == {*options, "--help", "--version"}


def test_version_is_ours() -> None:
    """`twistd echo --version` gives twisted-lab's version, not Twisted's."""
    assert command("twistd", "echo", "--version").stdout.decode() == f"twisted-lab {version('twisted-lab')}\n"


@pytest.mark.parametrize(
    ("options", "culprit"),
    [
        (["--listen", "carrier-pigeon:5678"], "carrier-pigeon"),
        (["--listen", "tcp:echo"], "tcp:echo"),
        (["--listen", "tls:/nonexistent:0:interface=127.0.0.1"], "/nonexistent"),
        (["--listen", "tls:.:0:interface=127.0.0.1"], "tls:."),
        (["--listen", "systemd:domain=INET:index=0"], "systemd:domain=INET:index=0"),
        (["--listen", "unix:echo.socket", "--udp"], "unix:echo.socket"),
        (["--nonsense"], "--nonsense"),
        (["stray"], "stray"),
        (["--grace", "soon"], "--grace"),
        (["--idle-timeout", "-1"], "--idle-timeout"),
        (["--max-connections", "0"], "--max-connections"),
    ],
)
def test_a_mistake_is_one_sentence(options: list[str], culprit: str, tmp_path: Path) -> None:
    """A mistake on the command line is one line that names it, status 64 and nothing started."""
    done = command("twistd", "-n", "echo", *options, cwd=tmp_path)
    sentence = done.stderr.decode()
    assert (done.returncode, done.stdout, sentence.count("\n")) == (os.EX_USAGE, b"", 1), sentence
    assert sentence.startswith("twistd echo: ")
    assert culprit in sentence
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_an_address_in_use_is_one_sentence(kind: str, tmp_path: Path) -> None:
    """An address that can't be had is one sentence and status 69; no PID file is left behind, nor a port open."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1" if kind == "tcp" else "unix:missing/echo"
        reason = "Address already in use" if kind == "tcp" else "No such file or directory"
        free = "tcp:0:interface=127.0.0.1"
        done = command("twistd", "-n", "echo", "--listen", free, "--listen", address, cwd=tmp_path)
    output = (done.stdout + done.stderr).decode()
    assert done.returncode == os.EX_UNAVAILABLE
    assert output.count(f"twistd echo: can't listen on {address}: {reason}\n") == 1
    assert "Traceback" not in output
    assert not [*tmp_path.iterdir()]


def test_the_default_is_loopback() -> None:
    """Without --listen only this machine can reach the service: 127.0.0.1:5678, and nothing else is open."""
    alone = ["unshare", "--map-root-user", "--net", sys.executable, "-c", ALONE]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespace can be made here")
    with service("echo", listen=False, twistd=[*alone, "twistd", "-n"]) as running:
        assert running.addresses == ["127.0.0.1:5678"]
        listening = []
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/{running.process.pid}/net/{table}").read_text().splitlines()[1:]:
                _, local, _, state, *_ = line.split()
                if state == "0A":
                    listening.append(local)
        assert listening == ["0100007F:162E"]


def test_each_chunk_has_the_prefix(echo: Running) -> None:
    """The tutorial's server answers `echo ` and what it received."""
    with connect(echo.addresses[0]) as client:
        say(client, b"hello", b"echo hello")
        say(client, "你好".encode(), "echo 你好".encode())


def test_rfc_862_gives_every_byte_back(rfc862: Running) -> None:
    """With `--prefix ''` what comes back is what was sent, and the connection closes after the last of it."""
    content = os.urandom(100_000)
    with connect(rfc862.addresses[0]) as client:
        client.sendall(content)
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client) == content


def test_a_datagram_comes_back_with_the_prefix(echo: Running) -> None:
    """With --udp each datagram is answered by one, the prefix before it, whatever its size."""
    assert f"echo listens on {echo.addresses[0]} (udp)\n" in echo.log
    assert exchange_datagram(echo.port, b"hello") == b"echo hello"
    assert exchange_datagram(echo.port, bytes(65_000)) == b"echo " + bytes(65_000)


def test_a_datagram_comes_back_as_it_was(rfc862: Running) -> None:
    """With --udp and RFC 862 each datagram is answered by the same one: empty, small, and the largest there is."""
    for datagram in (b"", b"hello", os.urandom(65_507)):
        assert exchange_datagram(rfc862.port, datagram) == datagram


def test_a_datagram_too_large_with_its_prefix_is_logged(echo: Running) -> None:
    """A datagram whose answer would be too large for UDP gets none; the log says so, and the next is answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(bytes(65_507), ("127.0.0.1", echo.port))
    echo.wait_for("a datagram of 65507 B isn't answered")
    assert exchange_datagram(echo.port, b"still there") == b"echo still there"


def test_several_endpoints(tmp_path: Path) -> None:
    """Each --listen is served, a unix socket too; its file is gone when the service is."""
    path = tmp_path / "echo.socket"
    endpoints = ["tcp:0:interface=127.0.0.1", f"unix:{path}", "tcp:0:interface=127.0.0.2"]
    options = [word for endpoint in endpoints for word in ("--listen", endpoint)]
    with service("echo", *options, endpoints=3, listen=False) as running:
        assert running.addresses[1] == f"unix:{path}"
        for address in running.addresses:
            with connect(address) as client:
                say(client, b"hello", b"echo hello")
        running.wait_for("echo: unix 5 B in, 10 B out")
        running.stop()
    assert not path.exists()


def test_tls(tmp_path: Path) -> None:
    """`tls:DIR:PORT` serves with DIR's certificate, which a client verifies; 1 MiB comes back through it."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "localhost.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    options = ["--listen", f"tls:{tmp_path}:0:interface=127.0.0.1", "--prefix", ""]
    with (
        service("echo", *options, listen=False) as running,
        context.wrap_socket(connect(running.addresses[0]), server_hostname="localhost") as client,
    ):
        for _ in range(16):
            block = os.urandom(2**16)
            say(client, block, block)


def test_systemd_passes_the_socket() -> None:
    """`systemd:domain=INET:index=0` serves the socket that systemd opened."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        activation = [sys.executable, "-c", SYSTEMD, str(listener.fileno()), "twistd", "-n"]
        options = ["--listen", "systemd:domain=INET:index=0"]
        with service("echo", *options, listen=False, twistd=activation, descriptors=[listener.fileno()]) as running:
            assert running.addresses == [f"{host}:{port}"]
            with connect(f"{host}:{port}") as client:
                say(client, b"hello", b"echo hello")


def test_a_proxy_names_the_client() -> None:
    """Behind `haproxy:` the log names the client's address, not the proxy's."""
    with service("echo", "--listen", "haproxy:tcp:0:interface=127.0.0.1", listen=False) as running:
        with connect(running.addresses[0]) as client:
            say(client, b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 5678\r\nhello", b"echo hello")
        running.wait_for("echo: 203.0.113.7:4711 5 B in, 10 B out")


def test_a_proxied_client_may_shut_its_side() -> None:
    """Behind `haproxy:` too: all sent that the server takes, the write side shut, read late; every byte comes back."""
    content = os.urandom(2**24)
    with service("echo", "--prefix", "", "--listen", "haproxy:tcp:0:interface=127.0.0.1", listen=False) as running:
        for _ in range(8):  # whether anything is left to send when the end comes is a matter of luck
            with connect(running.addresses[0]) as client:
                client.sendall(b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 5678\r\n")
                sent = fill(client, content)
                client.shutdown(socket.SHUT_WR)
                received = receive_all(client)
                assert len(received) == sent
                assert received == content[:sent]


def test_sigterm_closes_an_idle_connection() -> None:
    """SIGTERM ends a service with an idle connection at once: the client sees the end, the log says why."""
    with service("echo", "--grace", "1000") as running, connect(running.addresses[0]) as client:
        say(client, b"hello", b"echo hello")
        peer = client.getsockname()[1]
        assert running.stop() == -signal.SIGTERM
        assert receive_all(client) == b""
    assert re.search(rf"echo: 127\.0\.0\.1:{peer} 5 B in, 10 B out, [\d.]+ s, server stopping\n", running.log)
    assert "Server Shut Down." in running.log


def test_sigterm_lets_a_message_finish() -> None:
    """A message that is half there at SIGTERM, and completes within the grace period, is answered; no new client is."""
    message = encode({"type": "slow", "id": 7}, b"half" + b"half")
    with service("header", "--grace", "1000") as running, connect(running.addresses[0]) as client:
        client.sendall(message[:-4])
        # A connection beside it shows that the half has been read.
        with connect(running.addresses[0]) as other:
            other.sendall(encode({"type": "fast"}))
            assert read_reply(other)[0]["type"] == "fast"
            running.process.send_signal(signal.SIGTERM)
            assert receive_all(other) == b""
        with pytest.raises(ConnectionRefusedError):
            connect(running.addresses[0])
        client.sendall(message[-4:])
        header, content = read_reply(client)
        assert (header["type"], header["id"], content) == ("slow", 7, b"halfhalf")
        assert receive_all(client) == b""
        assert running.wait() == -signal.SIGTERM
    assert running.log.count("server stopping") == 2


def test_sigterm_aborts_what_outlasts_the_grace_period() -> None:
    """A peer that never reads, and a message that never ends, hold a stopping service for the grace period only."""
    with ExitStack() as stack:
        echo = stack.enter_context(service("echo", "--grace", "0.5"))
        header = stack.enter_context(service("header", "--grace", "0.5"))
        deaf = stack.enter_context(connect(echo.addresses[0]))
        stalled = stack.enter_context(connect(header.addresses[0]))
        stalled.sendall(encode({"type": "whole"}))  # once it is answered, the connection is the service's
        assert read_reply(stalled)[0]["type"] == "whole"
        stalled.sendall(encode({"type": "stalled"}, bytes(100))[:-1])
        content = bytes(2**26)
        assert fill(deaf, content) < len(content)
        assert echo.stop() == -signal.SIGTERM
        assert header.stop() == -signal.SIGTERM
        assert "server stopping" in echo.log
        assert "echo: 127.0.0.1:" in echo.log
        assert "header: 127.0.0.1:" in header.log


def test_a_surplus_client_is_told() -> None:
    """With --max-connections 1 a second client reads that the server is busy; when the first leaves, it is served."""
    with service("echo", "--max-connections", "1") as running:
        with connect(running.addresses[0]) as first:
            say(first, b"hello", b"echo hello")
            with connect(running.addresses[0]) as surplus:
                assert re.fullmatch(rb"busy: .*\n", receive_all(surplus))
            running.wait_for(" refused: at most 1 connections at one time")
            say(first, b"still here", b"echo still here")
        running.wait_for("closed by peer")
        with connect(running.addresses[0]) as next_one:
            say(next_one, b"hello", b"echo hello")


def test_a_surplus_client_of_rfc_862_gets_nothing() -> None:
    """In RFC 862 every byte is an echo: the surplus client's connection is closed without a word."""
    with service("echo", "--max-connections", "1", "--prefix", "") as running, connect(running.addresses[0]) as first:
        say(first, b"hello", b"hello")
        with connect(running.addresses[0]) as surplus:
            assert receive_all(surplus) == b""


def test_a_surplus_client_of_header_gets_an_error() -> None:
    """With --max-connections 1 a second client reads an error with code too-many-connections; the next is served."""
    with service("header", "--max-connections", "1") as running:
        with connect(running.addresses[0]) as first:
            first.sendall(encode({"type": "first"}))
            assert read_reply(first)[0]["type"] == "first"
            with connect(running.addresses[0]) as surplus:
                # It speaks first, as clients do: what it sent must not drown what it is told.
                with suppress(OSError):  # it may be told, and cut off, before it has spoken
                    surplus.sendall(encode({"type": "second"}, bytes(1000)))
                header, _ = read_reply(surplus)
                assert (header["type"], header["code"]) == ("error", "too-many-connections")
                assert receive_all(surplus) == b""
        running.wait_for("closed by peer")
        with connect(running.addresses[0]) as next_one:
            next_one.sendall(encode({"type": "third"}))
            assert read_reply(next_one)[0]["type"] == "third"


def test_an_idle_connection_is_closed() -> None:
    """With --idle-timeout 0.4 a connection without traffic is closed, and the log says why."""
    with service("echo", "--idle-timeout", "0.4") as running, connect(running.addresses[0]) as client:
        assert receive_all(client) == b""
        running.wait_for("0 B in, 0 B out")
        assert running.log.endswith("idle for 0.4 s\n")


def test_the_log_line_is_structured(tmp_path: Path) -> None:
    """A JSON log has peer, bytes_in, bytes_out, duration and reason of each connection as fields of their own."""
    (tmp_path / "both_logs.py").write_text(BOTH_LOGS)
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    twistd = ["env", f"PYTHONPATH={path}", "twistd", "-n", "--logger", "both_logs.observer"]
    with service("header", twistd=twistd) as running:
        with connect(running.addresses[0]) as client:
            client.sendall(encode({"type": "greeting"}, b"hello"))
            reply = read_reply(client)
            peer = f"127.0.0.1:{client.getsockname()[1]}"
        running.wait_for("closed by peer")
        running.stop()
        events = [json.loads(line) for line in (running.directory / "events").read_text().splitlines()]
    (event,) = [event for event in events if "bytes_in" in event]
    assert (event["name"], event["peer"], event["reason"]) == ("header", peer, "closed by peer")
    assert event["bytes_in"] == len(encode({"type": "greeting"}, b"hello"))
    assert event["bytes_out"] == len(json.dumps(reply[0], separators=(",", ":"))) + 4 + 5
    assert 0 <= event["duration"] < DEADLINE


def test_a_daemon(tmp_path: Path) -> None:
    """Without -n the service goes to the background and serves until SIGTERM; a second one there can't start."""
    pidfile, log = tmp_path / "first.pid", tmp_path / "first.log"
    started = command(
        *("twistd", "--pidfile", str(pidfile), "--logfile", str(log)), "echo", "--listen", "tcp:0:interface=127.0.0.1"
    )
    assert started.returncode == 0
    try:
        address = re.findall(r"listens on (\S+)", log.read_text())[0]
        with connect(address) as client:
            say(client, b"hello", b"echo hello")
        port = address.rpartition(":")[2]
        second = command(
            *("twistd", "--pidfile", str(tmp_path / "second.pid"), "--logfile", str(tmp_path / "second.log")),
            *("echo", "--listen", f"tcp:{port}:interface=127.0.0.1"),
        )
        assert second.returncode != 0
        assert b"can't listen on" in second.stderr
        assert "Address already in use\n" in (tmp_path / "second.log").read_text()
        # Whoever started it was told before it has ended.
        wait_until_gone(tmp_path / "second.pid")
        assert not (tmp_path / "second.pid").exists()
    finally:
        os.kill(int(pidfile.read_text()), signal.SIGTERM)
        wait_until_gone(pidfile)
    wait_while(lambda: "Server Shut Down." not in log.read_text())  # which comes after the file is removed
    assert "Server Shut Down." in log.read_text()


def wait_until_gone(path: Path) -> None:
    """Wait until a file is removed, or for so long as it may take."""
    wait_while(path.exists)


def wait_while(it_is_so: Callable[[], bool]) -> None:
    """Wait, but no longer than it may take."""
    deadline = time.monotonic() + DEADLINE
    while it_is_so() and time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.mark.parametrize("kind", ["ssl:0", "tls:{}:0:interface=127.0.0.1"])
def test_without_the_tls_extra(kind: str, tmp_path: Path) -> None:
    """Without pyOpenSSL a TLS endpoint is one sentence that says what to install."""
    trustme.CA().cert_pem.write_to_path(tmp_path / "authority.pem")
    program = "import sys; sys.modules['OpenSSL'] = None; from twisted.scripts.twistd import run; run()"
    done = command(sys.executable, "-c", program, "-n", "--pidfile=", "echo", "--listen", kind.format(tmp_path))
    assert done.returncode == os.EX_USAGE
    assert re.fullmatch(r"twistd echo: --listen \S+ needs TLS: pip install 'twisted-lab\[tls]'\n", done.stderr.decode())
