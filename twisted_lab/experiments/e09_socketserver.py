"""Experiment 09: the standard library's socketserver, plain, with threads and with processes."""

from collections.abc import Iterator

from twisted_lab.experiments.client import ask, connect
from twisted_lab.experiments.experiment import Claim, Experiment, Picture
from twisted_lab.experiments.server import model
from twisted_lab.experiments.usage import count_children, settles, threads
from twisted_lab.experiments.visits import BRIEF, Visits, one_after_another, side_by_side


def run() -> Iterator[Claim | Picture]:
    """See who waits, and what its two mixins add."""
    with model("socketserver") as server:
        visits = Visits(server, patience=BRIEF)
        yield visits.draw("plain", "socketserver.TCPServer: who waits for whom")
        yield one_after_another(visits)
    with model("socketserver_threads") as server:
        visits = Visits(server)
        yield visits.draw("threads", "ThreadingMixIn: who waits for whom")
        yield side_by_side(visits)
        settles(threads, server, at=1)
        with connect(server.address) as one, connect(server.address) as other:
            ask(one)
            ask(other)
            count = threads(server)
        yield Claim("ThreadingMixIn starts a thread for each client", f"{count - 1} threads for 2 clients", count == 3)
    with model("socketserver_processes") as server:
        with connect(server.address) as one, connect(server.address) as other:
            ask(one)
            ask(other)
            count = count_children(server)
        yield Claim("ForkingMixIn starts a process for each client", f"{count} processes for 2 clients", count == 2)


EXPERIMENT = Experiment(
    9,
    "socketserver",
    "The library has the loop that accepts. Who waits for whom?",
    "Plain, as in a blocking server, each client for the one before; with one of its mixins, as in the servers of "
    "threads and processes, nobody.",
    run,
)
