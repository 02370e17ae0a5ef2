"""What all models have in common: whatever is behind it, an echo server behaves alike on the wire."""

import errno
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import pytest

from tests.processes import DEADLINE, Running, children, command, connect, program, receive, receive_all
from twisted_lab.models import NAMES, ONE_AT_A_TIME
from twisted_lab.models.socketserver import Handler
from twisted_lab.models.socketserver_threads import ThreadingServer
from twisted_lab.models.threads import REST

MIB = 2**20
RESET = struct.pack("ii", 1, 0)  # what SO_LINGER must be for a close to be a reset


def words(name: str, *options: str) -> list[str]:
    """Give the command that runs a model; skip the test if it can't run here."""
    if name == "uvloop" and find_spec("uvloop") is None:
        pytest.skip("uvloop isn't installed")
    return [sys.executable, "-m", f"twisted_lab.models.{name}", *options]


@pytest.fixture(scope="module", params=NAMES)
def server(request: pytest.FixtureRequest) -> Iterator[Running]:
    """Run each of them, as RFC 862 says."""
    with program(*words(request.param, "127.0.0.1", "0", "--prefix", "")) as running:
        yield running
        running.stop()


@pytest.fixture
def parallel(server: Running) -> Running:
    """Give it if it serves several clients at a time."""
    if server.log.split()[0] in ONE_AT_A_TIME:
        pytest.skip("it serves one client after the other, which is what it is there to show")
    return server


def client(server: Running) -> "closing[socket.socket]":
    """Connect."""
    return closing(connect(server.addresses[0]))


def is_answered(connection: socket.socket, text: bytes = b"hello") -> bool:
    """Tell whether a message comes back."""
    connection.sendall(text)
    return receive(connection, len(text)) == text


def test_conversation(server: Running) -> None:
    """Several messages of one client come back, and after its end the server closes."""
    with client(server) as connection:
        assert is_answered(connection)
        assert is_answered(connection, b"\x00\xff")
        connection.shutdown(socket.SHUT_WR)
        assert receive_all(connection) == b""


def test_many_at_once(parallel: Running) -> None:
    """200 clients are served side by side, some of them silent, and later ones are served when those have gone."""
    with ExitStack() as stack:
        clients = [stack.enter_context(client(parallel)) for _ in range(200)]
        assert all(is_answered(connection, b"%d" % number) for number, connection in enumerate(clients) if number % 2)
        assert all(is_answered(connection) for connection in reversed(clients))
    with client(parallel) as connection:
        assert is_answered(connection)


def test_many_in_turn(server: Running) -> None:
    """200 clients that come at once are all served, if need be one after the other."""
    with ExitStack() as stack:
        clients = [stack.enter_context(client(server)) for _ in range(200)]
        for number, connection in enumerate(clients):
            assert is_answered(connection, b"%d" % number)
            connection.close()


def test_half_close(server: Running) -> None:
    """8 MiB come back whole to a client that has shut its side before it reads the last of them."""
    data = os.urandom(8 * MIB)
    with client(server) as connection:

        def send() -> None:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)

        sender = Thread(target=send)
        sender.start()
        time.sleep(0.1)  # until the server may have stopped reading
        assert receive_all(connection) == data
        sender.join(DEADLINE)


def test_reset(server: Running) -> None:
    """A client that resets its connection in the middle of an answer harms no other."""
    for size in (1, MIB):
        with client(server) as connection:
            connection.setblocking(False)
            connection.send(bytes(size))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        with client(server) as connection:
            assert is_answered(connection)
    assert "Traceback" not in server.log


def test_slow_reader(server: Running) -> None:
    """A client that doesn't read isn't read from for ever; what it was read is all there in the end."""
    with client(server) as connection:
        data, sent = os.urandom(64 * MIB), 0
        connection.settimeout(0.5)
        with suppress(TimeoutError):
            while sent < len(data):
                sent += connection.send(data[sent : sent + MIB])
        assert sent < 32 * MIB
        if server.log.split()[0] not in ONE_AT_A_TIME:
            with client(server) as other:
                assert is_answered(other)
        connection.settimeout(DEADLINE)
        connection.shutdown(socket.SHUT_WR)
        assert receive_all(connection) == data[:sent]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c(name: str, how: signal.Signals) -> None:
    """The tutorial's prefix stands before an answer; Ctrl-C ends all that was started, with nothing left to read."""
    with program(*words(name, "127.0.0.1", "0")) as running:
        with client(running) as connection:
            connection.sendall(b"hello")
            assert receive(connection, 10) == b"echo hello"
            processes = [running.process.pid, *children(running.process.pid)]
            assert running.stop(how) == 128 + how
            assert receive_all(connection) == b""
        deadline = time.monotonic() + DEADLINE
        while any(Path(f"/proc/{pid}").exists() for pid in processes):
            assert time.monotonic() < deadline, processes
            time.sleep(0.01)
        assert len(running.log.splitlines()) == 1


@pytest.mark.parametrize("name", NAMES)
def test_in_the_background(name: str) -> None:
    """What a script's shell started with ``&``, which ignores Ctrl-C, ends by SIGTERM all the same."""
    with program("sh", "-c", 'trap "" INT; exec "$@"', "sh", *words(name, "127.0.0.1", "0")) as running:
        assert running.stop() == 128 + signal.SIGTERM


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ONE_AT_A_TIME])
def test_more_clients_than_files(name: str) -> None:
    """Who comes when no more files can be opened waits or is sent away; who was there or comes later is served."""
    limited = ["sh", "-c", 'ulimit -n 40; exec "$@"', "sh"]
    with program(*limited, *words(name, "127.0.0.1", "0", "--prefix", "")) as running:
        with ExitStack() as stack:
            clients = [stack.enter_context(client(running)) for _ in range(60)]
            assert is_answered(clients[0])
            time.sleep(0.2)  # until it has met its limit
            assert is_answered(clients[0])
        deadline = time.monotonic() + DEADLINE
        answered = False
        while not answered:  # it may not have noticed yet that they have gone
            assert time.monotonic() < deadline
            with client(running) as connection, suppress(OSError):
                answered = is_answered(connection)
        running.stop()


def test_threads_rest_when_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client who can't be accepted waits; the server doesn't try again and again meanwhile, on a whole core."""
    rests: list[float] = []
    monkeypatch.setattr("twisted_lab.models.socketserver_threads.time.sleep", rests.append)

    class Full:
        def accept(self) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

    with ThreadingServer(("127.0.0.1", 0), Handler) as server:
        listener = server.socket
        monkeypatch.setattr(server, "socket", Full())
        server._handle_request_noblock()  # type: ignore[attr-defined]  # what the library's loop calls
        assert rests == [REST]
        monkeypatch.setattr(server, "socket", listener)


def test_prefork_shares_with_no_stranger() -> None:
    """A second one on the same port says so, and doesn't take half of the first one's clients."""
    with program(*words("prefork", "127.0.0.1", "0")) as running:
        done = command(*words("prefork", "127.0.0.1", str(running.port)))
        running.stop()
    assert done.returncode == os.EX_UNAVAILABLE
    assert done.stderr.decode().endswith("Address already in use\n")


@pytest.mark.parametrize("name", NAMES)
def test_port_in_use(name: str) -> None:
    """A port that somebody has is one sentence."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = command(*words(name, "127.0.0.1", str(taken.getsockname()[1])))
    assert done.returncode == os.EX_UNAVAILABLE
    assert done.stderr.decode().endswith("Address already in use\n")
    assert done.stderr.count(b"\n") == 1
