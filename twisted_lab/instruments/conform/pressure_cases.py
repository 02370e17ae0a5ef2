"""P: clients that send and don't read, or read slowly. What a server keeps for them must have a bound."""

from twisted_lab.instruments.conform.case import (
    baseline,
    case,
    converse,
    no_errors,
    passed,
    requests,
    together,
    wait_while_it_comes,
)
from twisted_lab.instruments.conform.peer import OPEN, Peer, Subject
from twisted_lab.instruments.conform.verdict import BrokenRuleError, Finding, Verdict

#: Bytes of replies that may wait for a client that doesn't read, what sockets on both sides keep included.
ENOUGH, ENOUGH_FAR = 2**20, 16 * 2**20
#: Bytes of requests that are offered, if there are as many of replies; of shorter replies, so many times more at most.
OFFERED, OFFERED_FAR = 4 * 2**20, 64 * 2**20
TIMES, TIMES_FAR = 16, 4


@case("P1", "a client that sends and never reads", "the server stops reading from it", "replies", "direct")
def never_reads(subject: Subject) -> Finding:
    """Offer much, and see how much is taken."""
    data = requests(subject)
    asking = converse(subject, [data], together(subject, baseline(subject)))
    share = max(1, len(asking.received)) / len(data)
    asking.close()
    peer, sent = _offer(subject, min(max(1, 1 / share), TIMES if subject.in_memory else TIMES_FAR))
    taken = sent - peer.unsent
    goes_on = not peer.unsent and peer.state == OPEN
    peer.reset()
    if taken * share > (ENOUGH if subject.in_memory else ENOUGH_FAR):
        raise BrokenRuleError(f"it takes {taken:,} bytes from a client that reads none of its replies, and goes on")
    if goes_on:
        detail = f"its replies are so short that {taken:,} bytes of requests make only {taken * share:,.0f} of them"
        return Finding(Verdict.UNKNOWN, detail=detail)
    no_errors(subject)
    return passed()


@case("P2", "a client that reads late", "all replies are there in the end, in order", "replies")
def reads_late(subject: Subject) -> Finding:
    """Offer much, then read."""
    parts = baseline(subject)
    data = requests(subject)
    count = min(2**20 // len(data), 300)  # however short they are: a server may do more than send them back
    peer = subject.connect()
    peer.stop_reading()
    peer.send(data * count)
    subject.settle()
    peer.read_on()
    expected = together(subject, parts * count)

    def all_there() -> bool:
        # Cheap first: decoding all of it each time would take as long as the square of it.
        return (
            len(peer.received) >= count
            and not peer.unsent
            and subject.framing.decode(bytes(peer.received))[0] == expected
        )

    wait_while_it_comes(subject, peer, lambda: peer.state != OPEN or all_there())
    if not all_there():
        raise BrokenRuleError(f"replies are missing, or others came: {len(peer.received):,} bytes in all")
    peer.close()
    no_errors(subject)
    return passed()


@case("P3", "a client that stops reading and goes on, again and again", "the same replies", "replies")
def stop_and_go(subject: Subject) -> Finding:
    """Read now and then."""
    parts = baseline(subject)
    data = requests(subject) * 40
    expected = together(subject, parts * 40)
    peer = subject.connect()
    for start in range(0, len(data), 997):
        (peer.stop_reading if start // 997 % 2 else peer.read_on)()
        peer.send(data[start : start + 997])
        subject.between()
    peer.read_on()
    wait_while_it_comes(subject, peer, lambda: subject.framing.decode(bytes(peer.received)) == (expected, 0))
    if subject.framing.decode(bytes(peer.received))[0] != expected:
        raise BrokenRuleError(f"replies are missing, or others came: {len(peer.received):,} bytes in all")
    peer.close()
    no_errors(subject)
    return passed()


@case("P4", "another client beside one that never reads", "it is served", "replies")
def beside(subject: Subject) -> Finding:
    """Ask while the server is stuck with another."""
    peer, _ = _offer(subject)
    baseline(subject)
    peer.reset()
    no_errors(subject)
    return passed()


def _offer(subject: Subject, times: float = 1) -> tuple[Peer, int]:
    data = requests(subject)
    most = times * (OFFERED if subject.in_memory else OFFERED_FAR)
    peer = subject.connect()
    peer.stop_reading()
    sent = 0
    before = -1
    # Until nothing more is taken, or all of it is.
    while sent < most and sent - peer.unsent > before:
        before = sent - peer.unsent
        more = data * max(1, 2**18 // len(data))
        peer.send(more)
        sent += len(more)
        subject.settle()
    return peer, sent
