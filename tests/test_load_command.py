"""``twisted-lab load`` as a user runs it, against real servers."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

import pytest

from tests.processes import DEADLINE, ENVIRONMENT, SCRIPTS, Running, children, command, program, service
from tests.pseudo_terminal import PseudoTerminal
from twisted_lab.instruments.load.saved import restore
from twisted_lab.instruments.run_directory import RunDirectory

LAB = str(SCRIPTS / "twisted-lab")
QUICK = ("-d", "1s", "--warmup", "200ms")


@pytest.fixture(scope="module")
def model() -> Iterator[Running]:
    """Run an echo server with a prefix, that answers at once."""
    with program(sys.executable, "-m", "twisted_lab.models.selectors", "127.0.0.1", "0") as running:
        yield running


def load(tmp_path: Path, *words: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[bytes]":
    """Run a load whose run is kept in `tmp_path`."""
    return command(LAB, "load", *words, "--runs", str(tmp_path), cwd=cwd, deadline=3 * DEADLINE)


def results(done: "subprocess.CompletedProcess[bytes]") -> list[dict[str, Any]]:
    """Give what ``--json`` printed."""
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("pace", [("-R", "400"), ("--closed",)])
@pytest.mark.parametrize("many", [(), ("-c", "4", "--workers", "2")])
def test_an_echo_is_measured(model: Running, tmp_path: Path, pace: tuple[str, ...], many: tuple[str, ...]) -> None:
    """Both loops, by one process or two; the run directory holds what was printed, and all of the histograms."""
    done = load(tmp_path, "echo", model.addresses[0], *QUICK, *pace, *many, "--json")
    assert done.returncode in {0, 2}, done.stderr.decode()  # 2: this machine was too busy just now
    *intervals, result = results(done)
    assert [line["event"] for line in intervals] == ["interval"] * 2
    assert {line["rate"] for line in intervals} == {400.0 if pace[0] == "-R" else None}
    assert result["exit"] == done.returncode
    if pace[0] == "-R":
        assert result["sent"] in {400, 401}
        assert result["seconds"]["latency"]["count"] == result["sent"]
    directory = RunDirectory.find(tmp_path / "load-echo" / "latest")
    assert directory.path.resolve() == Path(result["run"]).resolve()
    kept = restore(directory)
    assert kept.as_json()["seconds"] == result["seconds"]


def test_the_table_has_units(model: Running, tmp_path: Path) -> None:
    """What people read says what was done, what came of it, and where it is kept."""
    done = load(tmp_path, "echo", model.addresses[0], *QUICK, "-R", "200", "--size", "1KiB")
    text = done.stdout.decode()
    assert "1 connection, 1,024 B a message, 200 messages/s offered" in text
    for what in ("latency, from when it was due", "service, from when it was sent", "the load's lateness"):
        assert re.search(rf"^{what}( +[0-9.,]+ (µs|ms|s)){{5}}$", text, re.MULTILINE)
    assert "MB/s" in text
    assert f"The run is kept in {tmp_path}" in text


def test_the_header_protocol_is_driven_by_its_own_client(tmp_path: Path) -> None:
    """A request at a time, and each reply's content is compared."""
    with service("header") as running:
        done = load(tmp_path, "header", running.addresses[0], *QUICK, "-R", "100", "-c", "2", "--json")
    assert done.returncode in {0, 2}, done.stderr.decode()
    assert results(done)[-1]["sent"] in {100, 101}


MINE = '''
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineReceiver


class Shouting(LineReceiver):
    """Asks by a line, in hexadecimal, and is answered by one with a prefix."""

    def __init__(self):
        self.waiting = []

    def request(self, message):
        self.waiting.append(Deferred())
        self.sendLine(message.hex().encode())
        return self.waiting[-1]

    def lineReceived(self, line):
        self.waiting.pop(0).callback(bytes.fromhex(line.decode().removeprefix("echo ")))


def client():
    return Factory.forProtocol(Shouting)
'''


def test_ones_own_client(model: Running, tmp_path: Path) -> None:
    """A module in the current directory, whose protocol has `request`."""
    (tmp_path / "mine.py").write_text(MINE)
    done = load(tmp_path, "mine:client", model.addresses[0], *QUICK, "-R", "50", "--json", cwd=tmp_path)
    assert done.returncode in {0, 2}, done.stderr.decode()
    assert results(done)[-1]["sent"] in {50, 51}


