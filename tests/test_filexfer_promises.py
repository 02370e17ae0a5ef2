"""The promises of filexfer, with real processes: kill -9, flipped bits, changing sources, hostile peers."""

import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest
from blake3 import blake3

from tests import processes
from tests.memory import make_directory
from tests.processes import DEADLINE, Running, service
from tests.proxy import Proxy, proxy

MIB = 2**20
BIG = 256 * MIB
#: Bytes on the wire that aren't content: hello, requests, replies, and what a kill left in the sockets' buffers.
OVERHEAD = 64 * 1024
#: What the server tells of a put that was broken off, when all of it is written.
BROKEN_OFF = re.compile(r'put "target" .*(disconnected|truncated)\n')
pytestmark = pytest.mark.usefixtures("uncounted")


def make_file(path: Path, size: int, seed: int = 0) -> str:
    """Write `size` bytes that don't repeat; give their digest."""
    generator = random.Random(seed)  # noqa: S311 - not a secret
    digest = blake3()
    with path.open("wb") as file:
        for start in range(0, size, MIB):
            piece = generator.randbytes(min(MIB, size - start))
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def digest_of(path: Path) -> str:
    """Give a file's digest."""
    return blake3().update_mmap(path).hexdigest()


def staged(directory: Path) -> int:
    """Give how many bytes are left over of transfers that were broken off."""
    return sum(path.stat().st_size for path in directory.rglob(".filexfer-*") if path.is_file())


