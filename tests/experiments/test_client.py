"""The clients of the experiments: what they receive has a bound, and how it ended is told."""

import socket
from collections.abc import Iterator

import pytest

from twisted_lab.experiments import client


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give two ends of a connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener, client.connect(listener.getsockname()) as ours:
        theirs, _ = listener.accept()
        with theirs:
            yield ours, theirs


def test_how_it_ended(pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that says nothing more, one that never ends, and one that closes are told apart."""
    ours, theirs = pair
    ours.settimeout(0.1)
    theirs.sendall(b"hello")
    assert client.receive_all(ours) == (b"hello", "silent")
    monkeypatch.setattr(client, "MOST", 3)
    theirs.sendall(b"hello")
    assert client.receive_all(ours) == (b"hello", "endless")
    theirs.shutdown(socket.SHUT_WR)
    assert client.receive_all(ours) == (b"", "closed")


def test_reset(pair: tuple[socket.socket, socket.socket]) -> None:
    """A connection that is reset isn't taken for one that is closed."""
    ours, theirs = pair
    client.reset(theirs)
    assert client.receive_all(ours) == (b"", "reset")
    assert client.receive(ours, 1) == b""


def test_an_echo_in_pieces(pair: tuple[socket.socket, socket.socket]) -> None:
    """An echo is complete when all letters are there, though a prefix is cut in two."""
    ours, theirs = pair
    theirs.sendall(b"echo ABCDec")
    assert client.wait_for_bytes(ours, 11)
    thread = client.send_apart(theirs, b"ho EF", shut=False)
    assert client.receive_echo(ours, 6) == b"ABCDEF"
    thread.join(client.DEADLINE)


def test_letters() -> None:
    """What is sent is the same each time, of any length, and has no prefix in it."""
    assert client.letters(10) == client.letters(100_000)[:10]
    assert len(client.letters(100_000)) == 100_000
    assert client.PREFIX not in client.letters(100_000)
