"""What an experiment finds doesn't hang on when anything is late: the machine may stand still for seconds."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread, Timer
from types import SimpleNamespace
from typing import Any

import pytest

from twisted_lab.experiments import e12_framing, e14_file_transfer, e15_backpressure, usage, visits
from twisted_lab.experiments.client import MIB, connect
from twisted_lab.experiments.patience import DEADLINE
from twisted_lab.experiments.server import Server, hosted, model
from twisted_lab.experiments.visits import BRIEF, Visits, one_after_another, side_by_side


@contextmanager
def stopped(server: Server, seconds: float) -> Iterator[None]:
    """Stop a server, and let it go on after so many seconds."""
    os.kill(server.pid, signal.SIGSTOP)
    timer = Timer(seconds, os.kill, (server.pid, signal.SIGCONT))
    timer.start()
    try:
        yield
    finally:
        timer.join(DEADLINE)


@contextmanager
def late_server(seconds: float) -> Iterator[Any]:
    """Run a server that serves one client after the other, and is late with its first answer."""

    def serve() -> None:
        for number in range(3):
            connection, _ = listener.accept()
            with connection:
                data = connection.recv(100)
                time.sleep(0.0 if number else seconds)
                connection.sendall(b"echo " + data)
                connection.recv(100)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield SimpleNamespace(address=listener.getsockname())
        thread.join(DEADLINE)


def test_a_first_client_that_waits_for_long() -> None:
    """However late the first answer is, who comes second waits several times as long for the first to leave."""
    with late_server(0.3) as server:
        assert one_after_another(Visits(server, patience=BRIEF)).holds


@pytest.mark.parametrize(("name", "patience"), [("blocking", BRIEF), ("threads", DEADLINE)])
def test_a_second_client_that_is_late(monkeypatch: pytest.MonkeyPatch, name: str, patience: float) -> None:
    """The first client is there until the others have asked, however late they come."""
    came = 0

    def connect_late(address: tuple[str, int]) -> Any:
        nonlocal came
        came += 1
        time.sleep(0.0 if came == 1 else 1.0)
        return connect(address)

    monkeypatch.setattr(visits, "connect", connect_late)
    with model(name) as server:
        found = Visits(server, patience=patience)
    assert all(other.asked < found.first.left for other in found.others)
    assert (one_after_another if name == "blocking" else side_by_side)(found).holds


def test_a_server_that_reads_a_length_late() -> None:
    """A right server that is kept from reading the length of a string that is too long isn't taken for a wrong one."""
    with hosted("twisted_lab.experiments.strings:StringsFactory") as server, stopped(server, 2.5):
        assert e12_framing.check_too_long(server).holds


def test_a_server_that_takes_all_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that would take all that a client sends isn't thought to be full for it is kept from taking it."""
    monkeypatch.setattr(e15_backpressure, "SIZE", 32 * MIB)
    with hosted("twisted_lab.experiments.wrong:ShortEcho") as server:
        monkeypatch.setattr(e15_backpressure, "is_answered", lambda _: os.kill(server.pid, signal.SIGSTOP))
        timer = Timer(2.5, os.kill, (server.pid, signal.SIGCONT))
        timer.start()
        taken, _, _ = e15_backpressure.flood_it(server)
        timer.join(DEADLINE)
    assert taken == 32 * MIB


def test_a_busy_server_that_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers are watched until the busy one has been busy, and not for a time in which it may not have run at all."""
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    def look(server: str) -> Any:
        ran = max(0.0, now - 5.0)  # from then on
        return SimpleNamespace(cpu={"busy": ran, "resting": 0.02 * ran}[server])

    monkeypatch.setattr(usage, "look", look)
    monkeypatch.setattr("time.sleep", sleep)
    monkeypatch.setattr("time.monotonic", lambda: now)
    busy, resting = usage.cpu_shares(["busy", "resting"], 1.0)  # type: ignore[list-item]
    assert busy == pytest.approx(1 / 6, rel=0.1)
    assert busy >= 10 * resting


def test_a_file_that_vanishes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file that is gone between the list of names and the look at it counts for nothing."""
    (tmp_path / "there").write_bytes(b"hello")
    monkeypatch.setattr(Path, "iterdir", lambda path: iter([path / "gone", path / "there"]))
    assert e14_file_transfer.size_of_all(tmp_path) == 5