def filexfer(port: int, *words: str) -> "subprocess.Popen[str]":
    """Start a command that talks to the server at `port`."""
    return subprocess.Popen(
        ["filexfer", *words, "--connect", f"tcp:127.0.0.1:{port}"],
        env=processes.ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Wait for a command; give its exit status and what it printed."""
    out, err = process.communicate(timeout=DEADLINE)
    return process.returncode, out, err


def moved(log: str) -> tuple[int, int]:
    """Give how many bytes the server's last connection brought and took, as its log says."""
    *_, (received, sent) = re.findall(r"(\d+) B in, (\d+) B out", log)
    return int(received), int(sent)


@pytest.fixture
def large() -> Iterator[Path]:
    """Give a directory for large files."""
    directory = make_directory(2 * BIG)
    yield directory
    shutil.rmtree(directory)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("direction", ["put", "get"])
def test_killed_anywhere(direction: str, large: Path) -> None:
    """Server and client are killed in turn, anywhere: resumed, a file is whole, and sent once (magic-wormhole#88)."""
    generator = random.Random(direction)  # noqa: S311
    near, far = large / "near", large / "far"
    near.mkdir()
    far.mkdir()
    sources, targets = (near, far) if direction == "put" else (far, near)
    digest = make_file(sources / "source", BIG)
    places = (str(near / "source"), ":target") if direction == "put" else (":source", str(near / "target"))
    # A kill takes nothing from the kernel, so what fsync would add is time only.
    words = (direction, *places, "--durability", "memory")
    kept_most = 0
    for number in range(20):
        with ExitStack() as stack:
            server = stack.enter_context(service("filexfer", "--root", str(far)))
            between = stack.enter_context(proxy(server.port))
            point = generator.randrange(MIB, BIG - MIB)
            hold = between.hold("up" if direction == "put" else "down", point)
            client = filexfer(between.port, *words)
            victim = (server.process, client)[number % 2]
            hold.wait()
            victim.kill()
            hold.lose()
            status, _, err = finish(client)
            assert status == (-signal.SIGKILL if victim is client else 75), err
            assert not (targets / "target").exists()
            if victim is server.process:
                server = stack.enter_context(service("filexfer", "--root", str(far)))
            else:
                server.wait_for(" B in, ")
                if direction == "put":
                    server.wait_until(lambda: BROKEN_OFF.search(server.log) is not None, "the end of the put")  # noqa: B023
            kept = staged(targets)
            kept_most = max(kept_most, kept)
            before = server.log.count(" B in, ")
            status, _, err = finish(filexfer(server.port, *words))
            assert status == 0, err
            server.wait_until(lambda: server.log.count(" B in, ") > before, "the end of the connection")  # noqa: B023
            again = moved(server.log)[0 if direction == "put" else 1]
        assert digest_of(targets / "target") == digest
        assert BIG - kept <= again <= BIG - kept + OVERHEAD, f"killed at {point}, {kept} kept, {again} moved"
        (targets / "target").unlink()
        assert staged(targets) == 0
    assert kept_most > BIG // 2


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a directory to serve."""
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def running(tree: Path) -> Iterator[Running]:
    """Run a server for several tests."""
    with service("filexfer", "--root", str(tree)) as server:
        yield server


@pytest.fixture
def between(running: Running) -> Iterator[Proxy]:
    """Run a proxy in front of it."""
    with proxy(running.port) as standing:
        yield standing


def flip(point: int) -> Callable[[bytes, int], bytes]:
    """Give what flips one bit of the byte at `point`."""

    def meddle(chunk: bytes, position: int) -> bytes:
        index = point - position
        if not 0 <= index < len(chunk):
            return chunk
        return chunk[:index] + bytes([chunk[index] ^ 16]) + chunk[index + 1 :]

    return meddle


@pytest.mark.parametrize("direction", ["put", "get"])
def test_a_flipped_bit(direction: str, tree: Path, between: Proxy, tmp_path: Path) -> None:
    """One bit of the content that flips on its way, wherever, is found: nothing is published, and the status is 65."""
    generator = random.Random(direction)  # noqa: S311
    source = (tmp_path if direction == "put" else tree) / "flipped-source"
    target = (tree if direction == "put" else tmp_path) / "flipped"
    digest = make_file(source, MIB)
    words = ("put", str(source), ":flipped") if direction == "put" else ("get", ":flipped-source", str(target))
    target.write_bytes(b"old")
    for _ in range(8):
        between.reset()
        # The first bytes are headers, and the last ones the digest itself.
        setattr(between, "meddle_up" if direction == "put" else "meddle_down", flip(generator.randrange(2000, MIB)))
        status, _, err = finish(filexfer(between.port, *words))
        assert status == 65, err
        assert target.read_bytes() == b"old"
    between.reset()
    status, _, err = finish(filexfer(between.port, *words))
    assert status == 0, err
    assert digest_of(target) == digest
    assert staged(target.parent) == 0


def test_a_source_that_changes(tree: Path, between: Proxy, tmp_path: Path) -> None:
    """A file that is written to while it is sent isn't published, and the status is 24, whichever way it goes."""
    for words, direction, source, target in (
        (("put", str(tmp_path / "s"), ":changing"), "up", tmp_path / "s", tree / "changing"),
        (("get", ":s", str(tmp_path / "changing")), "down", tree / "s", tmp_path / "changing"),
    ):
        make_file(source, 64 * MIB)  # more than sockets take
        between.reset()
        hold = between.hold(direction, 8 * MIB)
        transfer = filexfer(between.port, *words)
        hold.wait()
        with source.open("r+b") as file:
            file.write(b"changed")
        hold.release()
        status, _, err = finish(transfer)
        assert status == 24, err
        assert not target.exists()
        between.reset()
        status, _, err = finish(filexfer(between.port, *words))
        assert status == 0, err
        assert digest_of(target) == digest_of(source)


def test_two_writers(tree: Path, running: Running, tmp_path: Path) -> None:
    """Of two who put one path at once, each is told how it went, and the file is one of theirs, whole."""
    digests: set[str] = set()
    for name in ("one", "two"):
        digests.add(make_file(tmp_path / name, 32 * MIB, seed=len(digests)))
    for _ in range(5):
        writers = [filexfer(running.port, "put", str(tmp_path / name), ":both") for name in ("one", "two")]
        results = [finish(writer) for writer in writers]
        assert any(status == 0 for status, _, _ in results), results
        for status, _, err in results:
            assert status in {0, 75}, err
            assert status == 0 or "somebody else" in err
        assert digest_of(tree / "both") in digests
    assert staged(tree) == 0


def test_conditions(tree: Path, running: Running, tmp_path: Path) -> None:
    """A file is replaced only if that was meant: --no-clobber, and --if-match with its etag."""
    (tmp_path / "new").write_text("new")
    (tree / "there").write_text("old")
    put = ("put", str(tmp_path / "new"), ":there")
    status, _, err = finish(filexfer(running.port, *put, "--no-clobber"))
    assert (status, (tree / "there").read_text()) == (73, "old"), err
    _, out, _ = finish(filexfer(running.port, "stat", ":there", "--json"))
    etag = json.loads(out.splitlines()[0])["etag"]
    status, _, err = finish(filexfer(running.port, *put, "--if-match", "0" * 16))
    assert (status, (tree / "there").read_text()) == (73, "old"), err
    status, _, err = finish(filexfer(running.port, *put, "--if-match", etag))
    assert (status, (tree / "there").read_text()) == (0, "new"), err
    status, _, err = finish(filexfer(running.port, *put, "--if-match", etag))
    assert status == 73, err


def message(header: dict[str, object]) -> bytes:
    """Give a message without content."""
    data = json.dumps(header).encode()
    return struct.pack("!I", len(data)) + data


HELLO = message({"type": "hello", "id": 1, "versions": [1], "digests": ["sha-256"]})


@contextmanager
def peers(count: int, port: int, first: bytes) -> Iterator[list[socket.socket]]:
    """Connect `count` peers that send `first`, and read nothing."""
    with ExitStack() as stack:
        connected = []
        for _ in range(count):
            peer = stack.enter_context(socket.socket())
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.connect(("127.0.0.1", port))
            peer.sendall(first)
            connected.append(peer)
        yield connected


def memory(pid: int) -> int:
    """Give how many bytes a process had in memory at most."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def descriptors(pid: int) -> int:
    """Give how many descriptors a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208


def test_hostile_peers(tmp_path: Path) -> None:
    """300 peers that are silent, drip, or never read don't keep a client from its files; then they are gone."""
    served = tmp_path / "served"
    served.mkdir()
    make_file(served / "large", 64 * MIB)
    make_file(tmp_path / "mine", 64 * MIB, seed=1)
    with service("filexfer", "--root", str(served), "--idle-timeout", "15") as server:
        pid, port = server.process.pid, server.port
        assert finish(filexfer(port, "get", ":large", str(tmp_path / "warm")))[0] == 0
        server.wait_until(lambda: server.log.count("closed by peer") == 1, "the first client's end")
        usual, before = descriptors(pid), memory(pid)
        never = HELLO + message({"type": "get", "id": 2, "path": "large"})
        drips = HELLO + message({"type": "stat", "id": 2, "path": "large"})[:5]
        stop = False
        with peers(100, port, b""), peers(100, port, drips) as dripping, peers(100, port, never):

            def drip() -> None:
                while not stop:
                    for peer in dripping:
                        with suppress(OSError):
                            peer.send(b" ")
                    time.sleep(1)

            dripper = Thread(target=drip)
            dripper.start()
            try:
                server.wait_until(lambda: descriptors(pid) >= usual + 300, "300 peers")
                status, _, err = finish(filexfer(port, "put", str(tmp_path / "mine"), ":mine"))
                assert status == 0, err
                status, _, err = finish(filexfer(port, "get", ":mine", str(tmp_path / "back")))
                assert status == 0, err
                assert digest_of(tmp_path / "back") == digest_of(tmp_path / "mine")
                grown = memory(pid) - before
                # They are still there; it is the server that lets go of them.
                server.wait_until(lambda: descriptors(pid) <= usual, "the end of all 300")
            finally:
                stop = True
                dripper.join(DEADLINE)
        assert grown < 300 * MIB, grown
        print(f"memory grown by {grown / MIB:.1f} MiB under 300 peers; descriptors {usual} before and after")  # noqa: T201
