"""Cases: each has a stable id, what it does and what is expected; and what several of them do."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from twisted_lab.instruments.conform.framing import Framing, UndecodableError, count, payloads
from twisted_lab.instruments.conform.peer import CLOSED, OPEN, RESET, Peer, Subject
from twisted_lab.instruments.conform.verdict import BrokenRuleError, Finding, UnknownError, Verdict

#: Seconds that a reply may take, and a close, over the network; in memory they are a clock's.
PATIENCE = 5.0
#: Seconds that replies may go on to come before the rest isn't waited for: in memory, and over the network.
LONGEST, LONGEST_FAR = 3600.0, 60.0
#: Bytes of a longer payload, where the limit is no less.
LONG = 2**15


@dataclass(frozen=True)
class Case:
    """
    A case. `needs`: what a target must have for it to be run, such as "memory", "replies", "limit" or "receiver".

    `run` gives a finding, or raises `BrokenRuleError`: then the server's behaviour has failed.
    """

    id: str
    title: str
    expects: str
    run: Callable[[Any], Finding]
    needs: Sequence[str] = ()

    @property
    def group(self) -> str:
        """The group that it is in."""
        return GROUPS[self.id[0]]


GROUPS = {
    "F": "framing",
    "C": "close",
    "P": "pressure",
    "H": "hostile",
    "I": "isolation",
    "R": "resources",
    "V": "receiver",
}
CASES: list[Case] = []


def case(identity: str, title: str, expects: str, *needs: str) -> Callable[[Callable[[Any], Finding]], Case]:
    """Make a case of a function, and enter it in the list."""

    def enter(run: Callable[[Any], Finding]) -> Case:
        made = Case(identity, title, expects, run, needs)
        CASES.append(made)
        return made

    return enter


def passed(close: Verdict = Verdict.PASS, detail: str = "") -> Finding:
    """Give the finding that the server behaved."""
    return Finding(Verdict.PASS, close, detail)


def decode(subject: Subject, data: bytes | bytearray) -> list[Any]:
    """Give the replies in all that has come; `BrokenRuleError` if it isn't in the protocol."""
    try:
        replies, left = subject.framing.decode(bytes(data))
    except UndecodableError as error:
        raise BrokenRuleError(f"what came back can't be read: {error}") from error
    if left:
        raise BrokenRuleError(f"a reply was cut short: {left:,} bytes of it came")
    return replies


def baseline(subject: Subject) -> list[list[Any]]:
    """Give the replies to each of the payloads, sent alone and whole, each when the last was answered."""
    peer = subject.connect()
    due = subject.framing.answers or [0] * len(payloads(subject.framing))
    found = [_ask(subject, peer, *each) for each in zip(payloads(subject.framing), due, strict=True)]
    peer.close()
    subject.settle()
    return found


def long_payload(framing: Framing) -> bytes:
    """Give a payload that is longer than those of the baseline."""
    return b"X" * min(LONG, framing.limit or LONG)


def reply_to_long(subject: Subject) -> list[Any]:
    """Give the replies to that, sent alone and whole."""
    framing, payload = subject.framing, long_payload(subject.framing)
    peer = subject.connect()
    due = 0 if framing.answers is None else max(framing.answers) if framing.framed else len(payload)
    found = _ask(subject, peer, payload, due)
    peer.close()
    return found


def _ask(subject: Subject, peer: Peer, payload: bytes, due: int) -> list[Any]:
    before = len(peer.received)
    peer.send(subject.framing.request(payload))
    subject.settle()
    if not answered(subject, peer, before, due):
        wait_while_it_comes(subject, peer, lambda: answered(subject, peer, before, due))
        subject.settle()
    found = decode(subject, bytes(peer.received[before:]))
    if peer.state != OPEN:
        raise BrokenRuleError(f"the server {ended(peer)} after a request of {len(payload):,} bytes")
    if not answered(subject, peer, before, due):
        raise BrokenRuleError(f"a request of {len(payload):,} bytes isn't answered within {PATIENCE:g} s")
    return found


