"""Experiment 07: a coroutine for each client, and what happens if one of them doesn't give way."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack

from twisted_lab.experiments.client import ask, connect
from twisted_lab.experiments.experiment import Claim, Experiment, Picture
from twisted_lab.experiments.patience import DEADLINE
from twisted_lab.experiments.server import HOST, model
from twisted_lab.experiments.usage import threads
from twisted_lab.experiments.visits import Visits, side_by_side

CLIENTS = 20
#: Clients that all come at once to a server that sleeps for each of them, and for how many seconds.
SLEEPERS, NAP = 10, 0.1


def run() -> Iterator[Claim | Picture]:
    """See who waits, count threads, and compare coroutines that give way with others that don't."""
    with model("coroutines") as server:
        visits = Visits(server)
        yield visits.draw("timeline", "A coroutine for each client: who waits for whom")
        yield side_by_side(visits)
        with ExitStack() as stack:
            for _ in range(CLIENTS):
                ask(stack.enter_context(connect(server.address)))
            count = threads(server)
        yield Claim("one thread serves all clients", f"{count} thread, {CLIENTS} clients", count == 1)
    together, soon = asyncio.run(sleep_for_all(asyncio.sleep))
    in_turn, late = asyncio.run(sleep_for_all(block))
    yield Claim(
        f"{SLEEPERS} coroutines that await asyncio.sleep are all asleep at once; those that call time.sleep hold up "
        "each other, and sleep one after the other",
        f"{together} at once, {soon:.2f} s until all are answered, against {in_turn} at a time and {late:.2f} s",
        together == SLEEPERS and in_turn == 1,
    )


async def sleep_for_all(sleep: Callable[[float], Awaitable[None]]) -> tuple[int, float]:
    """
    Have a server sleep before it answers each of several clients, all of which have asked.

    Give how many of its coroutines were asleep at once, at most, and the seconds until all clients were answered.
    """
    asked = asleep = most = 0
    everyone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked, asleep, most
        writer.write(await reader.read(100))
        asked += 1
        if asked == SLEEPERS:
            everyone.set()
        await everyone.wait()
        asleep += 1
        most = max(most, asleep)
        await sleep(NAP)
        asleep -= 1
        writer.close()

    async def visit(port: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"hello")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, HOST, 0) as server, asyncio.timeout(DEADLINE):
        port = server.sockets[0].getsockname()[1]
        began = time.monotonic()
        await asyncio.gather(*(visit(port) for _ in range(SLEEPERS)))
        return most, time.monotonic() - began


async def block(seconds: float) -> None:
    """Sleep as a coroutine must not: the thread is asleep, and with it all other coroutines."""
    time.sleep(seconds)  # noqa: ASYNC251  # that is the point


EXPERIMENT = Experiment(
    7,
    "coroutines",
    "A coroutine waits for each client, all in one thread. When does one hold up the others?",
    "Not where it awaits: there the thread goes to another. Where it waits or computes without awaiting, all do.",
    run,
)
