"""``--workers N`` as a user meets it: real processes, killed, stopped and starved."""

import os
import re
import signal
import socket
import ssl
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import trustme

from tests.processes import DEADLINE, Running, command, connect, receive_all, service
from tests.test_plugins import SYSTEMD, encode, exchange_datagram, read_reply, say

MIB = 2**20


def workers(running: Running) -> list[int]:
    """Give the process numbers of all workers there have been, in the order in which they started."""
    return [int(pid) for pid in re.findall(r"worker (\d+) starts\n", running.log)]


def state(pid: int) -> str:
    """Give the state of a process, as `ps` names it; Z if there is none any more."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return "Z"
    return status.rpartition(") ")[2][0]


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended; whoever inherited it may take its time to bury it."""
    return state(pid) == "Z"


def wait_until_gone(*pids: int) -> None:
    """Wait until these processes have ended."""
    deadline = time.monotonic() + DEADLINE
    while not all(map(is_gone, pids)):
        assert time.monotonic() < deadline, pids
        time.sleep(0.01)


@contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """Let these processes do nothing until the block ends."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
        while state(pid) != "T":
            time.sleep(0.001)
    try:
        yield
    finally:
        for pid in pids:
            if not is_gone(pid):
                os.kill(pid, signal.SIGCONT)


def connect_until_refused(address: str) -> None:
    """Connect again and again; what is accepted is closed, or reset, while the sockets are being closed."""
    while True:
        with connect(address) as late:
            assert receive_all(late) == b""


def say_to(
    running: Running, address: str, worker: int, context: ssl.SSLContext | None = None, first: bytes = b""
) -> None:
    """See that this worker serves `address`: the others are frozen; `first` is sent before what is echoed."""
    others = [pid for pid in workers(running) if pid != worker and not is_gone(pid)]
    with ExitStack() as stack:
        stack.enter_context(frozen(*others))
        client = stack.enter_context(connect(address))
        if context is not None:
            client = stack.enter_context(context.wrap_socket(client, server_hostname="localhost"))
        say(client, first + b"hello", b"echo hello")


@pytest.mark.parametrize("reactor", [(), ("--reactor", "asyncio"), ("--reactor", "eager")])
def test_each_of_them_serves(reactor: tuple[str, ...]) -> None:
    """Connections and datagrams reach each worker, on twistd's reactor; the log says which one, and so much once."""
    with service("echo", "--workers", "2", "--udp", endpoints=1, twistd=["twistd", "-n", *reactor]) as running:
        assert len(workers(running)) == 2
        running.wait_for(" (udp)\n")
        for worker in workers(running):
            say_to(running, running.addresses[0], worker)
            with frozen(*{*workers(running)} - {worker}):
                assert exchange_datagram(running.port, b"hello") == b"echo hello"
            running.wait_for(f"[worker {worker} twisted_lab.echo.EchoFactory#info] echo: 127.0.0.1:")
        assert len(running.addresses) == 1
        assert len(re.findall(r"5 B in, 10 B out, \d+\.\d{3} s, closed by peer\n", running.log)) == 2


def test_one_that_is_killed_is_replaced() -> None:
    """After kill -9 of a worker the other goes on, the log says what happened, and a new one serves."""
    with ExitStack() as stack:
        running = stack.enter_context(service("echo", "--workers", "2"))
        killed, other = workers(running)
        with frozen(killed):
            client = stack.enter_context(connect(running.addresses[0]))
            say(client, b"hello", b"echo hello")
        os.kill(killed, signal.SIGKILL)
        running.wait_for(f"worker {killed} ended: killed by signal 9\n")
        running.wait_until(lambda: len(workers(running)) == 3, "another worker")
        say(client, b"still here", b"echo still here")
        say_to(running, running.addresses[0], workers(running)[-1])
        assert not is_gone(other)


def test_what_waits_in_the_backlog_isn_t_lost() -> None:
    """Clients that connect while all workers hang, and are then killed, are served by those that replace them."""
    with ExitStack() as stack:
        running = stack.enter_context(service("echo", "--workers", "2"))
        first = workers(running)
        with frozen(*first):
            clients = [stack.enter_context(connect(running.addresses[0])) for _ in range(20)]
            for pid in first:
                os.kill(pid, signal.SIGKILL)
        for client in clients:
            say(client, b"hello", b"echo hello")


