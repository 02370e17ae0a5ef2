"""Experiment 04: a process for each client, or several that were there before."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack

from twisted_lab.experiments.client import PREFIX, Connection, ask, connect
from twisted_lab.experiments.experiment import Claim, Experiment, Picture
from twisted_lab.experiments.server import Server, model
from twisted_lab.experiments.usage import children, count_children, settles
from twisted_lab.experiments.visits import Visits, side_by_side

CLIENTS = 8


def run() -> Iterator[Claim | Picture]:
    """See who waits, count processes, and kill one of them."""
    with model("processes") as server:
        visits = Visits(server)
        yield visits.draw("timeline", "A process for each client: who waits for whom")
        yield side_by_side(visits)
        settles(count_children, server, at=0)
        with ExitStack() as stack:
            clients = [stack.enter_context(connect(server.address)) for _ in range(CLIENTS)]
            for client in clients:
                ask(client)
            count = count_children(server)
            yield Claim("each client costs a process", f"{count} processes for {CLIENTS} clients", count == CLIENTS)
            yield kill_one(server, clients)
    yield start_before()


def kill_one(server: Server, clients: list[Connection]) -> Claim:
    """Kill one process as if it had crashed, and see which clients are still served."""
    for child in children(server)[:1]:
        os.kill(child, signal.SIGKILL)
    settles(count_children, server, at=CLIENTS - 1)
    served = [client for client in clients if ask(client) == PREFIX + b"hello"]
    return Claim(
        "a process that crashes takes one client with it, and no other",
        f"{len(served)} of {len(clients)} clients are still answered",
        len(served) == len(clients) - 1 and not server.is_over(),
    )


def start_before() -> Claim:
    """Count the processes of a server that started them before any client came."""
    with model("prefork") as server, ExitStack() as stack:
        before = count_children(server)
        for _ in range(CLIENTS):
            ask(stack.enter_context(connect(server.address)))
        after = count_children(server)
    return Claim(
        "a server that starts its processes before (prefork) has as many with clients as without",
        f"{before} processes without clients, {after} with {CLIENTS}",
        before == after > 0,
    )


EXPERIMENT = Experiment(
    4,
    "processes",
    "A process waits for each client. Who waits for whom, what does it cost, and what is it good for?",
    "Nobody waits for another client. Each costs a process, and one that crashes harms no other.",
    run,
)
