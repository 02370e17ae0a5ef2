"""C: how connections end, by either side, in order or not."""

from twisted_lab.instruments.conform.case import (
    baseline,
    case,
    closed,
    converse,
    decode,
    difference,
    long_payload,
    no_errors,
    passed,
    reply_to_long,
    requests,
    together,
)
from twisted_lab.instruments.conform.framing import payloads
from twisted_lab.instruments.conform.peer import Subject
from twisted_lab.instruments.conform.verdict import BrokenRuleError, Finding

#: Bytes of requests that C3 sends, more than sockets keep of replies: in memory, and over the network.
MUCH, MUCH_FAR = 2**20, 16 * 2**20
#: Times at most that the requests are sent for that, however short they are: a server may do more than send them back.
MANY = 600


@case("C1", "our side shut inside a request", "the server closes, and no error is logged", "framed")
def cut_short(subject: Subject) -> Finding:
    """Send half of a request, and shut."""
    peer = subject.connect()
    request = subject.framing.request(payloads(subject.framing)[2])
    peer.send(request[: len(request) // 2])
    subject.settle()
    peer.shut()
    finding = closed(subject, peer)
    no_errors(subject)
    return finding


@case("C2", "our side shut after requests", "all replies come, then the server closes", "replies")
def half_close(subject: Subject) -> Finding:
    """Send all, shut, and read."""
    expected = together(subject, baseline(subject))
    peer = subject.connect()
    peer.send(requests(subject))
    peer.shut()
    finding = closed(subject, peer)
    if (replies := decode(subject, peer.received)) != expected:
        raise BrokenRuleError(difference(replies, expected))
    no_errors(subject)
    return finding


@case(
    "C3",
    "our side shut after many requests, replies read late",
    "all replies come, then the server closes",
    "replies",
)
def late_half_close(subject: Subject) -> Finding:
    """Send much without reading, shut, and read."""
    parts = [*baseline(subject), reply_to_long(subject)]
    data = requests(subject) + subject.framing.request(long_payload(subject.framing))
    count = min((MUCH if subject.in_memory else MUCH_FAR) // len(data), MANY)
    peer = subject.connect()
    peer.stop_reading()
    peer.send(data * count)
    peer.shut()
    subject.settle()
    peer.read_on()
    finding = closed(subject, peer)
    expected = together(subject, parts * count)
    replies, left = subject.framing.decode(bytes(peer.received))
    if left or replies != expected:
        came, due = (sum(map(_size, each)) for each in (replies, expected))
        raise BrokenRuleError(f"{came:,} of {due:,} bytes of replies came before the server closed")
    no_errors(subject)
    return finding


@case("C4", "a reset inside a request", "no error is logged, and the next client is served")
def reset(subject: Subject) -> Finding:
    """Reset, then come again."""
    peer = subject.connect()
    peer.send(requests(subject)[:-1])
    subject.settle()
    peer.reset()
    subject.settle()
    no_errors(subject)
    converse(subject, [requests(subject)], together(subject, baseline(subject))).close()
    return passed()


@case("C5", "the client gone while replies are written", "no error is logged, and the next client is served", "replies")
def gone(subject: Subject) -> Finding:
    """Ask for much, and go without reading it."""
    peer = subject.connect()
    peer.stop_reading()
    peer.send(requests(subject) * (MUCH // len(requests(subject))))
    subject.settle()
    peer.reset()
    subject.wait(lambda: False, 0.2)
    no_errors(subject)
    converse(subject, [requests(subject)], together(subject, baseline(subject))).close()
    return passed()


@case("C6", "connections that come and go without a word", "no error is logged, and the next client is served")
def silent(subject: Subject) -> Finding:
    """Connect, and close or reset."""
    for number in range(6):
        peer = subject.connect()
        (peer.reset if number % 2 else peer.close)()
    subject.settle()
    no_errors(subject)
    baseline(subject)
    return passed()


def _size(reply: object) -> int:
    match reply:
        case bytes():
            return len(reply)
        case (_, bytes() as content):
            return len(content)
    return 1
