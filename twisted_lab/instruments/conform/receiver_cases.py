"""
V: classes that cut a stream into messages, and hand each to a method that is overridden.

These look at the class itself: what it does when that method pauses it, closes it or fails.
"""

import tracemalloc
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from twisted_lab.instruments.conform.case import case, passed
from twisted_lab.instruments.conform.receiver import ReceiverSubject
from twisted_lab.instruments.conform.verdict import BrokenRuleError, Finding, Verdict

#: Bytes in which V1's message arrives at a time, and how often each may be copied.
PIECE, COPIES = 100, 3
#: Bytes of memory that a receiver may take for a message that is too long.
KEPT = 2**20


class CountingBytes(bytes):
    """Bytes that count how much is copied when they are joined to what came before them."""

    copied = 0

    def __radd__(self, before: bytes) -> bytes:
        """Join, and count."""
        CountingBytes.copied += len(before) + len(self)
        return before + bytes(self)


@case("V1", "a long message in many pieces", "each byte is copied a few times, not once for each piece", "receiver")
def linear(subject: ReceiverSubject) -> Finding:
    """Count what is copied."""
    receiver, _ = subject.make()
    message = subject.request(b"X" * ((subject.framing.limit or 10_000) * 9 // 10))
    CountingBytes.copied = 0
    for start in range(0, len(message), PIECE):
        receiver.dataReceived(CountingBytes(message[start : start + PIECE]))
    if len(receiver.delivered) != 1:
        raise BrokenRuleError("the message isn't delivered")
    if CountingBytes.copied > COPIES * len(message):
        times = CountingBytes.copied / len(message)
        raise BrokenRuleError(f"in pieces of {PIECE} bytes, each byte is copied {times:,.0f} times on average")
    return passed()


@case(
    "V2", "a message of one byte more than the limit, sent by us", "it raises, and nothing is sent", "receiver", "limit"
)
def limit_on_sending(subject: ReceiverSubject) -> Finding:
    """Send too much."""
    receiver, transport = subject.make()
    try:
        subject.send(receiver, b"X" * ((subject.framing.limit or 0) + 1))
    except Exception:  # noqa: BLE001  # which one is the class's own choice
        if not transport.value():
            return passed()
    raise BrokenRuleError(f"{len(transport.value()):,} bytes are sent, and the other side will close the connection")


@case("V3", "a message over the limit, whose hook doesn't close", "what follows isn't kept", "hook", "limit")
def nothing_kept(subject: ReceiverSubject) -> Finding:
    """Announce it, and send on."""
    receiver, _ = subject.make(tolerant=True)
    too_long = subject.framing.too_long
    if too_long is None:
        return Finding(Verdict.UNKNOWN, detail="this protocol has no such message")
    tracemalloc.start()
    try:
        receiver.dataReceived(too_long((subject.framing.limit or 0) + 1))
        for _ in range(40):
            receiver.dataReceived(b"X" * 65536)
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    if kept > KEPT:
        raise BrokenRuleError(f"of 2,621,440 bytes that follow {kept:,} are kept")
    return passed()


@case("V4", "a method that closes the connection", "nothing more is delivered of the same read", "receiver")
def closing(subject: ReceiverSubject) -> Finding:
    """Close in the first of two."""
    receiver, _ = subject.make(lambda receiver, _: receiver.transport.loseConnection())
    receiver.dataReceived(subject.request(b"A") + subject.request(b"B"))
    _delivered(receiver, [b"A"])
    return passed()


@case("V5", "a method that pauses and resumes", "each message is delivered once, in order", "pauses")
def resuming(subject: ReceiverSubject) -> Finding:
    """Do so in each, but not for ever."""

    def pause_and_resume(receiver: Any, _: bytes) -> None:
        if len(receiver.delivered) < 10:
            receiver.pauseProducing()
            receiver.resumeProducing()

    receiver, _ = subject.make(pause_and_resume)
    receiver.dataReceived(b"".join(map(subject.request, (b"A", b"B", b"C"))))
    _delivered(receiver, [b"A", b"B", b"C"])
    return passed()


@case("V6", "a method that raises", "its message isn't delivered again, and those behind it aren't lost", "receiver")
def raising(subject: ReceiverSubject) -> Finding:
    """Raise once."""
    failed: list[bytes] = []

    def fail(_receiver: Any, message: bytes) -> None:
        if not failed:
            failed.append(message)
            raise ZeroDivisionError

    receiver, _ = subject.make(fail)
    for data in (subject.request(b"A") + subject.request(b"B"), subject.request(b"C")):
        try:
            receiver.dataReceived(data)
        except ZeroDivisionError:
            continue
    _delivered(receiver, [b"A", b"B", b"C"])
    return passed()


@case(
    "V7", "a stream that ends inside a message", "connectionLost is told something else than a clean close", "receiver"
)
def truncation(subject: ReceiverSubject) -> Finding:
    """Cut the last message."""
    receiver, _ = subject.make()
    receiver.dataReceived(subject.request(b"A") + subject.request(b"HALLO")[:-1])
    receiver.connectionLost(Failure(ConnectionDone()))
    if not receiver.reasons or receiver.reasons[0].check(ConnectionDone):
        raise BrokenRuleError("a message cut short is lost without a word")
    return passed()


@case("V8", "a method that pauses", "nothing is delivered until it resumes, then the rest", "pauses")
def pausing(subject: ReceiverSubject) -> Finding:
    """Pause in the first, resume later."""

    def pause(receiver: Any, message: bytes) -> None:
        if message == b"A":
            receiver.pauseProducing()

    receiver, transport = subject.make(pause)
    receiver.dataReceived(subject.request(b"A") + subject.request(b"B"))
    _delivered(receiver, [b"A"])
    if transport.producerState != "paused":
        raise BrokenRuleError("the transport reads on while the receiver is paused")
    receiver.resumeProducing()
    _delivered(receiver, [b"A", b"B"])
    return passed()


def _delivered(receiver: Any, expected: list[bytes]) -> None:
    if receiver.delivered != expected:
        shown = receiver.delivered if len(receiver.delivered) <= 6 else [*receiver.delivered[:6], "…"]
        raise BrokenRuleError(f"delivered were {shown}, and should have been {expected}")
