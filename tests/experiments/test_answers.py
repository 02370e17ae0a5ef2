"""What checks make of answers that no right server gives: they are wrong, and soon."""

import json
import socket
import struct
import sys

import pytest

from tests.experiments.fakes import Pair
from twisted_lab.experiments import client, e12_framing, e13_header
from twisted_lab.experiments.server import start
from twisted_lab.experiments.strings import frame


def header(text: str, encoding: str = "ascii") -> bytes:
    """Give a header with its length."""
    return struct.pack("!I", len(text.encode(encoding))) + text.encode(encoding)


@pytest.mark.parametrize(
    "reply",
    [
        header("[" * 60_000),
        header("[]"),
        header("hello"),
        header('{"type": "a"}', "utf-16"),
        header('{"type": "a", "length": -5}'),
        header('{"type": "a", "length": true}'),
        header('{"type": "a", "length": 5.0}'),
        header('{"type": "a", "length": "5"}'),
        header(f'{{"type": "a", "length": {10**12}}}'),
        struct.pack("!I", 65537),
    ],
)
def test_no_reply(pair: Pair, reply: bytes) -> None:
    """What isn't a message, or has a length that no right answer has, is no reply; what follows it isn't read."""
    ours, theirs = pair
    theirs.sendall(reply + b"and more")
    theirs.shutdown(socket.SHUT_WR)
    assert e13_header.read_replies(ours, 1) == []
    assert client.receive_all(ours) == (b"and more", "closed")


def test_replies(pair: Pair) -> None:
    """Those before one that is cut short are replies."""
    ours, theirs = pair
    theirs.sendall(e13_header.message({"type": "a"}, b"content") + e13_header.message({"type": "b"}, b"content")[:-1])
    theirs.shutdown(socket.SHUT_WR)
    assert e13_header.read_replies(ours, 2) == [({"type": "a", "length": 7}, b"content")]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("greeting", "greeting"),
        ("g" * 100, "g" * 40),
        ("\ud800", "'\\ud800'"),
        ("\x1b[2J", "'\\x1b[2J'"),
        (7, "7"),
        (None, "None"),
        ([[["deep"]]], "(a list)"),
    ],
)
def test_how_a_value_is_shown(value: object, shown: str) -> None:
    """Whatever a server has put into its header, it is a short text that a terminal can print."""
    assert e13_header.show_value(value) == shown
    assert e13_header.show_types([(json.loads(json.dumps({"type": value})), b"")]) == shown


def test_more_than_were_sent() -> None:
    """More strings than were sent are said to be that."""
    sent = b"".join(map(frame, [b"one", b"two", b"three"]))
    claim = e12_framing.judge("they come back", bytes(48), sent, "")
    assert claim.observed.startswith("12 strings came back, and 3 were sent, not as sent: ")
    assert e12_framing.count_of(claim) == "12 strings came back, and 3 were sent"
    assert e12_framing.judge("they come back", sent[:7], sent, "").observed.startswith("1 of 3 strings came back, not")
    assert e12_framing.judge("they come back", sent, sent, "").observed == "3 of 3 strings came back, as sent"


def test_one_that_reads_too_long_a_string_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes a little now and then of a string that is too long isn't fed until all has gone."""
    monkeypatch.setattr(e12_framing, "PATIENCE", 0.2)
    program = """
import socket, time
listener = socket.create_server(("127.0.0.1", 0))
print(f"slow listens on 127.0.0.1:{listener.getsockname()[1]}")
connection, _ = listener.accept()
while connection.recv(65536):
    time.sleep(0.1)
"""
    with start([sys.executable, "-c", program]) as server:
        claim = e12_framing.check_too_long(server)
    assert not claim.holds
    assert claim.observed.startswith("still open after ")
    assert claim.observed != f"still open after {e12_framing.ENOUGH / client.MIB:.0f} MiB"
