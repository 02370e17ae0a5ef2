"""R: when all connections are over, nothing of them is left."""

from twisted_lab.instruments.conform.case import baseline, case, passed, requests
from twisted_lab.instruments.conform.memory_subject import MemorySubject
from twisted_lab.instruments.conform.verdict import BrokenRuleError, Finding

#: Seconds after which nothing may be due any more that a connection has asked for.
LATER = 60


def _come_and_go(subject: MemorySubject) -> None:
    """Let connections end in every way there is."""
    baseline(subject)
    for end in ("close", "reset", "shut", "cut"):
        peer = subject.connect()
        peer.send(requests(subject) + (subject.framing.request(b"HALLO")[:-1] if end == "cut" else b""))
        subject.settle()
        if end == "shut":
            peer.shut()
        elif end == "reset":
            peer.reset()
        else:
            peer.close()
        subject.wait(lambda: False, 1)
        peer.reset()
    subject.wait(lambda: False, LATER)


@case("R1", "connections that end in every way", "connectionLost is called once for each", "memory")
def once(subject: MemorySubject) -> Finding:
    """Count."""
    _come_and_go(subject)
    for number, count in enumerate(subject.losses):
        if count != 1:
            raise BrokenRuleError(f"connectionLost was called {count} times for connection {number + 1}")
    return passed()


@case("R2", "connections that end in every way", "no protocol, and no call that is due, is left of them", "memory")
def nothing_left(subject: MemorySubject) -> Finding:
    """Look what is left."""
    before = len(subject.left_over())
    _come_and_go(subject)
    left = subject.left_over()
    if len(left) > before:
        raise BrokenRuleError(f"{len(left) - before} things are left of them: {', '.join(left[:3])}")
    return passed()
