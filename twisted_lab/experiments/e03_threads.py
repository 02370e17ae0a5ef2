"""Experiment 03: a thread for each client."""

from collections.abc import Iterator
from contextlib import ExitStack

from twisted_lab.experiments.client import ask, connect
from twisted_lab.experiments.experiment import Claim, Experiment, Picture
from twisted_lab.experiments.server import Server, model
from twisted_lab.experiments.usage import settles, threads
from twisted_lab.experiments.visits import Visits, side_by_side

CLIENTS = (0, 5, 20)


def run() -> Iterator[Claim | Picture]:
    """See who waits, and count threads."""
    with model("threads") as server:
        visits = Visits(server)
        yield visits.draw("timeline", "A thread for each client: who waits for whom")
        yield side_by_side(visits)
        counts = [threads_with(server, clients) for clients in CLIENTS]
        yield Claim(
            "each client costs a thread",
            f"{', '.join(map(str, counts))} threads with {', '.join(map(str, CLIENTS))} clients",
            [count - counts[0] for count in counts] == [*CLIENTS],
        )
        gone = settles(threads, server, counts[0])
        yield Claim(
            "when the clients have left their threads are over",
            f"{threads(server)} left, that of the server itself",
            gone,
        )


def threads_with(server: Server, clients: int) -> int:
    """Give how many threads the server has with so many clients, each of which was answered, and none from before."""
    settles(threads, server, at=1)
    with ExitStack() as stack:
        for _ in range(clients):
            ask(stack.enter_context(connect(server.address)))
        return threads(server)


EXPERIMENT = Experiment(
    3,
    "threads",
    "A thread waits for each client. Who waits for whom, and what does it cost?",
    "Nobody waits for another client. Each client costs a thread, for as long as it is connected.",
    run,
)
