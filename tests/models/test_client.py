"""The client with several connections."""

import os
import signal
import socket
import subprocess
import sys
from collections import Counter

import pytest

from tests.processes import DEADLINE, Running, answering, command, program, receive

WORDS = (sys.executable, "-m", "twisted_lab.models.client")


@pytest.mark.parametrize("count", [1, 50])
def test_all_are_answered(echo: Running, count: int) -> None:
    """Each connection sends its messages one after the other, and prints each answer."""
    done = command(*WORDS, "127.0.0.1", str(echo.port), "-c", str(count), "-m", "one", "-m", "two")
    assert done.returncode == os.EX_OK, done.stderr
    said = Counter(line.split(b": ", 1)[1] for line in done.stdout.splitlines())
    assert said == dict.fromkeys(
        [b"sends b'one'", b"received b'echo one'", b"sends b'two'", b"received b'echo two'"], count
    )


def test_bytes_that_are_no_text(echo: Running) -> None:
    """They are sent as they were typed."""
    done = subprocess.run(
        [*WORDS, "127.0.0.1", str(echo.port), "-c", "1", "-m", b"\xff\xfe"],
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == os.EX_OK, done.stderr
    assert done.stdout.splitlines()[-1] == rb"connection 1: received b'echo \xff\xfe'"


def test_an_answer_in_pieces() -> None:
    """An answer is complete when all of it has come, in however many reads."""
    with program(sys.executable, "-m", "twisted_lab.models.selectors", "127.0.0.1", "0", "--prefix", "") as running:
        text = "long" * 30000
        done = command(*WORDS, "127.0.0.1", str(running.port), "--prefix", "", "-c", "3", "-m", text)
    assert done.returncode == os.EX_OK, done.stderr
    assert done.stdout.count(f"received b'{text}'".encode()) == 3


def test_a_message_in_pieces() -> None:
    """A server that answers each piece of a message puts its prefix before each, and nobody can tell: it is said."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"echo " + receive(connection, 2) + b"echo " + receive(connection, 3))

    with answering(answer) as address:
        done = command(*WORDS, "127.0.0.1", address.rpartition(":")[2], "-c", "1", "-m", "hello")
    assert done.returncode == os.EX_UNAVAILABLE
    assert b"the message was read in pieces" in done.stderr


def test_another_prefix(echo: Running) -> None:
    """What isn't the answer that was due isn't taken for it."""
    done = command(*WORDS, "127.0.0.1", str(echo.port), "-c", "1", "-m", "x", "--prefix", "ECHO ")
    assert done.returncode == os.EX_UNAVAILABLE
    assert b"b'echo x' came back, and b'ECHO x' was due" in done.stderr


@pytest.mark.parametrize("words", [("127.0.0.1", "99999"), ("-c", "0"), ("-m", "")])
def test_what_makes_no_sense(words: tuple[str, ...]) -> None:
    """It is refused in a sentence."""
    done = command(*WORDS, *words)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


def test_nobody_there() -> None:
    """A connection that is refused is one sentence."""
    done = command(*WORDS, "127.0.0.1", "1")
    assert done.returncode == os.EX_UNAVAILABLE
    assert done.stderr == b"127.0.0.1:1: Connection refused\n"


def test_server_ends(silent: str) -> None:
    """Without an answer it waits no longer than it should; Ctrl-C ends it before."""
    process = subprocess.Popen([*WORDS, "127.0.0.1", silent.rpartition(":")[2], "-c", "1"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 128 + signal.SIGINT
