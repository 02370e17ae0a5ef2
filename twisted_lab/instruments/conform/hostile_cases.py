"""H: clients that mean harm, or don't know the protocol."""

from random import Random

from twisted_lab.instruments.conform.case import baseline, case, closed, no_errors, passed
from twisted_lab.instruments.conform.framing import HUGE
from twisted_lab.instruments.conform.peer import OPEN, Subject
from twisted_lab.instruments.conform.verdict import BrokenRuleError, Finding, Verdict

#: Bytes that may be taken of a request whose announced length is beyond every limit.
TAKEN = 2**20
#: Seconds that a client takes for one request, and bytes that the request has at most, to be that slow.
HOUR, LONG = 3600, 4000


@case("H1", "garbage", "the server closes, no error is logged, and the next client is served", "garbage")
def garbage(subject: Subject) -> Finding:
    """Break the protocol."""
    peer = subject.connect()
    peer.send(subject.framing.garbage)
    finding = closed(subject, peer)
    no_errors(subject)
    baseline(subject)
    return finding


@case("H2", "drawn bytes, on many connections", "no error is logged, and the next client is served")
def noise(subject: Subject) -> Finding:
    """Send what could be anything."""
    random = Random(subject.framing.name)  # noqa: S311  # the same each time
    for _ in range(20):
        peer = subject.connect()
        peer.send(random.randbytes(random.randrange(1, 2000)))
        subject.settle()
        peer.close()
    subject.settle()
    no_errors(subject)
    baseline(subject)
    return passed()


@case(
    "H3", "a request announced with 4 GiB or the like", "it is refused before its content is taken", "limit", "garbage"
)
def huge(subject: Subject) -> Finding:
    """Announce it, and see how much of it is taken."""
    framing = subject.framing
    if framing.too_long is None:
        return Finding(Verdict.UNKNOWN, detail="this protocol has no such request")
    peer = subject.connect()
    peer.send(framing.too_long(HUGE if framing.name != "line" else 2**22))
    sent = 0
    while sent < 4 * TAKEN and peer.state == OPEN:
        peer.send(b"X" * 65536)
        sent += 65536
        subject.settle()
    finding = closed(subject, peer)
    if finding.close is Verdict.FAIL and sent - peer.unsent >= TAKEN:
        raise BrokenRuleError(f"{sent - peer.unsent:,} bytes of it were taken, and the connection is still open")
    no_errors(subject)
    return finding


@case(
    "H4", "a byte now and then, inside a request, for an hour", "the server doesn't wait for ever", "memory", "framed"
)
def slow_loris(subject: Subject) -> Finding:
    """Be slow."""
    peer = subject.connect()
    limit = subject.framing.limit
    *begun, _ = subject.framing.request(b"X" * (LONG if limit is None else min(LONG, limit)))
    pause = max(1, HOUR / len(begun))
    until = subject.seconds() + HOUR
    for byte in begun:
        peer.send(bytes([byte]))
        subject.wait(lambda: peer.state != OPEN, pause)
        if peer.state != OPEN or subject.seconds() >= until:
            break
    no_errors(subject)
    if peer.state == OPEN:
        return passed(Verdict.NON_STRICT, "a client that sends a byte now and then may keep its connection for an hour")
    return passed()