@pytest.mark.parametrize(
    ("text", "status", "sentence"),
    [
        ("raise ZeroDivisionError('no')", os.EX_USAGE, "mine:client can't be imported: ZeroDivisionError: no"),
        ("raise SystemExit(3)", os.EX_USAGE, "mine:client can't be imported: SystemExit: 3"),
        ("def client(): return None", os.EX_USAGE, "mine:client makes no factory of protocols, but NoneType"),
        (
            "def client(): return 1 / 0",
            os.EX_USAGE,
            "mine:client makes no factory: ZeroDivisionError: division by zero",
        ),
        (
            MINE.replace("return self.waiting[-1]", "return 5"),
            1,
            "`request` gives int, neither a Deferred nor a coroutine",
        ),
        (MINE.replace("def request", "def ask"), 1, "has no attribute 'request'"),
        (MINE.replace("return self.waiting[-1]", "raise SystemExit('enough')"), 1, "enough"),
    ],
)
def test_a_client_of_ones_own_that_is_wrong(
    model: Running, tmp_path: Path, text: str, status: int, sentence: str
) -> None:
    """It is told in a sentence, whatever is wrong with it."""
    (tmp_path / "mine.py").write_text(text)
    done = load(tmp_path, "mine:client", model.addresses[0], *QUICK, "-R", "50", cwd=tmp_path)
    assert sentence in done.stderr.decode()
    assert done.returncode == status
    assert done.stderr.count(b"\n") == 1
    assert not (tmp_path / "load-mine.client" / "latest").exists() or status == 1


def test_a_client_of_ones_own_that_prints(model: Running, tmp_path: Path) -> None:
    """What it prints isn't taken for what the load reports."""
    (tmp_path / "mine.py").write_text(
        "print('imported')\n" + MINE.replace("self.waiting = []", "self.waiting = print() or []")
    )
    done = load(tmp_path, "mine:client", model.addresses[0], *QUICK, "-R", "50", "--json", cwd=tmp_path)
    assert done.returncode in {0, 2}, done.stderr.decode()
    assert results(done)[-1]["sent"] in {50, 51}


def test_many_connections_that_cant_be_had_are_one_sentence(tmp_path: Path) -> None:
    """And nothing is left of a run that never began."""
    done = load(tmp_path, "header", "127.0.0.1:1", "-c", "40", "--workers", "2")
    assert done.returncode == os.EX_UNAVAILABLE
    assert done.stderr == b"twisted-lab: can't connect to 127.0.0.1:1: Connection refused\n"
    assert [*tmp_path.iterdir()] == []


def test_ones_own_message(model: Running, tmp_path: Path) -> None:
    """A file's content is sent as it is; not where it can't be told from the prefix."""
    (tmp_path / "content").write_bytes(b"abcd" * 10)
    done = load(tmp_path, "echo", model.addresses[0], *QUICK, "--content", str(tmp_path / "content"), "--json")
    assert results(done)[-1]["plan"]["size"] == 40
    (tmp_path / "content").write_bytes(b"eeee")
    done = load(tmp_path, "echo", model.addresses[0], *QUICK, "--content", str(tmp_path / "content"))
    assert done.returncode == os.EX_USAGE
    assert done.stderr == b"twisted-lab: the server puts b'echo ' before its answer, and the content has b'e' in it\n"


class Serving:
    """A server in a thread whose `answer` is the test's: called with what came in, and where in the stream that is."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self._stopped = Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(DEADLINE)
        self._listener.close()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        position = 0
        with connection:
            try:
                while data := connection.recv(65536):
                    answer = self._answer(data, position)
                    if answer is None:
                        return
                    connection.sendall(answer)
                    position += len(data)
            except OSError:
                return


def test_a_wrong_byte_ends_the_run(tmp_path: Path) -> None:
    """With status 1, and a sentence that says where."""
    wrong = 20 * 64 - 1  # the last byte of reply 20

    def answer(data: bytes, position: int) -> bytes:
        answered = bytearray(data)
        if position <= wrong < position + len(data):
            answered[wrong - position] ^= 1
        return bytes(answered)

    with Serving(answer) as server:
        done = load(tmp_path, "echo", server.address, *QUICK, "-R", "100")
    assert done.returncode == 1
    assert done.stderr == b"twisted-lab: connection 1: a wrong byte came back, in reply 20\n"


def test_a_lost_connection_ends_the_run(tmp_path: Path) -> None:
    """A server that closes in the middle isn't measured any further."""
    with Serving(lambda data, position: data if position < 20 * 64 else None) as server:
        done = load(tmp_path, "echo", server.address, *QUICK, "-R", "100", "-c", "2", "--workers", "2")
    assert done.returncode == 1
    assert b"the connection was lost" in done.stderr


