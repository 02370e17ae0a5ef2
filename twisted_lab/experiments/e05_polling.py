"""Experiment 05: one thread that asks every client in turn."""

import sys
import time
from collections.abc import Iterator
from dataclasses import replace

from twisted_lab.experiments.client import MIB, PREFIX, connect, letters, receive_all, send_apart
from twisted_lab.experiments.experiment import Claim, Experiment, Picture, times
from twisted_lab.experiments.patience import DEADLINE
from twisted_lab.experiments.server import Server, model, tutorial
from twisted_lab.experiments.usage import cpu_shares
from twisted_lab.experiments.visits import BRIEF, Visits, one_after_another, side_by_side

#: Seconds of processor time for which idle servers are watched, and what is sent by a client that is slow to read.
WATCHED = 1.0
SENT = 12 * MIB


def run() -> Iterator[Claim | Picture]:
    """See who waits, what servers do while nothing happens, and what a slow reader gets."""
    with tutorial("noblocking_server") as theirs, model("polling") as ours, model("selectors") as asked:
        yield from compare_idle(theirs, ours, asked)
        visits = Visits(ours)
        yield visits.draw("timeline", "One thread that asks each client in turn: who waits for whom")
        yield side_by_side(visits)
        lost = lost_bytes(ours, begin=0.5)
        yield Claim("ours loses no byte of a client that reads slowly", f"{lost} of {SENT} bytes lost", lost == 0)
        if sys.platform == "linux":  # elsewhere what `accept` gives doesn't block if the listening socket doesn't
            yield from block(theirs)
    with tutorial("noblocking_server", unblock) as mended:
        lost = lost_bytes(mended, begin=DEADLINE)
        yield Claim(
            "with the missing line it doesn't block; but it doesn't look at what `send` returns, or raises, and a "
            "client that reads slowly loses bytes",
            f"{lost} of {SENT} bytes never came back",
            lost > 0,
        )


def compare_idle(theirs: Server, ours: Server, asked: Server) -> Iterator[Claim]:
    """Watch three servers that have no client."""
    busy, resting, waiting = cpu_shares([theirs, ours, asked], WATCHED)
    yield Claim(
        "with nobody there the tutorial's server, which never rests, uses 3 times the processor time of ours, which "
        "sleeps for a millisecond each time round",
        f"{busy:.0%} of a processor against {resting:.1%}: {times(busy, max(resting, 0.001)):.0f} times as much",
        busy >= 3 * resting and busy > 0,
    )
    yield Claim(
        "and 10 times that of a server that lets the kernel wait (experiment 06)",
        f"{busy:.0%} of a processor against {waiting:.1%}",
        busy >= 10 * waiting and busy > 0,
    )


def block(theirs: Server) -> Iterator[Claim | Picture]:
    """Let clients come to the tutorial's server, whose connections block though its listening socket doesn't."""
    visits = Visits(theirs, patience=BRIEF)
    yield visits.draw("tutorial", "The tutorial's server, to the letter: who waits for whom")
    claim = one_after_another(visits)
    yield replace(claim, predicted=f"in the tutorial's server `accept` gives sockets that block: {claim.predicted}")


def unblock(text: str) -> str:
    """Add the line that the tutorial's server lacks."""
    return text.replace(
        "        connlist.append(conn)\n", "        conn.setblocking(False)\n        connlist.append(conn)\n"
    )


def lost_bytes(server: Server, begin: float) -> int:
    """Send much, begin to read when all is sent or after so many seconds, and give how much never comes back."""
    data = letters(SENT)
    with connect(server.address, small=True) as connection:
        thread = send_apart(connection, data)
        thread.join(begin)
        time.sleep(0.3)
        answer, _ = receive_all(connection)
        thread.join()
    return len(data) - len(answer.replace(PREFIX, b""))


EXPERIMENT = Experiment(
    5,
    "polling",
    "One thread goes round all clients and never waits for any. What does it do while nothing happens?",
    "It uses up a processor, unless it rests. Nobody waits for another client, if no socket blocks, not even one that "
    "`accept` has given. And then `send` may take less than it is given: who doesn't look loses bytes.",
    run,
)
