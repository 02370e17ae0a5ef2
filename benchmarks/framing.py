"""
How fast `twisted_lab.net.int32.Int32Receiver` takes frames, beside Twisted's own `Int32StringReceiver`.

Both get the same chunks through `dataReceived`, on a transport in memory, and count what they deliver. A
round runs every case, ours and then stock, so that what else the machine does meets both alike; a ratio is
the median of the rounds' ratios. Times are CPU time of this process, in Python and in the kernel. The
garbage collector runs as it does for any user.

A large frame is also compared with one copy of its bytes: a receiver of linear cost makes a few, whatever
the length and the cuts; one that joins all it has with each new chunk makes half as many as there are chunks.
"""

import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite
from statistics import median
from time import process_time

from twisted.internet.testing import StringTransport
from twisted.protocols.basic import Int32StringReceiver

import report
from report import median_ratio
from twisted_lab.header import HeaderProtocol
from twisted_lab.net.int32 import Int32Receiver

KIB = 2**10
MIB = 2**20
READ = 64 * KIB  # bytes that Twisted's TCP transport reads at most at once
SEGMENT = 1460  # bytes of payload in a TCP segment on Ethernet
PATIENCE = 120  # seconds of CPU time after which a measurement is given up


class Counter:
    """Count strings, and their bytes."""

    MAX_LENGTH = 2**30
    messages = 0
    octets = 0

    def stringReceived(self, string: bytes) -> None:
        """Count."""
        self.messages += 1
        self.octets += len(string)


class Ours(Counter, Int32Receiver):
    """Ours, counting."""


class Stock(Counter, Int32StringReceiver):
    """Twisted's, counting."""


class OurMessages(HeaderProtocol):
    """Ours for messages of the header protocol, counting messages and bytes of content."""

    messages = 0
    octets = 0

    def contentReceived(self, data: bytes) -> None:
        """Count."""
        self.octets += len(data)

    def messageFinished(self) -> None:
        """Count."""
        self.messages += 1


@dataclass
class Case:
    """
    What is fed, and what must come out; then what it took: seconds, one number a round.

    `stock_rounds`: in how many rounds stock takes part. The bars: `faster`, at least how many times as fast as
    stock, and `copies`, at most how many times as long as one copy.
    """

    name: str
    chunks: Sequence[bytes]
    messages: int
    octets: int
    large: bool = False
    stock_rounds: float = 0
    faster: float = 0
    copies: float = inf
    receiver: Callable[[], Ours | OurMessages] = Ours
    ours: list[float] = field(default_factory=list)
    stock: list[float] = field(default_factory=list)
    copy: list[float] = field(default_factory=list)

    def run(self) -> None:
        """Run one round."""
        self.ours.append(self.measure(self.receiver()))
        if len(self.stock) < self.stock_rounds:
            self.stock.append(self.measure(Stock()))
        if self.large:
            begin = process_time()
            b"".join(self.chunks)
            self.copy.append(process_time() - begin)

    def measure(self, receiver: Ours | OurMessages | Stock) -> float:
        """Feed a receiver and check what it counted; give the seconds that took, over PATIENCE if given up."""
        receiver.makeConnection(StringTransport())
        take = receiver.dataReceived
        begin = process_time()
        for start in range(0, len(self.chunks), 256):
            for chunk in self.chunks[start : start + 256]:
                take(chunk)
            taken = process_time() - begin
            if taken > PATIENCE:
                return taken
        if (receiver.messages, receiver.octets) != (self.messages, self.octets):
            sys.exit(f"{self.name}: {receiver.messages} messages with {receiver.octets} bytes arrived")
        return taken

    def bars(self) -> Iterator[tuple[str, bool]]:
        """Give each bar and whether it is met."""
        if self.faster:
            met = median_ratio(self.stock, self.ours) >= self.faster
            yield f"{self.name}: at least {self.faster} times as fast as stock", met
        if isfinite(self.copies):
            met = median_ratio(self.ours, self.copy) <= self.copies
            yield f"{self.name}: linear, at most {self.copies} times as long as one copy", met

    def milliseconds(self) -> dict[str, list[float]]:
        """Give the times of those that took part."""
        sides = {"ours": self.ours, "stock": self.stock, "one copy": self.copy}
        return {name: [time * 1e3 for time in times] for name, times in sides.items() if times}

    def row(self) -> list[str]:
        """Give the table's line."""
        count = self.octets if self.large else self.messages
        cells = [self.name]
        for times in self.ours, self.stock:
            cells += [show_times(times), f"{median(times) * 1e9 / count:,.2f}"] if times else ["", ""]
        for times, reference in (self.stock, self.ours), (self.ours, self.copy):
            cells.append(f"{median_ratio(times, reference):.2f}" if times and reference else "")
        return cells