ENDING = f"""{MINE}
import os
import time


class Ending(Shouting):
    def request(self, message):
        if time.time() > self.factory.began + 0.5:
            os._exit(self.factory.status)
        return super().request(message)


def zero(status=0):
    factory = Factory.forProtocol(Ending)
    factory.began, factory.status = time.time(), status
    return factory


def seven():
    return zero(7)
"""


@pytest.mark.parametrize("name", ["zero", "seven"])
def test_a_client_of_ones_own_that_ends_the_process(tmp_path: Path, name: str) -> None:
    """What was measured until then isn't taken for a run, whatever the status."""
    (tmp_path / "mine.py").write_text(ENDING)
    with Serving(lambda data, _position: data) as server:
        words = (f"mine:{name}", server.address, "-d", "3s", "-R", "100", "--warmup", "100ms")
        done = load(tmp_path, *words, cwd=tmp_path)
    assert done.returncode == os.EX_SOFTWARE, done.stderr.decode()
    assert done.stderr == b"twisted-lab: a process of the load ended before the load was over\n"


def test_a_reactor_that_isnt_here(model: Running, tmp_path: Path) -> None:
    """Is one sentence, before anything is measured."""
    done = load(tmp_path, "echo", model.addresses[0], *QUICK, "--reactor", "iocp")
    assert done.returncode == os.EX_USAGE
    assert done.stderr.startswith(b"twisted-lab: the reactor iocp can't be had here: ")
    assert done.stderr.count(b"\n") == 1


def test_no_warm_up(model: Running, tmp_path: Path) -> None:
    """The load's own share of a core is told all the same; what it is, is shown in memory."""
    done = load(tmp_path, "echo", model.addresses[0], "--closed", "-d", "500ms", "--warmup", "0s", "--json")
    assert results(done)[-1]["busy"] >= 0


def test_what_doesnt_echo(tmp_path: Path) -> None:
    """It is told before anything is measured."""
    with Serving(lambda _data, _position: b"HTTP/1.1 400 Bad Request\r\n" * 100) as server:
        done = load(tmp_path, "echo", server.address, *QUICK)
    assert done.returncode == os.EX_USAGE
    assert done.stderr == b"twisted-lab: it doesn't echo: something else came back\n"


def test_progress_on_a_terminal(model: Running, tmp_path: Path) -> None:
    """It says each second what that second was like, and takes the line away in the end."""
    words = (LAB, "load", "echo", model.addresses[0], "-d", "2s", "-R", "100", "--runs", str(tmp_path))
    with PseudoTerminal(*words) as terminal:
        terminal.wait_for("connecting to 127.0.0.1:")
        assert terminal.wait() in {0, 2}
        assert re.search(r"\r\x1b\[K1 s of 2 s: (\d+ answered/s, p50 |0 answered/s)", terminal.shown)
        assert "\r\x1b[Kecho at 127.0.0.1:" in terminal.shown


def test_tls_that_cant_be_trusted(tmp_path: Path) -> None:
    """A handshake that fails is a sentence, like all that keeps a load from beginning."""
    with Serving(lambda _data, _position: None) as server:
        done = load(tmp_path, "echo", f"tls:{server.address}", *QUICK)
    assert done.returncode == os.EX_USAGE
    assert done.stderr.startswith(b"twisted-lab: no echo came before the connection was lost: ")
    assert done.stderr.count(b"\n") == 1


def test_a_stalling_server_cant_hide(tmp_path: Path) -> None:
    """
    A server that stalls 200 ms once a second: of what is due in that second a tenth waits for 100 ms at least.

    That a closed loop doesn't see that is shown in memory, where nothing else stalls.
    """

    def stall(data: bytes, _position: int) -> bytes:
        if (since := time.monotonic() % 1) < 0.2:
            time.sleep(0.2 - since)
        return data

    with Serving(stall) as server:
        done = load(tmp_path, "echo", server.address, "-d", "3s", "--warmup", "200ms", "-R", "200", "--json")
    assert done.returncode in {0, 2}, done.stderr.decode()
    latency = results(done)[-1]["seconds"]["latency"]
    assert latency["count"] in {600, 601}
    assert latency["p90"] > 0.09  # and more, if anything else stalled
    assert latency["max"] > 0.19


