"""Interrupts, servers that die, sources that change; and the rate, without which nothing could be caught half-way."""

import os
import signal
import socket
import subprocess
from pathlib import Path
from threading import Event

import pytest

from tests.filexfer_command.shop import MEBIBYTE, Shop, assert_sentence, contents, wait_until
from tests.processes import DEADLINE, ENVIRONMENT, answering, receive, service


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("verb", ["put", "get"])
def test_interrupted_and_run_again(shop: Shop, verb: str, number: signal.Signals) -> None:
    """An interrupt keeps what was moved and says so, and nothing is under the name; the same command goes on there."""
    content = os.urandom(12 * MEBIBYTE)
    name = f"large-{number.name}"
    (shop.here if verb == "put" else shop.root).joinpath("large").write_bytes(content)
    words = [verb, "large", f":{name}"] if verb == "put" else [verb, ":large", name]
    with (
        shop.half_way("up" if verb == "put" else "down") as (half_way, hold),
        half_way.start(*words, "--limit-rate", "8M") as transfer,
    ):
        wait_until(lambda: shop.left_over() >= 2 * MEBIBYTE)
        os.killpg(transfer.pid, number)
        os.killpg(transfer.pid, number)  # as timeout(1) does
        _, errors = transfer.communicate(timeout=DEADLINE)
        hold.lose()
    assert transfer.returncode == (130 if number == signal.SIGINT else os.EX_TEMPFAIL)
    assert_sentence(errors.decode(), "interrupted; ", "iB are kept, run the same command again to go on")
    target = (shop.root if verb == "put" else shop.here) / name
    assert not target.exists()
    if verb == "put":
        shop.wait_for_the_end_of_a_put(name)
    kept = shop.left_over()
    (record, summary) = shop.records(*words)
    assert (record["resumed"], summary["moved"]) == (kept, len(content) - kept)
    assert kept >= 2 * MEBIBYTE
    assert (target.read_bytes(), shop.left_over()) == (content, 0)


def test_interrupted_while_the_server_is_silent() -> None:
    """A server that doesn't answer doesn't hold up an interrupt; there is nothing to go on from, and it isn't said."""
    asked, released = Event(), Event()

    def answer(connection: socket.socket) -> None:
        receive(connection, 1)
        asked.set()
        released.wait(DEADLINE)

    words = ["env", "--default-signal=INT", "filexfer", "ls", "--connect"]
    with (
        answering(answer) as address,
        subprocess.Popen([*words, address], env=ENVIRONMENT, stderr=subprocess.PIPE) as waiting,
    ):
        assert asked.wait(DEADLINE)
        waiting.send_signal(signal.SIGINT)
        _, errors = waiting.communicate(timeout=DEADLINE)
        released.set()
    assert waiting.returncode == 130
    assert_sentence(errors.decode(), "interrupted; nothing is half done")


def test_the_server_dies(tmp_path: Path) -> None:
    """A server that is killed half-way: one status, 75; with it back the same command goes on and it is whole."""
    root, here = tmp_path / "root", tmp_path / "here"
    root.mkdir()
    here.mkdir()
    content = os.urandom(12 * MEBIBYTE)
    (here / "large").write_bytes(content)
    with service("filexfer", "--root", str(root)) as serving:
        shop = Shop(serving, serving.addresses[0], root, here)
        with shop.half_way("up") as (half_way, _), half_way.start("put", "large", ":x") as transfer:
            wait_until(lambda: shop.left_over() >= 2 * MEBIBYTE)
            serving.stop(signal.SIGKILL)
            _, errors = transfer.communicate(timeout=DEADLINE)
    assert transfer.returncode == os.EX_TEMPFAIL
    assert "run the same command again to go on" in errors.decode()
    assert not (root / "x").exists()
    with service("filexfer", "--root", str(root)) as serving:
        (record, _) = Shop(serving, serving.addresses[0], root, here).records("put", "large", ":x")
    assert record["resumed"] >= 2 * MEBIBYTE
    assert (root / "x").read_bytes() == content


@pytest.mark.parametrize("verb", ["put", "get"])
def test_no_faster_than_that(shop: Shop, verb: str) -> None:
    """--limit-rate: what takes a second and a half at that rate takes as long, either way."""
    (shop.here if verb == "put" else shop.root).joinpath("x").write_bytes(bytes(3 * MEBIBYTE))
    words = [verb, "x", ":"] if verb == "put" else [verb, ":x", "."]
    summary = shop.records(*words, "--limit-rate", "2M")[-1]
    assert summary["seconds"] >= 1.5 * 0.9


def test_a_source_that_changes(shop: Shop) -> None:
    """A file that is written to while it is sent is never published: one sentence, status 24."""
    source = shop.here / "large"
    source.write_bytes(bytes(64 * MEBIBYTE))  # more than sockets take
    with shop.half_way("up") as (half_way, hold), half_way.start("put", "large", ":x") as transfer:
        hold.wait()
        with source.open("r+b") as file:
            file.write(b"changed")
        hold.release()
        _, errors = transfer.communicate(timeout=DEADLINE)
    assert transfer.returncode == 24
    assert_sentence(errors.decode(), "large: it changed while it was read")
    assert contents(shop.root) == {}
