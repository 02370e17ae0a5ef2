"""I: what one client does concerns no other."""

from twisted_lab.instruments.conform.case import baseline, case, expect, no_errors, passed, requests, together
from twisted_lab.instruments.conform.peer import Subject
from twisted_lab.instruments.conform.verdict import Finding

CLIENTS = 5


@case("I1", f"{CLIENTS} clients whose bytes come in turn", "each gets its own replies", "replies")
def interleaved(subject: Subject) -> Finding:
    """Send a piece for each in turn."""
    parts = baseline(subject)
    data = requests(subject)
    peers = [subject.connect() for _ in range(CLIENTS)]
    step = 3 if subject.in_memory else 61
    for start in range(0, len(data), step):
        for number, peer in enumerate(peers):
            begin = max(0, start - number)  # no two of them are at the same place
            peer.send(data[begin : max(begin, start + step - number)])
        subject.between()
    for number, peer in enumerate(peers):
        rest = -(-len(data) // step) * step - number
        peer.send(data[rest:])
        expect(subject, peer, together(subject, parts))
    for peer in peers:
        peer.close()
    no_errors(subject)
    return passed()


@case("I2", "a client that breaks the protocol, among others", "the others are served", "replies", "garbage")
def one_fails(subject: Subject) -> Finding:
    """Send garbage while another is in the middle of a request."""
    parts = baseline(subject)
    data = requests(subject)
    good, bad = subject.connect(), subject.connect()
    good.send(data[: len(data) // 2])
    bad.send(subject.framing.garbage)
    subject.settle()
    good.send(data[len(data) // 2 :])
    expect(subject, good, together(subject, parts))
    good.close()
    bad.close()
    no_errors(subject)
    return passed()
