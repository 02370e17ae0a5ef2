"""Experiment 06: one thread that lets the kernel wait for all clients at once."""

from collections.abc import Iterator

from twisted_lab.experiments.client import PREFIX, ask, connect
from twisted_lab.experiments.experiment import Claim, Experiment, Picture, times
from twisted_lab.experiments.patience import DEADLINE
from twisted_lab.experiments.server import model, tutorial
from twisted_lab.experiments.usage import cpu_shares, threads
from twisted_lab.experiments.visits import Visits, side_by_side

#: Seconds of processor time for which servers with an idle client are watched.
WATCHED = 0.7


def run() -> Iterator[Claim | Picture]:
    """See who waits, and what becomes of servers whose one client says nothing."""
    with model("selectors") as server:
        visits = Visits(server)
        yield visits.draw("timeline", "The kernel waits for all clients at once: who waits for whom")
        yield side_by_side(visits)
        yield Claim("one thread serves them all", f"{threads(server)} thread", threads(server) == 1)
    yield die()
    yield spin()


def die() -> Claim:
    """Be a client that connects to the tutorial's server, and says nothing."""
    with tutorial("selector_server") as server, connect(server.address):
        over = server.is_over(within=DEADLINE)
        return Claim(
            "the tutorial's server waits for EVENT_WRITE all the time, is told at once that a client can be written "
            "to, reads from it in vain, and dies",
            server.error or "it lives on",
            over and "BlockingIOError" in server.error,
        )


def spin() -> Claim:
    """Compare the tutorial's server, with that exception caught, with ours; a client is there and says nothing."""
    with tutorial("selector_server", catch) as theirs, model("selectors") as ours:
        with connect(theirs.address) as one, connect(ours.address) as other:
            answered = ask(one) == ask(other) == PREFIX + b"hello"
            busy, waiting = cpu_shares([theirs, ours], WATCHED)
        ratio = times(busy, max(waiting, 0.001))
        return Claim(
            "if that is caught it lives, and never rests while a client is there: 10 times the processor time of ours, "
            "which waits for EVENT_WRITE only when there is something to send",
            f"{busy:.0%} of a processor against {waiting:.1%}: {ratio:.0f} times as much",
            answered and busy > 0 and busy >= 10 * waiting,
        )


def catch(text: str) -> str:
    """Change the tutorial's server: an exception that says that nothing is there to be read is caught."""
    read = "    indata = conn.recv(1024)\n"
    return text.replace(read, f"    try:\n    {read}    except BlockingIOError:\n        return\n")


EXPERIMENT = Experiment(
    6,
    "selectors",
    "The kernel is asked to wait for all clients at once. What must it be asked for?",
    "For what can't be done yet, and nothing else. A socket can nearly always be written to: who waits for that "
    "without anything to write doesn't wait at all.",
    run,
)
