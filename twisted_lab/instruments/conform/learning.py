"""
What is asked before the first case: how many replies each request gets, so that the cases can wait for them.

A server may take its time: what hasn't come at once isn't missing yet.
"""

from dataclasses import replace

from twisted_lab.instruments.conform.case import PATIENCE, answered
from twisted_lab.instruments.conform.framing import count, payloads
from twisted_lab.instruments.conform.peer import OPEN, Subject
from twisted_lab.instruments.conform.targets import Target

#: Once a request had no answer, the next is waited for so many times as long as the slowest took, or so many seconds.
TIMES, LEAST = 10, 0.5


def learn(target: Target) -> Target:
    """Give the target with what its requests get; if it fails, as it is: the cases say how. `OSError`: no server."""
    try:
        with target.subject(target.framing, ()) as subject:
            answers = _ask(subject)
    except LookupError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and not target.in_memory:
            raise
        return target
    return replace(target, framing=replace(target.framing, answers=answers))


def _ask(subject: Subject) -> list[int] | None:
    peer = subject.connect()
    found: list[int] = []
    slowest = 0.0
    for payload in payloads(subject.framing):
        before, began = len(peer.received), subject.seconds()
        peer.send(subject.framing.request(payload))
        subject.settle()
        due = 1 if subject.framing.framed else len(payload)  # a bare stream brings it back, in any pieces
        if not answered(subject, peer, before, due):
            patience = PATIENCE if all(found) else min(PATIENCE, max(LEAST, TIMES * slowest))
            if subject.wait(lambda: answered(subject, peer, before, due), patience):  # noqa: B023  # called here and now
                took = subject.seconds() - began
                slowest = max(slowest, took)
                subject.wait(lambda: False, took)  # there may be more than one
            subject.settle()
        if peer.state != OPEN:
            return None
        found.append(count(subject.framing, peer.received[before:]))
    peer.close()
    return found
