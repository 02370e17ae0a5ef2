"""Experiment 15: a client that sends and doesn't read."""

import socket
from collections.abc import Iterator

from twisted_lab.experiments.client import MIB, PREFIX, flood, is_answered, receive_all, visit
from twisted_lab.experiments.experiment import Claim, Experiment, Picture, times
from twisted_lab.experiments.patience import DEADLINE
from twisted_lab.experiments.server import Server, hosted, model
from twisted_lab.experiments.usage import memory

#: What the client would send, and for how many seconds a server that could takes nothing until it counts as one that
#: takes no more.
SIZE, STAND = 96 * MIB, 1.0


def run() -> Iterator[Claim | Picture]:
    """Flood a server that keeps whatever isn't read, and ours, which then reads no more."""
    with hosted("twisted_lab.experiments.wrong:ShortEcho") as server:
        taken, grown, _ = flood_it(server)
    with model("twisted") as server:
        taken_by_ours, grown_of_ours, lost = flood_it(server)
    how_much = "all" if taken == SIZE else "not all"
    yield Claim(
        "the shortest server of Twisted takes 3 times as much from a client that doesn't read as ours does",
        f"{taken / MIB:.0f} MiB, which is {how_much}, against {taken_by_ours / MIB:.0f} MiB",
        taken >= 3 * taken_by_ours,
    )
    yield Claim(
        "and its memory grows by more than 10 times as much",
        f"by {grown / MIB:.0f} MiB against {grown_of_ours / MIB:.1f} MiB: "
        f"{times(grown, max(grown_of_ours, MIB // 10)):.0f} times as much",
        grown >= 10 * grown_of_ours,
    )
    yield Claim("what ours has taken comes back when the client reads at last", f"{lost} bytes lost", lost == 0)


def flood_it(server: Server) -> tuple[int, int, int]:
    """Send, and don't read: give how many bytes it took, by how many its memory grew, and how many never came back."""
    is_answered(server.address)
    before = memory(server)
    with visit(server, STAND, small=True) as connection:
        taken = flood(connection, SIZE)
        grown = max(0, memory(server) - before)
        connection.shutdown(socket.SHUT_WR)
        connection.patience = DEADLINE
        answer, _ = receive_all(connection)
    return taken, grown, taken - len(answer.replace(PREFIX, b""))


EXPERIMENT = Experiment(
    15,
    "backpressure",
    "A client sends for ever and never reads the answers. Where do they go?",
    "Into the server's memory, all of them, unless it stops reading from who doesn't read. Then the kernel's buffers "
    "fill up, and the client itself has to wait.",
    run,
)
