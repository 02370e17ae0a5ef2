"""Experiment 12: a header that says how long a message is, read in a way that breaks, and in one that doesn't."""

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise

from twisted.internet.testing import StringTransport
from twisted.protocols.basic import Int32StringReceiver

from twisted_lab.experiments import ruler
from twisted_lab.experiments.client import (
    MIB,
    Connection,
    connect,
    deadline_of,
    receive,
    receive_all,
    visit,
    wait_for_bytes,
)
from twisted_lab.experiments.errors import CannotRunError
from twisted_lab.experiments.experiment import Claim, Experiment, Picture, times
from twisted_lab.experiments.pieces import send_piece, wait_until_read
from twisted_lab.experiments.server import HOST, Server, hosted
from twisted_lab.experiments.strings import Strings, frame, split
from twisted_lab.experiments.wrong import StockStrings

#: Seconds, of those that the server has for it, in which a check wants an answer.
PATIENCE = 2.0
STRINGS = [b"one", b"two, longer", b"", b"three, the longest of all"]
#: Where the stream of them is cut for the picture, in bytes.
CUTS = (5, 16, 17)
#: Bytes that a server may take after it was told of a string that is too long for anybody.
ENOUGH = 16 * MIB


def run() -> Iterator[Claim | Picture]:
    """Hold three receivers to the check: one that hopes, Twisted's, and ours."""
    yield draw_reads()
    with hosted("twisted_lab.experiments.wrong:HopefulReceiver") as server:
        alone, together, apart = check_alone(server), check_together(server), check_apart(server)
    yield Claim(
        "a receiver that takes each read for one message is right while each message is read alone",
        alone.observed,
        alone.holds,
    )
    yield Claim("and wrong when several are read at once", count_of(together), not together.holds)
    yield Claim("and wrong when one is read in pieces", count_of(apart), not apart.holds)
    with hosted("twisted_lab.experiments.strings:StringsFactory") as server:
        yield from check(server)
    yield compare_cost()


def draw_reads() -> Picture:
    """Send the messages in pieces that end elsewhere than they do, and draw what is read."""
    stream = b"".join(map(frame, STRINGS))
    reads = []
    with socket.create_server((HOST, 0)) as listener, connect(listener.getsockname()) as sender:
        receiver, _ = listener.accept()
        with receiver:
            for start, end in pairwise((0, *CUTS, len(stream))):
                sender.sendall(stream[start:end])
                wait_for_bytes(receiver, end - start)
                reads.append(len(receiver.recv(1024)))
    cuts = {"messages": [len(frame(string)) for string in STRINGS], "reads": reads}
    return ruler.draw("ruler", "Four messages, and the reads they came in", cuts)


def check(server: Server) -> Iterator[Claim]:
    """Say for each point whether a server, that answers each Int32 string with itself, does it right."""
    yield check_alone(server)
    yield check_together(server)
    yield check_apart(server)
    yield check_byte_by_byte(server)
    yield check_empty(server)
    yield check_too_long(server)
    yield check_truncated(server)


def check_alone(server: Server) -> Claim:
    """Send each string when the one before is answered."""
    with visit(server, PATIENCE) as connection:
        return judge(
            "strings that are sent one at a time come back",
            b"".join(talk(connection, frame(string)) for string in STRINGS if string),
            b"".join(frame(string) for string in STRINGS if string),
            "Send back 4 bytes of length, struct.pack('!I', len(string)), and the string.",
        )


def check_together(server: Server) -> Claim:
    """Send all strings in one piece."""
    stream = b"".join(map(frame, STRINGS))
    with visit(server, PATIENCE) as connection:
        return judge(
            f"{len(STRINGS)} strings that are read at once all come back",
            talk(connection, stream),
            stream,
            "One read may hold several strings: go on until no whole one is left.",
        )


def check_apart(server: Server) -> Claim:
    """Cut a string in its length, after it, and in the middle."""
    stream = b"".join(map(frame, STRINGS))
    with visit(server, PATIENCE) as connection:
        deadline = deadline_of(connection)
        for start, end in ((0, 2), (2, 4), (4, 6), (6, len(stream) - 1)):
            send_piece(connection, stream[start:end], deadline)
        return judge(
            "strings that are cut anywhere, in the length too, come back when they are complete",
            talk(connection, stream[-1:], len(stream)),
            stream,
            "Keep what isn't complete, and put the next read after it.",
        )


def check_byte_by_byte(server: Server) -> Claim:
    """Send every byte by itself."""
    stream = b"".join(map(frame, STRINGS))
    with visit(server, PATIENCE) as connection:
        deadline = deadline_of(connection)
        for byte in stream[:-1]:
            send_piece(connection, bytes([byte]), deadline)
        return judge(
            "a stream that comes byte by byte is the same stream",
            talk(connection, stream[-1:], len(stream)),
            stream,
            "Keep what isn't complete: less than 4 bytes of length, too.",
        )


