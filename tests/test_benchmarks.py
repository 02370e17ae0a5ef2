"""The benchmarks run, and a large content takes little memory. How long anything takes isn't tested: it varies."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.processes import DEADLINE, answering, children, command

ROOT = Path(__file__).parent.parent
#: The echo servers that need nothing but Python and a C compiler, and what each of the others needs.
ALWAYS = ["asyncio", "c", "ours", "python", "stock", "streams"]
COMPILER = shutil.which("cc")
needs_compiler = pytest.mark.skipif(not COMPILER, reason="the load generator is written in C: needs cc")
pytestmark = pytest.mark.usefixtures("uncounted")


def run(name: str, result: Path, *options: str) -> dict[str, Any]:
    """Run a benchmark of that name, which must succeed, and give its JSON."""
    ended = command(
        sys.executable, f"benchmarks/{name}.py", "--json", str(result), *options, cwd=ROOT, deadline=3 * DEADLINE
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    numbers: dict[str, Any] = json.loads(result.read_text())
    return numbers


def test_framing(tmp_path: Path) -> None:
    """The framing benchmark delivers all that it feeds, and times each case in each round."""
    numbers = run("framing", tmp_path / "framing.json", "--scale", "small", "--rounds", "2")
    assert len(numbers["seconds"]) == 12
    for case in numbers["seconds"]:
        assert len(case["ours"]) == 2
        assert all(time > 0 for name, times in case.items() if name != "name" for time in times)
    assert [len(case["stock"]) for case in numbers["seconds"] if "stock" in case] == [2, 2, 2, 2, 2, 1]
    assert len([case for case in numbers["seconds"] if "asyncio" in case]) == 4
    for row in numbers["tcp"]:
        assert {name: len(seconds) for name, seconds in row["seconds"].items()} == {"ours": 2, "stock": 2}
    assert numbers["met"] == {}
    named = " ".join(numbers["missing"])
    assert ("websockets" in named) == (find_spec("websockets") is None)
    assert ("eager" in named) == ("eager" not in {row["reactor"] for row in numbers["tcp"]})


def test_a_gibibyte_takes_64_mib(tmp_path: Path) -> None:
    """A content of 1 GiB arrives whole, and takes under 64 MiB of memory on either side, backpressure or not."""
    numbers = run("streaming", tmp_path / "streaming.json", "--size", "1024")
    assert list(numbers["met"].values()) == [True]
    for sides in numbers["runs"].values():
        for side in sides.values():
            assert side["octets"] == 2**30
            assert side["peak_mib"] < 64
        assert sides["sender"]["crc"] == sides["receiver"]["crc"]
        assert sides["sender"]["pauses"] > 100
    assert [sides["receiver"]["pauses"] for sides in numbers["runs"].values()] == [0, 1024]


def test_trees(tmp_path: Path) -> None:
    """Directories of many entries are put, compared and got within a bound of memory."""
    numbers = run("trees", tmp_path / "trees.json", "--count", "300", "--get")
    assert list(numbers["met"].values()) == [True]
    assert [row["operation"] for row in numbers["rows"]] == ["put", "sync", "get"] * 3


def test_echo(tmp_path: Path) -> None:
    """Each echo server is measured at each point, or named as missing."""
    numbers = run("echo", tmp_path / "echo.json", "--scale", "small")
    samples = [(sample["server"], sample["point"]) for sample in numbers["samples"]]
    servers = sorted({server for server, _ in samples})
    assert sorted(samples) == sorted((server, point) for server in servers for point in ("64x4", "16384x2"))
    assert all(sample["count"] > 0 for sample in numbers["samples"])
    assert sorted(numbers["bytes_a_connection"]) == servers
    assert numbers["met"] == {}
    if COMPILER:
        assert set(ALWAYS) <= set(servers)
        assert len(servers) + len(numbers["missing"]) == 12
    else:
        assert numbers["missing"] == ["missing: every server (apt-get install gcc)"]


def load(tmp_path: Path, address: str, *, seconds: float) -> dict[str, Any]:
    """Compile the load, have it send messages of 64 bytes over one connection, and give what it measured."""
    program = str(tmp_path / "load")
    subprocess.run(
        ["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, ROOT / "benchmarks/echo/load.c"], check=True
    )
    ended = command(program, address.rpartition(":")[2], str(os.getpid()), "64", "1", "0", str(seconds))
    numbers: dict[str, Any] = json.loads(ended.stdout)
    return numbers


def change(data: bytes) -> bytes:
    """Give it with another last byte."""
    return data[:-1] + bytes([data[-1] ^ 1])


@needs_compiler
@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (change, "other bytes came back than were sent"),
        (lambda data: data + b"x", "more came back than was sent"),
        (lambda _: b"", "the server closed a connection"),
    ],
)
def test_the_load_checks_what_comes_back(tmp_path: Path, wrong: Callable[[bytes], bytes], reason: str) -> None:
    """A server that echoes wrongly, be it only the hundredth message, isn't measured but found out."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(connection.recv(1))
        for number in range(100):
            data = connection.recv(64, socket.MSG_WAITALL)
            connection.sendall(wrong(data) if number == 99 else data)
        connection.shutdown(socket.SHUT_WR)

    with answering(answer) as address:
        numbers = load(tmp_path, address, seconds=20)
    assert (numbers["errors"], numbers["reason"], numbers["count"]) == (1, reason, 99)


