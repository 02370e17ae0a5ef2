"""The clients of the experiments: what they receive has a bound, and how it ended is told."""

import socket
from threading import Event, Thread

from tests.experiments.fakes import Pair
from twisted_lab.experiments import client


def test_how_it_ended(pair: Pair) -> None:
    """A server that says nothing more, one that never ends, and one that closes are told apart."""
    ours, theirs = pair
    ours.settimeout(0.1)
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
    thread.join(client.DEADLINE)


def test_an_endless_echo(pair: Pair) -> None:
    """A server that sends prefixes for ever is left when it has sent more than any echo has; the rest isn't read."""
    ours, theirs = pair
    thread = client.send_apart(theirs, client.PREFIX * 10_000)
    assert client.receive_echo(ours, 100) == b""
    left, _ = client.receive_all(ours)
    assert len(left) == len(client.PREFIX) * 10_000 - client.longest_echo(100)
    thread.join(client.DEADLINE)


def test_a_trickle(pair: Pair) -> None:
    """The timeout is that of a whole answer: a byte now and then doesn't make it longer."""
    ours, theirs = pair
    over = Event()

    def trickle() -> None:
        while not over.wait(0.03):
            theirs.sendall(b"A")

    thread = Thread(target=trickle, daemon=True)
    thread.start()
    ours.settimeout(0.2)
    assert len(client.receive(ours, 200)) < 200
    assert len(client.receive_echo(ours, 200)) < 200
    data, end = client.receive_all(ours, within=0.5)
    assert data
    assert end == "endless"
    over.set()
    thread.join(client.DEADLINE)


def test_letters() -> None:
    """What is sent is the same each time, of any length, and has no prefix in it."""
    assert client.letters(10) == client.letters(100_000)[:10]
    assert len(client.letters(100_000)) == 100_000
    assert client.PREFIX not in client.letters(100_000)