def check_empty(server: Server) -> Claim:
    """Send an empty string, and one after it."""
    stream = frame(b"") + frame(b"after it")
    with visit(server, PATIENCE) as connection:
        return judge(
            "an empty string is a string, and comes back",
            talk(connection, stream),
            stream,
            "A length of 0 isn't the same as no length yet: compare with None, or with how much is there.",
        )


def check_too_long(server: Server) -> Claim:
    """Announce a string of 4 GiB, and begin to send it."""
    taken, closed = 0, False
    with visit(server, PATIENCE) as connection:
        deadline = deadline_of(connection)
        try:
            connection.sendall(struct.pack("!I", 2**32 - 1))
            while taken < ENOUGH and not deadline.is_over():
                deadline.wait(connection, to_send=True)
                taken += connection.send(bytes(65536))
            # It may be the kernel that has taken all that, for a server that hasn't come to read the length.
            closed = receive_all(connection, most=ENOUGH)[1] in {"closed", "reset"}
        except TimeoutError:
            """It is still open, and takes no more."""
        except OSError:
            closed = True
    return Claim(
        "a string of 4 GiB is refused when its length is there: the connection is closed, and little is kept",
        f"{'closed' if closed else 'still open'} after {taken / MIB:.0f} MiB",
        closed,
        "Compare the length with a limit before you keep anything, and close: transport.abortConnection() does.",
    )


def check_truncated(server: Server) -> Claim:
    """End the stream in the middle of a string; then be another client."""
    with visit(server, PATIENCE) as connection:
        answer = talk(connection, frame(b"whole") + frame(b"never completed")[:-5], len(frame(b"whole")))
        wait_until_read(connection, deadline_of(connection))
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        rest, end = receive_all(connection, most=len(frame(b"never completed")), within=2 * PATIENCE)
    with visit(server, PATIENCE) as connection:
        well = talk(connection, frame(b"next")) == frame(b"next")
    return Claim(
        "when the stream ends inside a string, that one isn't answered, the connection ends, and the server goes on",
        f"{len(answer + rest)} bytes came back, then it was {end}; the next client is {'' if well else 'not '}answered",
        answer + rest == frame(b"whole") and end in {"closed", "reset"} and well,
        "What isn't complete when connectionLost is called never will be: drop it.",
    )


def judge(predicted: str, answer: bytes, expected: bytes, hint: str) -> Claim:
    """Compare what came back with what was sent."""
    came, sent = (sum(1 for _ in split(stream)) for stream in (answer, expected))
    counts = (
        f"{came} of {sent} strings came back" if came <= sent else f"{came} strings came back, and {sent} were sent"
    )
    whole = "as sent" if answer == expected else f"not as sent: {answer[:40]!r}"
    return Claim(predicted, f"{counts}, {whole}", answer == expected, hint)


def count_of(claim: Claim) -> str:
    """Give how many strings came back, without what came in place of the others: that isn't always the same."""
    return claim.observed.partition(", not as sent")[0]


def talk(connection: Connection, data: bytes, count: int | None = None) -> bytes:
    """Send; give as many bytes as come back, up to `count`, or else as many as were sent."""
    with suppress(OSError):
        connection.sendall(data)
    return receive(connection, len(data) if count is None else count)


def compare_cost() -> Claim:
    """Feed Twisted's receiver and ours one long string in small pieces, in memory, and compare processor time."""
    stream = frame(bytes(4 * MIB))
    stock, ours = processor_time(StockStrings, stream), processor_time(Strings, stream)
    return Claim(
        "Twisted's own Int32StringReceiver copies all it has at each read: a string of 4 MiB costs it 5 times the "
        "processor time that ours takes",
        f"{stock * 1000:.0f} ms against {ours * 1000:.1f} ms: {times(stock, ours):.0f} times as much",
        stock >= 5 * ours,
    )


def processor_time(kind: type[Int32StringReceiver], stream: bytes) -> float:
    """Give the seconds of processor time in which a receiver takes a stream of one string, in pieces of 1 KiB."""
    receiver, answer = kind(), StringTransport()
    receiver.MAX_LENGTH = len(stream)
    receiver.makeConnection(answer)
    pieces = [stream[start : start + 1024] for start in range(0, len(stream), 1024)]
    began = time.process_time()
    for piece in pieces:
        receiver.dataReceived(piece)
    spent = time.process_time() - began
    if answer.value() != stream:
        raise CannotRunError(f"{kind.__name__} didn't give the string back")
    return spent


EXPERIMENT = Experiment(
    12,
    "a header that breaks, then Int32",
    "Four bytes before each message say how long it is. Is that enough to find the messages again?",
    "Not if a read is taken for a message. It is, if what isn't complete is kept, and what is complete is taken until "
    "nothing is left.",
    run,
    check,
)
