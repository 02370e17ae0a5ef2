"""Experiment 00: what a byte stream keeps of the pieces that it was sent in."""

import socket
from collections.abc import Iterator

from twisted_lab.experiments import ruler
from twisted_lab.experiments.client import connect, letters, receive, receive_all, send_apart, wait_for_bytes
from twisted_lab.experiments.experiment import Claim, Experiment, Picture
from twisted_lab.experiments.patience import DEADLINE
from twisted_lab.experiments.server import HOST, model, tutorial

MESSAGES = [b"one", b"two, longer", b"three, the longest of all"]
#: Bytes that are received at one time, as in the tutorial.
CHUNK = 1024


def run() -> Iterator[Claim | Picture]:
    """Send short messages and a long one, and see in which pieces they are read."""
    with socket.create_server((HOST, 0)) as listener, connect(listener.getsockname()) as sender:
        receiver, _ = listener.accept()
        with receiver:
            receiver.settimeout(DEADLINE)
            yield from merge(sender, receiver)
            yield from cut(sender, receiver)
    yield from cut_character()


def merge(sender: socket.socket, receiver: socket.socket) -> Iterator[Claim | Picture]:
    """Send three messages before anything is read."""
    for message in MESSAGES:
        sender.sendall(message)
    wait_for_bytes(receiver, sum(map(len, MESSAGES)))
    data = receiver.recv(CHUNK)
    yield Claim(
        "three messages that are sent before anyone reads are read as one piece",
        f"3 sends, then one read of {len(data)} bytes: {data!r:.32}...",
        data == b"".join(MESSAGES),
    )
    cuts = {"sends": [*map(len, MESSAGES)], "reads": [len(data)]}
    yield ruler.draw("merged", "Three sends, and what was read", cuts)


def cut(sender: socket.socket, receiver: socket.socket) -> Iterator[Claim | Picture]:
    """Send one message that is longer than what is read at one time."""
    data = letters(300 * CHUNK)
    thread = send_apart(sender, data)
    pieces = []
    while piece := receiver.recv(CHUNK):
        pieces.append(piece)
    thread.join()
    yield Claim(
        "one long message is read in more than one piece",
        f"1 send of {len(data)} bytes, {len(pieces)} reads",
        len(pieces) > 1,
    )
    yield Claim(
        "all of its bytes come, in the order in which they were sent",
        f"{sum(map(len, pieces))} bytes, {'the same' if b''.join(pieces) == data else 'others'}",
        b"".join(pieces) == data,
    )


def cut_character() -> Iterator[Claim]:
    """Send a message whose last letter takes two bytes, of which the first is the last that fits into one read."""
    text = ("a" * (CHUNK - 1) + "ü").encode()
    with tutorial("echo_server") as server:
        with connect(server.address) as connection:
            connection.sendall(text)
            answer, _ = receive_all(connection)
        over = server.is_over(within=DEADLINE)
        yield Claim(
            "the tutorial's server, which decodes each piece by itself, dies of a letter that is cut in two",
            f"{len(answer)} bytes came back; {server.error or 'it lives on'}",
            over and "UnicodeDecodeError" in server.error,
        )
    with model("blocking") as server, connect(server.address) as connection:
        connection.sendall(text)
        answer = receive(connection, len(b"echo ") + len(text))
        yield Claim(
            "ours, which sends bytes back as they are, answers it",
            f"{len(answer)} bytes came back",
            answer.endswith("ü".encode()),
        )


EXPERIMENT = Experiment(
    0,
    "a byte stream",
    "What does TCP keep of the pieces in which something was sent?",
    "Nothing but the bytes and their order. Pieces are put together and cut anywhere, even inside a letter.",
    run,
)
