"""Experiment 02: one client blocks another."""

from collections.abc import Iterator

from twisted_lab.experiments.experiment import Claim, Experiment, Picture
from twisted_lab.experiments.server import model
from twisted_lab.experiments.visits import BRIEF, Visits, one_after_another


def run() -> Iterator[Claim | Picture]:
    """Let a client hold its connection while two others come."""
    with model("blocking") as server:
        visits = Visits(server, patience=BRIEF)
    yield visits.draw("timeline", "A blocking server: who waits for whom")
    yield one_after_another(visits)
    second, third = visits.others
    yield Claim(
        "the second and the third have their answers only after the first has left",
        f"answered at {second.answered:.2f} s and {third.answered:.2f} s; the first left at {visits.first.left:.2f} s",
        min(second.answered, third.answered) > visits.first.left,
    )
    yield Claim(
        "they are connected all the same while the first is there, and have asked: the kernel accepts by itself",
        f"connected at {second.asked:.2f} s and {third.asked:.2f} s",
        max(second.asked, third.asked) < visits.first.left,
    )


EXPERIMENT = Experiment(
    2,
    "one client blocks another",
    "A server waits for what its client will send. What do the other clients see meanwhile?",
    "They are connected, for that the kernel does by itself; but nobody reads what they send until the first has left.",
    run,
)
