"""The clients of the experiments: what they receive has a bound, and how it ended is told."""

import socket
from typing import Any

import pytest

from tests.experiments.fakes import Pair
from twisted_lab.experiments import client
from twisted_lab.experiments.patience import DEADLINE, LOOK


def test_how_it_ended(pair: Pair) -> None:
    """A server that says nothing more, one that never ends, and one that closes are told apart."""
    ours, theirs = pair
    ours.patience = 0.1
    theirs.sendall(b"hello")
    assert client.receive_all(ours) == (b"hello", "silent")
    theirs.sendall(b"hello")
    assert client.receive_all(ours, most=3) == (b"hello", "endless")
    theirs.shutdown(socket.SHUT_WR)
    assert client.receive_all(ours) == (b"", "closed")


def test_reset(pair: Pair) -> None:
    """A connection that is reset isn't taken for one that is closed."""
    ours, theirs = pair
    client.reset(theirs)
    assert client.receive_all(ours) == (b"", "reset")
    assert client.receive(ours, 1) == b""


def test_an_echo_in_pieces(pair: Pair) -> None:
    """An echo is complete when all letters are there, though a prefix is cut in two."""
    ours, theirs = pair
    theirs.sendall(b"echo ABCDec")
    assert client.wait_for_bytes(ours, 11)
    thread = client.send_apart(theirs, b"ho EF", shut=False)
    assert client.receive_echo(ours, 6) == b"ABCDEF"
    thread.join(DEADLINE)


def test_an_endless_echo(pair: Pair) -> None:
    """A server that sends prefixes for ever is left when it has sent more than any echo has; the rest isn't read."""
    ours, theirs = pair
    thread = client.send_apart(theirs, client.PREFIX * 10_000)
    assert client.receive_echo(ours, 100) == b""
    left, _ = client.receive_all(ours)
    assert len(left) == len(client.PREFIX) * 10_000 - client.longest_echo(100)
    thread.join(DEADLINE)


def test_a_trickle(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The patience is that of a whole answer: a byte now and then doesn't make it longer."""
    ours, theirs = pair
    now = 0.0

    def trickle(*waits: Any) -> tuple[list[object], list[object], list[object]]:
        nonlocal now
        now += LOOK
        if waits[-1]:  # else nothing is there at this moment
            theirs.sendall(b"A")
        return [ours] if waits[-1] else [], [], []

    monkeypatch.setattr("time.monotonic", lambda: now)
    monkeypatch.setattr("select.select", trickle)
    ours.patience = 10 * LOOK
    assert 5 < len(client.receive(ours, 200)) < 15
    assert 5 < len(client.receive_echo(ours, 200)) < 15
    data, end = client.receive_all(ours, within=20 * LOOK)
    assert 15 < len(data) < 25
    assert end == "endless"


def test_letters() -> None:
    """What is sent is the same each time, of any length, and has no prefix in it."""
    assert client.letters(10) == client.letters(100_000)[:10]
    assert len(client.letters(100_000)) == 100_000
    assert client.PREFIX not in client.letters(100_000)