def wait_while_it_comes(subject: Subject, peer: Peer, until: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """
    Wait until that is so, or until nothing has come for so many seconds: a server may answer one after the other.

    Raises `UnknownError` where something comes for longer than anybody wants to wait.
    """
    longest = LONGEST if subject.in_memory else LONGEST_FAR
    end = subject.seconds() + longest
    came = -1
    while not until() and len(peer.received) > came:
        if subject.seconds() > end:
            raise UnknownError(f"after {longest:g} s replies are still coming")
        came = len(peer.received)
        subject.wait(lambda: until() or len(peer.received) > came, seconds)  # noqa: B023  # called here and now


def answered(subject: Subject, peer: Peer, before: int, due: int) -> bool:
    """Tell whether so many replies, or bytes of a bare stream, have come after the first `before` bytes, or can't."""
    return peer.state != OPEN or count(subject.framing, peer.received[before:]) >= due


def together(subject: Subject, parts: Sequence[list[Any]]) -> list[Any]:
    """Give what the replies to several requests are together: of a bare stream one piece of bytes."""
    whole = [reply for part in parts for reply in part]
    return whole if subject.framing.framed else [b"".join(whole)]


def requests(subject: Subject) -> bytes:
    """Give all requests of the baseline in a row."""
    return b"".join(subject.framing.request(payload) for payload in payloads(subject.framing))


def converse(subject: Subject, pieces: Sequence[bytes], expected: Sequence[Any]) -> Peer:
    """Send pieces, each when the last has arrived; the replies must be those, and the connection stay open."""
    peer = subject.connect()
    for piece in pieces:
        peer.send(piece)
        subject.between()
    expect(subject, peer, expected)
    still_open(peer)
    return peer


def expect(subject: Subject, peer: Peer, expected: Sequence[Any]) -> None:
    """Wait for these replies, and no others."""

    def there() -> bool:
        try:
            return subject.framing.decode(bytes(peer.received)) == ([*expected], 0)
        except UndecodableError:
            return True

    wait_while_it_comes(subject, peer, lambda: there() or peer.state != OPEN)
    subject.settle()
    replies = decode(subject, peer.received)
    if replies != [*expected]:
        raise BrokenRuleError(difference(replies, expected))


def difference(replies: Sequence[Any], expected: Sequence[Any]) -> str:
    """Say in a clause how replies differ from what was expected."""
    if len(replies) != len(expected):
        return f"{len(replies)} replies came, and {len(expected)} should have"
    number = next(number for number, pair in enumerate(zip(replies, expected, strict=True)) if pair[0] != pair[1])
    return f"reply {number + 1} is {_short(replies[number])}, and should be {_short(expected[number])}"


def closed(subject: Subject, peer: Peer, seconds: float = PATIENCE) -> Finding:
    """Judge a close that should come: an orderly one, within some seconds."""
    with suppress(UnknownError):  # what comes for ever is no close
        wait_while_it_comes(subject, peer, lambda: peer.state != OPEN, seconds)
    if peer.state == CLOSED:
        return passed()
    if peer.state == RESET:
        return passed(Verdict.NON_STRICT, "the server resets the connection, where it could close it")
    return passed(Verdict.FAIL, f"the connection is still open after {seconds:g} s")


def still_open(peer: Peer) -> None:
    """See that the server hasn't ended the connection."""
    if peer.state != OPEN:
        raise BrokenRuleError(f"the server {ended(peer)}")


def no_errors(subject: Subject) -> None:
    """See that nothing was logged as an error."""
    if subject.errors:
        raise BrokenRuleError(f"an error was logged: {subject.errors[0]}")


def ended(peer: Peer) -> str:
    """Say how the server has ended the connection."""
    return "reset the connection" if peer.state == RESET else "closed the connection"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:40]} … ({len(value):,} long)"