@needs_compiler
def test_the_load_waits_for_something_to_count(tmp_path: Path) -> None:
    """When a server stands still for all of the time that counts, that lasts until a message has come back."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(connection.recv(1))
        time.sleep(0.5)
        while data := connection.recv(64):
            connection.sendall(data)

    with answering(answer) as address:
        numbers = load(tmp_path, address, seconds=0.05)
    assert (numbers["errors"], numbers["reason"]) == (0, "")
    assert numbers["count"] >= 1


@needs_compiler
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_echo_leaves_no_servers(how: signal.Signals) -> None:
    """When the benchmark is ended, by Ctrl-C or whatever else, its servers and its load end too."""
    words = [sys.executable, "benchmarks/echo.py", "--servers", "python,c", "--points", "64x1", "--seconds", "50"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        started: list[int] = []
        deadline = time.monotonic() + DEADLINE
        while len(started) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
            started = children(process.pid)
        process.send_signal(how)
        process.wait(DEADLINE)
        deadline = time.monotonic() + DEADLINE
    assert len(started) == 3
    while any(Path(f"/proc/{pid}").exists() for pid in started):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def said(ended: "subprocess.CompletedProcess[bytes]") -> str:
    """Give what a command has complained of, its lines joined."""
    return " ".join(ended.stderr.decode().split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--points", "64y3"], "64y3 isn't like 64x32,1024x1"),
        (["--json", "/nowhere/x"], "there is no directory /nowhere"),
        (["--plot", "x.gif"], "x.gif ends neither with .svg nor with .png"),
    ],
)
def test_a_wrong_option(options: list[str], message: str) -> None:
    """A wrong option is told in a sentence, before anything is measured."""
    ended = command(sys.executable, "benchmarks/echo.py", *options, cwd=ROOT, deadline=3 * DEADLINE)
    assert ended.returncode == 2
    assert said(ended).endswith(message)


def test_a_plot(tmp_path: Path) -> None:
    """A plot is drawn, or a sentence says what that needs."""
    path = tmp_path / "framing.svg"
    words = ["benchmarks/framing.py", "--scale", "small", "--rounds", "1", "--plot", str(path)]
    ended = command(sys.executable, *words, cwd=ROOT, deadline=3 * DEADLINE)
    if find_spec("matplotlib"):
        assert ended.returncode == 0
        assert "<svg" in path.read_text()
    else:
        assert ended.returncode == 2
        assert said(ended).endswith("a plot needs matplotlib: pip install 'twisted-lab[bench]'")


def test_workers(tmp_path: Path) -> None:
    """Each way to share a port is measured; where processes share one socket, no client is lost."""
    numbers = run("workers", tmp_path / "workers.json", "--rounds", "1", "--seconds", "0.1")
    assert {way: len(rows) for way, rows in numbers["ways"].items()} == {"one": 1, "many": 1, "own": 1}
    assert [numbers["ways"][way][0]["answered"] for way in ("one", "many")] == [40, 40]
    assert all(rows[0]["long_rate"] > 0 for rows in numbers["services"].values())


def test_zerocopy(tmp_path: Path) -> None:
    """Each way for a file is taken, from memory and from a disk, and the reactor's stalls are told."""
    disk = ("--disk", str(tmp_path))
    numbers = run("zerocopy", tmp_path / "zerocopy.json", "--rounds", "1", "--size", "4", *disk)
    assert {where: len(ways) for where, ways in numbers["ways"].items()} == {"warm": 9, "cold": 9}
    assert all(len(taken["stall_ms"]) == 1 for ways in numbers["ways"].values() for taken in ways.values())


@needs_compiler
def test_load(tmp_path: Path) -> None:
    """The load benchmark searches for each reactor and number of processes, and says what counting takes."""
    numbers = run("load", tmp_path / "load.json", "--connections", "2", "--seconds", "0.2", "--steps", "1")
    cases = {f"{reactor}, {many}" for reactor in ("default", "eager") for many in ("1 process", "2 processes")}
    assert {*numbers["open"]} == {*numbers["closed"]} == cases
    assert all(case["rate"] > 0 for case in numbers["closed"].values())
    assert numbers["C"]["rate"] > 0
    assert {*numbers["counting"]} == {"record_value", "Times", "flush"}


def test_proxy(tmp_path: Path) -> None:
    """Each proxy that is there lets a stream and messages pass; others are named as missing."""
    numbers = run("proxy", tmp_path / "proxy.json", "--scale", "small")
    there = {"ours", "ours-eager", "portforward", *(name for name in ("socat", "haproxy") if shutil.which(name))}
    for kind in ("streams", "trips"):
        assert {name for name, values in numbers[kind].items() if values[0] > 0} == there
    assert len(numbers["missing"]) == 5 - len(there)
