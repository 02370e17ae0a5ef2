"""Experiment 01: an echo server, what it answers, and what a client can do to it."""

import socket
from collections.abc import Iterator

from twisted_lab.experiments.client import PREFIX, ask, connect, is_answered, letters, receive_all, reset
from twisted_lab.experiments.experiment import Claim, Experiment, Picture
from twisted_lab.experiments.patience import DEADLINE
from twisted_lab.experiments.server import Server, model, tutorial


def run() -> Iterator[Claim | Picture]:
    """Talk to the tutorial's server and to ours, and then crash a client of each."""
    with tutorial("echo_server") as server:
        yield from answers(server)
        yield from prefixes(server)
        break_off(server)
        over = server.is_over(within=DEADLINE)
        yield Claim(
            "a client that crashes takes the tutorial's server down with it",
            server.error or "it lives on",
            over and "ConnectionResetError" in server.error,
        )
    with model("blocking") as server:
        break_off(server)
        well = is_answered(server.address)
        yield Claim(
            "ours, which expects that, goes on with the next client",
            f"the next client {'is answered' if well else 'gets no answer'}",
            well and not server.is_over(),
        )


def answers(server: Server) -> Iterator[Claim]:
    """Send one short message."""
    with connect(server.address) as connection:
        answer = ask(connection)
        yield Claim("b'hello' comes back as b'echo hello'", f"{answer!r}", answer == PREFIX + b"hello")


def prefixes(server: Server) -> Iterator[Claim]:
    """Send one long message, and count the prefixes in what comes back."""
    with connect(server.address) as connection:
        connection.sendall(letters(5000))
        connection.shutdown(socket.SHUT_WR)
        answer, _ = receive_all(connection)
        count = answer.count(PREFIX)
        yield Claim(
            "one message of 5000 bytes has more than one answer: 'echo ' stands before each piece that was read",
            f"{count} times 'echo ' for 1 message",
            count > 1,
        )


def break_off(server: Server) -> None:
    """Be a client that crashes: its kernel resets the connection."""
    with connect(server.address) as connection:
        ask(connection)
        reset(connection)


EXPERIMENT = Experiment(
    1,
    "echo",
    "What does the simplest server answer, and what does it take to end it?",
    "It answers each piece that it reads, which needn't be a message. One client that crashes ends it for all, unless "
    "it expects that.",
    run,
)