def test_a_clean_stop_reaches_all() -> None:
    """At SIGTERM a message that is half there, on whichever worker, is answered; nothing is left behind."""
    message = encode({"type": "slow"}, b"half" + b"half")
    with ExitStack() as stack:
        running = stack.enter_context(service("header", "--workers", "2", "--grace", "1000"))
        clients = []
        for worker in workers(running):
            with frozen(*{*workers(running)} - {worker}):
                client = stack.enter_context(connect(running.addresses[0]))
                client.sendall(encode({"type": "fast"}) + message[:-4])
                assert read_reply(client)[0]["type"] == "fast"
                clients.append(client)
        running.process.send_signal(signal.SIGTERM)
        running.wait_for("Received SIGTERM")
        with pytest.raises(ConnectionError):
            connect_until_refused(running.addresses[0])
        served = [f"127.0.0.1:{client.getsockname()[1]} " for client in clients]
        for client in clients:
            client.sendall(message[-4:])
            assert read_reply(client)[1] == b"halfhalf"
            assert receive_all(client) == b""
        assert running.wait() == -signal.SIGTERM
        assert all(map(is_gone, workers(running)))
        ends = [line for line in running.log.splitlines() if any(each in line for each in served)]
        assert ["server stopping" in line for line in ends] == [True, True]
        assert len(workers(running)) == 2
        assert not [*running.directory.iterdir()]


def test_a_signal_to_all_of_them_stops_all() -> None:
    """Ctrl-C reaches every process of a terminal, and the service stops as a whole."""
    twistd = ["setsid", "env", "--default-signal=INT", "twistd", "-n"]
    with service("echo", "--workers", "2", twistd=twistd) as running, connect(running.addresses[0]) as client:
        say(client, b"hello", b"echo hello")
        os.killpg(running.process.pid, signal.SIGINT)
        assert receive_all(client) == b""
        assert running.wait() == -signal.SIGINT
        assert all(map(is_gone, workers(running)))
        assert len(workers(running)) == 2
        assert "Traceback" not in running.log


def test_without_their_supervisor_they_stop() -> None:
    """After kill -9 of the process that started them the workers let a message finish, and go."""
    message = encode({"type": "slow"}, b"half" + b"half")
    with service("header", "--workers", "2", "--grace", "1000") as running, connect(running.addresses[0]) as client:
        client.sendall(encode({"type": "fast"}) + message[:-4])
        assert read_reply(client)[0]["type"] == "fast"
        pids = workers(running)
        running.process.kill()
        running.process.wait()
        while not any(map(is_gone, pids)):  # the one that has nothing to finish
            time.sleep(0.01)
        client.sendall(message[-4:])
        assert read_reply(client)[1] == b"halfhalf"
        wait_until_gone(*pids)


def test_every_kind_of_endpoint(tmp_path: Path) -> None:
    """UNIX sockets, TLS and the PROXY protocol are served by each worker; a socket's file is the service's alone."""
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(tmp_path / "localhost.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    path = tmp_path / "echo.socket"
    endpoints = [f"unix:{path}:mode=600", f"tls:{tmp_path}:0:interface=127.0.0.1", "haproxy:tcp:0:interface=127.0.0.1"]
    options = [word for endpoint in endpoints for word in ("--listen", endpoint)]
    with service("echo", "--workers", "2", *options, endpoints=3, listen=False) as running:
        unix, tls, proxied = running.addresses
        for worker in workers(running):
            say_to(running, unix, worker)
            say_to(running, tls, worker, context)
            say_to(running, proxied, worker, first=b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 5678\r\n")
        running.wait_until(
            lambda: running.log.count("echo: 203.0.113.7:4711 5 B in, 10 B out") == 2, "the client's name"
        )
        os.kill(workers(running)[0], signal.SIGTERM)
        running.wait_for(f"worker {workers(running)[0]} ended: exit status 0\n")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with connect(unix) as client:
            say(client, b"hello", b"echo hello")
        running.stop()
    assert not path.exists()


def test_systemd_passes_the_socket() -> None:
    """The socket that systemd opened is served by each worker."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        activation = [sys.executable, "-c", SYSTEMD, str(listener.fileno()), "twistd", "-n"]
        options = ["--workers", "2", "--listen", "systemd:domain=INET:index=0"]
        with service("echo", *options, listen=False, twistd=activation, descriptors=[listener.fileno()]) as running:
            for worker in workers(running):
                say_to(running, running.addresses[0], worker)


def test_max_connections_is_for_all_of_them() -> None:
    """With --max-connections 1 the second client is told so by another worker too; a killed one's places are free."""
    with service("echo", "--workers", "2", "--max-connections", "1") as running:
        holder, other = workers(running)
        with frozen(other):
            held = connect(running.addresses[0])
            say(held, b"hello", b"echo hello")
        with held:
            with frozen(holder), connect(running.addresses[0]) as surplus:
                assert re.fullmatch(rb"busy: at most 1 .*\n", receive_all(surplus))
            os.kill(holder, signal.SIGKILL)
            running.wait_for("ended: killed")
            say_to(running, running.addresses[0], other)


def test_one_worker_is_no_worker() -> None:
    """`--workers 1`, the default, starts no other process."""
    with service("echo", "--workers", "1") as running:
        pid = running.process.pid
        assert Path(f"/proc/{pid}/task/{pid}/children").read_text() == ""
        with connect(running.addresses[0]) as client:
            say(client, b"hello", b"echo hello")
        assert workers(running) == []


def test_workers_that_can_t_start(tmp_path: Path) -> None:
    """What only the workers can't read ends the program with their sentence and status; nothing is left behind."""
    (tmp_path / "users").write_text("[users.ada]\n")
    (tmp_path / "passwords").write_text("ada:secret\n")
    words = ["--users", "/dev/fd/50", "--auth", f"file:{tmp_path}/passwords", "--root", str(tmp_path)]
    twistd = ["twistd", "-n", "filexfer", "--workers", "2", "--listen", "tcp:0:interface=127.0.0.1", *words]
    done = command("bash", "-c", 'exec 50< users; exec "$@"', "bash", *twistd, cwd=tmp_path)
    output = (done.stdout + done.stderr).decode()
    assert done.returncode == os.EX_NOINPUT, output
    assert output.count("twistd filexfer: a worker can't start: --users /dev/fd/") == 1
    assert "Traceback" not in output
    assert "listens on" not in output
    assert {path.name for path in tmp_path.iterdir()} == {"users", "passwords"}
    wait_until_gone(*map(int, re.findall(r"worker (\d+) starts", output)))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["echo", "--workers", "0"], "--workers: '0' isn't a whole number of at least 1"),
        (["filexfer", "--root", ".", "--workers", "2", "--quota", "1 MiB"], "--workers 2 with a quota"),
        (
            ["filexfer", "--root", ".", "--workers", "2", "--users", "users", "--auth", "file:passwords"],
            "--workers 2 with a quota",
        ),
    ],
)
def test_what_is_refused(words: list[str], sentence: str, tmp_path: Path) -> None:
    """A number that can't be, or a quota beside several workers, is one sentence and status 64."""
    (tmp_path / "users").write_text('[users.ada]\nquota = "1 MiB"\n')
    (tmp_path / "passwords").write_text("ada:secret\n")
    done = command("twistd", "-n", *words, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (os.EX_USAGE, b"", 1)
    assert f"twistd {words[0]}: {sentence}" in done.stderr.decode()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Path]]:
    """Run two workers that serve a root."""
    root = tmp_path_factory.mktemp("root")
    with service("filexfer", "--root", str(root), "--workers", "2") as running:
        yield running, root