def test_the_highest_rate_under_a_bound(tmp_path: Path) -> None:
    """
    A server that answers 29 messages, and no more, holds less than 50 a second for 0.6 s.

    How fast it is doesn't matter here; a search by what the server takes is shown in memory.
    """
    with Serving(lambda data, position: data[: max(0, 29 * 64 - position)]) as server:
        words = ("echo", server.address, "-d", "500ms", "--warmup", "100ms", "--slo", "p90=60s", "-R", "25", "--json")
        done = load(tmp_path, *words)
    *lines, result = results(done)
    steps = [line for line in lines if line["event"] == "step"]
    assert result["exit"] == done.returncode
    if done.returncode == 2:  # this machine was too busy just now
        assert "the load" in result["verdict"]
        return
    assert done.returncode == 0, done.stderr.decode()
    assert [(round(step["rate"], 1), step["held"]) for step in steps] == [
        (25.0, True),
        (50.0, False),
        (35.4, True),
        (42.0, True),
        (45.9, True),
        (47.9, True),
    ]
    assert result["rate"] == steps[-1]["rate"]


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (("nothing",), os.EX_USAGE, "there is no specimen 'nothing'"),
        (("json:dumps", "127.0.0.1:1"), os.EX_USAGE, "json:dumps can't be called without arguments"),
        (("json:nothing", "127.0.0.1:1"), os.EX_USAGE, "there is no specimen 'json:nothing'"),
        (("json:JSONDecoder",), os.EX_USAGE, "where is it?"),
        (("echo", "127.0.0.1:1"), os.EX_UNAVAILABLE, "can't connect to 127.0.0.1:1: Connection refused"),
        (("echo", "--closed", "-R", "5"), os.EX_USAGE, "--closed has no rate"),
        (("echo", "--slo", "20ms"), os.EX_USAGE, "'20ms' isn't a bound such as p99=20ms"),
        (("echo", "-d", "1us"), os.EX_USAGE, "'1us' is less than 100 ms"),
        (("echo", "-d", "99999h"), os.EX_USAGE, "'99999h' is more than a day"),
        (("echo", "-d", "soon"), os.EX_USAGE, "'soon' isn't a duration such as 30s"),
        (("echo", "-R", "0"), os.EX_USAGE, "'0' isn't a rate a second"),
        (("echo", "--size", "17M"), os.EX_USAGE, "'17M' isn't a size in 1 B … 16 MiB"),
        (("echo", "--workers", "2"), os.EX_USAGE, "2 workers need a connection each"),
        (("echo", "--reactor", "fast"), os.EX_USAGE, "there is no reactor 'fast'"),
        (("echo", "--content", "/nowhere"), os.EX_NOINPUT, "can't read /nowhere"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path: Path, words: tuple[str, ...], status: int, sentence: str) -> None:
    """With the proper status, and no traceback."""
    done = load(tmp_path, *words)
    assert done.returncode == status, done.stderr.decode()
    assert sentence in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_who_reads_has_seen_enough(model: Running, tmp_path: Path) -> None:
    """As ``head`` does: the load ends at once, without a word, and says so by its status."""
    words = [LAB, "load", "echo", model.addresses[0], "-d", "600s", "--json", "--runs", str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().startswith(b'{"event": "interval"')
        process.stdout.close()
        assert process.wait(DEADLINE) == 128 + signal.SIGPIPE
        assert process.stderr.read() == b""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_process(model: Running, tmp_path: Path, number: int) -> None:
    """Ctrl-C ends the load's processes with it, and the run directory isn't taken for a complete run."""
    words = [LAB, "load", "echo", model.addresses[0], "-d", "60s", "-c", "2", "--workers", "2", "--json"]
    with subprocess.Popen(
        [*words, "--runs", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    ) as process:
        assert process.stdout
        assert process.stdout.readline().startswith(b'{"event": "interval"')
        workers = children(process.pid)
        assert len(workers) == 2
        process.send_signal(number)
        _, complaint = process.communicate(timeout=DEADLINE)
    assert process.returncode == 130
    assert complaint == b""
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
    with pytest.raises(LookupError):
        RunDirectory.find(tmp_path / "load-echo" / "latest")
