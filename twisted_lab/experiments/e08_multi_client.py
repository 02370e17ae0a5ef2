"""Experiment 08: a client with several connections, and what it may take for an answer."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from threading import Thread

from twisted_lab.experiments.client import wait_for_bytes
from twisted_lab.experiments.errors import CannotRunError
from twisted_lab.experiments.experiment import Claim, Experiment, Picture
from twisted_lab.experiments.patience import DEADLINE
from twisted_lab.experiments.server import HOST, TUTORIAL, model

#: What the tutorial's client sends over each of its connections, in two messages.
MESSAGES = [b"Message 1 from client", b"Message 2 from client"]
#: Connections to a server that takes its time for the first answer.
CONNECTIONS = 10


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
    asked, answered = ask_at_once()
    yield Claim(
        f"it asks over all of its connections at once: a server that answers nobody before all {CONNECTIONS} have "
        "asked answers all of them",
        f"{asked} had asked before the first answer, {answered} answers",
        asked == answered == CONNECTIONS,
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


def ask_at_once() -> tuple[int, int]:
    """Give over how many connections our client asks before it has an answer, and over how many it has one then."""
    asked = 0

    def serve() -> None:
        nonlocal asked
        with ExitStack() as stack:
            connections = [stack.enter_context(listener.accept()[0]) for _ in range(CONNECTIONS)]
            messages = []
            for connection in connections:
                connection.settimeout(DEADLINE)
                messages.append(connection.recv(1024))
                asked += 1
            for connection, message in zip(connections, messages, strict=True):
                connection.sendall(b"echo " + message)

    with socket.create_server((HOST, 0), backlog=CONNECTIONS) as listener:
        listener.settimeout(DEADLINE)
        server = Thread(target=serve, daemon=True)
        server.start()
        port = str(listener.getsockname()[1])
        printed = run_client("-m", "twisted_lab.models.client", HOST, port, "-c", str(CONNECTIONS), "-m", "hello")
        server.join(DEADLINE)
    return asked, printed.count("received ")


EXPERIMENT = Experiment(
    8,
    "multi-connection client",
    "A client has several connections, and sends two messages over each. How many answers does it get?",
    "As many as the server makes of what it reads: two messages may have one answer. Who wants one for each must know "
    "where an answer ends.",
    run,
)