def filexfer(running: Running, *words: str) -> tuple[int, str]:
    """Run a command against the service; give its exit status and what it printed."""
    done = command("filexfer", *words, "--connect", f"tcp:{running.addresses[0]}")
    return done.returncode, (done.stdout + done.stderr).decode()


def test_files_put_by_one_and_got_from_another(files: tuple[Running, Path], tmp_path: Path) -> None:
    """What is put through one worker is got, whole, from the other."""
    running, _ = files
    one, two = workers(running)
    content = os.urandom(3 * MIB)
    (tmp_path / "there").write_bytes(content)
    with frozen(two):
        assert filexfer(running, "put", str(tmp_path / "there"), ":shared")[0] == 0
    with frozen(one):
        assert filexfer(running, "get", ":shared", str(tmp_path / "back"))[0] == 0
    assert (tmp_path / "back").read_bytes() == content


def test_two_workers_keep_one_target_apart(files: tuple[Running, Path], tmp_path: Path) -> None:
    """A put that is under way through one worker is seen by the other: `busy`; broken off, it is gone on with there."""
    running, root = files
    one, two = workers(running)
    content = os.urandom(MIB)
    (tmp_path / "there").write_bytes(content)
    put = ["put", str(tmp_path / "there"), ":target", "--json"]
    with frozen(two):
        first = connect(running.addresses[0])
        first.sendall(encode({"type": "hello", "id": 0, "versions": [1], "digests": ["sha-256"]}))
        assert read_reply(first)[0]["type"] == "hello"
    with first:
        first.sendall(encode({"type": "put", "id": 1, "path": "target", "size": MIB}, content[: MIB // 2]))
        running.wait_until(lambda: left_over(root) == MIB // 2, "half of it")
        with frozen(one):
            status, output = filexfer(running, *put)
        assert (status, "somebody else is putting it" in output) == (75, True), output
        peer = "{}:{}".format(*first.getsockname())
    running.wait_for(f" filexfer: {peer} ")
    with frozen(one):
        status, output = filexfer(running, *put)
        assert (status, f'"resumed": {MIB // 2}' in output) == (0, True), output
    assert (root / "target").read_bytes() == content
    assert left_over(root) == 0


def left_over(root: Path) -> int:
    """Give how many bytes wait in `root` to go on from."""
    return sum(path.stat().st_size for path in root.glob(".filexfer-*"))