def show_size(size: int) -> str:
    """Give a number of bytes as people write it."""
    for unit, name in (MIB, "MiB"), (KIB, "KiB"):
        if size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"


def show_times(times: list[float]) -> str:
    """Give the median of some seconds, and their range, in ms; "over": that was given up."""
    return "over " * (max(times) > PATIENCE) + report.spread([time * 1e3 for time in times])


def cut(stream: bytes, size: int) -> list[bytes]:
    """Cut a stream into chunks of `size` bytes."""
    return [stream[start : start + size] for start in range(0, len(stream), size)]


def cut_large(prefix: bytes, length: int, size: int) -> list[bytes]:
    """Cut `prefix` and `length` bytes into chunks: one piece of memory again and again, as a transport reads."""
    block = bytes(size)
    whole, rest = divmod(length - (size - len(prefix)), size)
    return [prefix + block[len(prefix) :], *[block] * whole, block[:rest]]


def make_cases(divisor: int) -> list[Case]:
    """Make all cases, that many times smaller."""
    count = 10**6 // divisor
    cases = []
    for chunk in READ, SEGMENT:
        frames = cut(struct.pack("!I32x", 32) * count, chunk)
        name = f"{count:,} frames of 32 B, {show_size(chunk)} chunks"
        cases.append(Case(name, frames, count, 32 * count, stock_rounds=inf, faster=1.8))
    for chunk in READ, SEGMENT:
        for size in 8, 16, 32, 64:
            length = size * MIB // divisor
            name = f"frame of {show_size(length)}, {show_size(chunk)} chunks"
            case = Case(name, cut_large(struct.pack("!I", length), length, chunk), 1, length, large=True)
            if size == 64:
                case.copies = 10
            elif chunk == READ:
                case.stock_rounds = inf
                case.faster = 20 if size == 32 else 0
            elif size == 32:
                case.stock_rounds = 1  # takes about a minute
            cases.append(case)
    header = b'{"type":"t"}'
    messages = cut((struct.pack("!I", len(header)) + header) * count, READ)
    cases.append(Case(f"{count:,} header messages, 64 KiB chunks", messages, count, 0, receiver=OurMessages))
    length = 32 * MIB // divisor
    header = b'{"type":"t","length":%d}' % length
    content = cut_large(struct.pack("!I", len(header)) + header, length, READ)
    name = f"header message of {show_size(length)}, 64 KiB chunks"
    cases.append(Case(name, content, 1, length, large=True, receiver=OurMessages))
    return cases


def main() -> int:
    """Measure, print, and give the exit status."""
    parser = report.make_parser(
        "Measure how fast frames are received, ours beside Twisted's Int32StringReceiver.", "Takes about two minutes."
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how often each case is run (default: 5)")
    parser.add_argument("--scale", choices=["full", "small"], default="full", help="small: for a try; no bar is judged")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    found = report.facts(rounds=options.rounds, scale=options.scale)
    report.show_facts(found)
    cases = make_cases(1 if options.scale == "full" else 64)
    for _ in range(options.rounds):
        for case in cases:
            case.run()
    head = ["", "ours, ms (range)", "ns each", "stock, ms (range)", "ns each", "times stock", "copies"]
    print(report.table([head, *(case.row() for case in cases)]))
    print("\nns each: per byte of a large frame, otherwise per message. times stock: how many times as fast as stock.")
    print("copies: how many copies of the bytes take as long. Stock takes a large frame in 1460 B chunks only once.\n")
    bars = [bar for case in cases for bar in case.bars()] if options.scale == "full" else []
    if options.plot:
        milliseconds = {case.name: case.milliseconds() for case in cases}
        report.plot(options.plot, "Receiving frames", "CPU time, ms", milliseconds)
    seconds = [{"name": case.name, "ours": case.ours, "stock": case.stock, "copy": case.copy} for case in cases]
    return report.finish(options, found, {"seconds": seconds}, bars)


if __name__ == "__main__":
    sys.exit(main())
