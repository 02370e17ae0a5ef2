"""F: the network may cut and join what is sent in any way, and nothing may depend on how."""

from collections.abc import Callable
from typing import Any

from twisted_lab.instruments.conform.case import (
    PATIENCE,
    baseline,
    case,
    closed,
    converse,
    decode,
    ended,
    expect,
    no_errors,
    passed,
    requests,
    together,
)
from twisted_lab.instruments.conform.framing import payloads
from twisted_lab.instruments.conform.peer import OPEN, Peer, Subject
from twisted_lab.instruments.conform.verdict import BrokenRuleError, Finding, Verdict

#: Places that F3 cuts at, at most: in memory, and over the network, where each takes a moment.
PLACES, PLACES_FAR = 400, 16
#: Requests that F7 sends in one piece.
MANY = 500


@case("F1", "a request at a time, each whole", "the same replies each time", "replies")
def whole(subject: Subject) -> Finding:
    """Send the payloads twice."""
    if (first := baseline(subject)) != (second := baseline(subject)):
        raise BrokenRuleError(f"the second time the replies were others: {second} after {first}")
    no_errors(subject)
    return passed()


@case("F2", "all requests byte by byte", "the same replies", "replies")
def bytewise(subject: Subject) -> Finding:
    """Send bytes."""
    expected = together(subject, baseline(subject))
    converse(subject, [bytes([byte]) for byte in requests(subject)], expected).close()
    no_errors(subject)
    return passed()


@case("F3", "two requests cut at every place", "the same replies, wherever the cut is", "replies")
def every_cut(subject: Subject) -> Finding:
    """Cut once, at each place in turn."""
    one, two = (subject.framing.request(payload) for payload in payloads(subject.framing)[:2])
    expected = together(subject, baseline(subject)[:2])
    data = one + two
    places = range(1, len(data))
    most = PLACES if subject.in_memory else PLACES_FAR
    for place in places[:: -(-len(places) // most)]:
        try:
            converse(subject, [data[:place], data[place:]], expected).close()
        except BrokenRuleError as error:
            raise BrokenRuleError(f"cut after byte {place} of {len(data)}: {error}") from error
    no_errors(subject)
    return passed()


@case("F4", "all requests in one piece", "the same replies, in order", "replies")
def at_once(subject: Subject) -> Finding:
    """Send them joined."""
    converse(subject, [requests(subject)], together(subject, baseline(subject))).close()
    no_errors(subject)
    return passed()


@case("F6", "an empty request among others", "it is one like any other", "replies", "framed", "empty")
def empty(subject: Subject) -> Finding:
    """Send an empty one between two."""
    alone = dict(zip(payloads(subject.framing), baseline(subject), strict=True))
    if alone[b"A"] and not alone[b""]:
        raise BrokenRuleError("an empty request isn't answered")
    expected = [*alone[b"A"], *alone[b""], *alone[b"C"]]
    data = [subject.framing.request(payload) for payload in (b"A", b"", b"C")]
    for pieces in (data, [b"".join(data)]):
        converse(subject, pieces, expected).close()
    no_errors(subject)
    return passed()


@case("F7", f"{MANY} requests in one piece", "all are answered, in order", "replies", "framed")
def many(subject: Subject) -> Finding:
    """Send many small ones."""
    first, *_ = baseline(subject)
    converse(subject, [subject.framing.request(b"A") * MANY], [*first] * MANY).close()
    no_errors(subject)
    return passed()


@case("F8", "a request of exactly the limit", "it is answered", "replies", "limit")
def at_the_limit(subject: Subject) -> Finding:
    """Send the longest."""
    limit = subject.framing.limit or 0
    peer = _ask_long(subject, limit)
    if peer.state != OPEN:
        raise BrokenRuleError(f"the server {ended(peer)} on a request of {limit:,} bytes, which is the limit")
    if not decode(subject, peer.received):
        raise BrokenRuleError(f"a request of {limit:,} bytes, which is the limit, isn't answered")
    peer.close()
    no_errors(subject)
    return passed()


@case("F9", "a request of one byte more than the limit", "it is refused, and what follows isn't misread", "limit")
def over_the_limit(subject: Subject) -> Finding:
    """Announce one more, then send a good one."""
    framing = subject.framing
    if framing.refusal is not None:
        return _refused(subject, framing.refusal)
    if framing.too_long is None or framing.limit is None:
        return Finding(Verdict.UNKNOWN, detail="this protocol has no such request")
    usual, *_ = baseline(subject)
    peer = subject.connect()
    peer.send(framing.too_long(framing.limit + 1))
    subject.settle()
    peer.send(framing.request(b"A"))
    finding = closed(subject, peer)
    no_errors(subject)
    if usual and usual[0] in framing.decode(bytes(peer.received))[0]:
        raise BrokenRuleError("the request behind it is answered")
    if finding.close is Verdict.FAIL:
        return Finding(Verdict.FAIL, Verdict.FAIL, f"it isn't refused: {finding.detail}")
    return finding


@case("F10", "requests, a pause of a minute, requests", "a pause is no end", "replies", "memory")
def pause(subject: Subject) -> Finding:
    """Wait inside a request."""
    expected = together(subject, baseline(subject))
    data = requests(subject)
    peer = subject.connect()
    peer.send(data[: len(data) // 2])
    subject.wait(lambda: False, 60)
    if peer.state != OPEN:
        return passed(Verdict.NON_STRICT, "the server closes a connection that was idle for a minute inside a request")
    peer.send(data[len(data) // 2 :])
    expect(subject, peer, expected)
    peer.close()
    no_errors(subject)
    return passed()


def _refused(subject: Subject, refusal: Callable[[Any], bool]) -> Finding:
    """Send one more, where the connection outlives that."""
    limit = subject.framing.limit or 0
    usual, *_ = baseline(subject)
    peer = _ask_long(subject, limit + 1)
    if peer.state != OPEN:
        no_errors(subject)
        return closed(subject, peer)
    replies = decode(subject, peer.received)
    if not replies or not refusal(replies[0]):
        raise BrokenRuleError(f"a request of {limit + 1:,} bytes isn't refused; {limit:,} are the limit")
    peer.send(subject.framing.request(b"A"))
    expect(subject, peer, [*replies, *usual])
    peer.close()
    no_errors(subject)
    return passed()


def _ask_long(subject: Subject, length: int) -> Peer:
    """Send a request of that length; wait until it is answered, or the connection has ended."""
    peer = subject.connect()
    peer.send(subject.framing.request(b"X" * length))
    subject.wait(lambda: peer.state != OPEN or bool(subject.framing.decode(bytes(peer.received))[0]), PATIENCE)
    return peer
