"""Pieces of a stream that are read apart: what is sent next isn't sent before that."""

import socket
import sys
from threading import Thread

import pytest

from tests.experiments.fakes import Pair
from twisted_lab.experiments.patience import DEADLINE, Deadline
from twisted_lab.experiments.pieces import is_unread, send_piece, wait_until_read

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is unread")


def test_what_is_unread(pair: Pair) -> None:
    """What was sent is unread until all of it has been read, and the end of the stream as well."""
    ours, theirs = pair
    assert not is_unread(ours)
    ours.sendall(b"hello")
    assert is_unread(ours)
    theirs.recv(2)
    assert is_unread(ours)
    theirs.recv(3)
    wait_until_read(ours, Deadline(DEADLINE))
    assert not is_unread(ours)
    ours.shutdown(socket.SHUT_WR)
    assert is_unread(ours)
    theirs.recv(1)
    wait_until_read(ours, Deadline(DEADLINE))
    assert not is_unread(ours)


def test_each_piece_is_a_read(pair: Pair) -> None:
    """However late the other side reads, it reads the pieces as they were sent."""
    ours, theirs = pair
    theirs.settimeout(DEADLINE)
    read: list[bytes] = []

    def read_late() -> None:
        for _ in range(3):
            while not is_unread(ours):
                """Nothing was sent yet."""
            read.append(theirs.recv(100))

    reader = Thread(target=read_late, daemon=True)
    reader.start()
    for piece in (b"one", b"two", b"three"):
        send_piece(ours, piece, Deadline(DEADLINE))
    reader.join(DEADLINE)
    assert read == [b"one", b"two", b"three"]


def test_who_does_not_read(pair: Pair) -> None:
    """At its deadline the next piece is sent though the last wasn't read, and a connection that is gone is no error."""
    ours, theirs = pair
    send_piece(ours, b"one", Deadline(0.1))
    send_piece(ours, b"two", Deadline(0.0))
    assert is_unread(ours)
    theirs.close()
    send_piece(ours, b"three", Deadline(DEADLINE))
    assert not is_unread(ours)
