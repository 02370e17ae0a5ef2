"""Experiment 08: a client with several connections, and what it may take for an answer."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from threading import Thread
from time import monotonic, sleep

from twisted_lab.experiments.client import DEADLINE, wait_for_bytes
from twisted_lab.experiments.errors import CannotRunError
from twisted_lab.experiments.experiment import Claim, Experiment, Picture, times
from twisted_lab.experiments.server import HOST, TUTORIAL, model

#: What the tutorial's client sends over each of its connections, in two messages.
MESSAGES = [b"Message 1 from client", b"Message 2 from client"]
#: Connections to a server that takes its time for each answer, and how many seconds.
CONNECTIONS, TIME = 10, 0.2


def run() -> Iterator[Claim | Picture]:
    """Run the tutorial's client and ours, and see what each takes for an answer."""
    with socket.create_server((HOST, 0)) as listener:
        server = Thread(target=serve_late, args=(listener,), daemon=True)
        server.start()
        printed = run_client("-c", tutorial_client(listener.getsockname()[1]))
        server.join(DEADLINE)
    sends, answers = printed.count("send "), re.findall(r"received (b'.*?')", printed)
    yield Claim(
        "two messages that the tutorial's client sends one after the other are read as one, and answered once",
        f"{sends} messages over 2 connections, {len(answers)} answers: {answers[0] if answers else 'none'}",
        sends == 4 and len(answers) == 2,
    )
    with model("selectors") as echo:
        printed = run_client("-m", "twisted_lab.models.client", HOST, str(echo.address[1]))
    answers = re.findall(r"received (b'.*?')", printed)
    yield Claim(
        "ours knows how long an answer is, and waits for it before it sends the next: each message has its own",
        f"{printed.count('sends ')} messages over 2 connections, {len(answers)} answers",
        printed.count("sends ") == len(answers) == 4,
    )
    one, many = time_for(1), time_for(CONNECTIONS)
    yield Claim(
        f"{CONNECTIONS} connections at once to a slow server take less than {CONNECTIONS // 2} times as long as one",
        f"{many:.2f} s against {one:.2f} s: {times(many, one):.1f} times as long",
        many < one * CONNECTIONS / 2,
    )


def tutorial_client(port: int) -> str:
    """Give the text of the tutorial's client; it connects to that port."""
    return (TUTORIAL / "multi_client.py").read_text("utf-8").replace("PORT = 5678", f"PORT = {port}")


def run_client(*words: str) -> str:
    """Run a client's program to its end, and give what it prints."""
    try:
        return subprocess.run(  # noqa: S603  # our own program
            [sys.executable, "-P", *words], capture_output=True, text=True, timeout=DEADLINE, check=True
        ).stdout
    except subprocess.SubprocessError as error:
        raise CannotRunError(f"a client failed: {error}") from error


def serve_late(listener: socket.socket) -> None:
    """Take two clients; read when both messages of each are there; echo what a read brings."""
    listener.settimeout(DEADLINE)
    with ExitStack() as stack:
        connections = [stack.enter_context(listener.accept()[0]) for _ in range(2)]
        for connection in connections:
            wait_for_bytes(connection, sum(map(len, MESSAGES)))
            connection.sendall(b"echo " + connection.recv(1024))
        for connection in connections:
            connection.settimeout(DEADLINE)
            connection.recv(1)  # until the client closes


def time_for(connections: int) -> float:
    """Give the seconds that our client takes with so many connections to a server that is slow to answer."""

    def serve(connection: socket.socket) -> None:
        with connection:
            connection.settimeout(DEADLINE)
            while data := connection.recv(1024):
                sleep(TIME)
                connection.sendall(b"echo " + data)

    def listen() -> None:
        for _ in range(connections):
            Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server((HOST, 0), backlog=connections) as listener:
        listener.settimeout(DEADLINE)
        Thread(target=listen, daemon=True).start()
        began = monotonic()
        port = str(listener.getsockname()[1])
        run_client("-m", "twisted_lab.models.client", HOST, port, "-c", str(connections), "-m", "hello")
        return monotonic() - began


EXPERIMENT = Experiment(
    8,
    "multi-connection client",
    "A client has several connections, and sends two messages over each. How many answers does it get?",
    "As many as the server makes of what it reads: two messages may have one answer. Who wants one for each must know "
    "where an answer ends.",
    run,
)
