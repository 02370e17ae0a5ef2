"""
How fast `twisted_lab.net.int32.Int32Receiver` takes frames, beside Twisted's own `Int32StringReceiver`.

Both get the same chunks through `dataReceived`, on a transport in memory, and count what they deliver; so do
asyncio's readexactly and the websockets library, as far as they can (see framing_receivers.py). A round runs every
case, one receiver after the other, so that what else the machine does meets all alike; a ratio is the median of the
rounds' ratios. Times are CPU time of this process, in Python and in the kernel. The garbage collector runs as it
does for any user.

A large frame is also compared with one copy of its bytes: a receiver of linear cost makes a few, whatever
the length and the cuts; one that joins all it has with each new chunk makes half as many as there are chunks.

Then frames come over TCP, into a process on each reactor (see framing_tcp.py).
"""

import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite
from statistics import median
from time import process_time

import framing_tcp
import report
from framing_receivers import (
    Asyncio,
    OurMessages,
    Ours,
    Receiver,
    Stock,
    Websockets,
    have_websockets,
    make,
    websocket_head,
)
from report import median_ratio

KIB = 2**10
MIB = 2**20
READ = 64 * KIB  # bytes that Twisted's TCP transport reads at most at once
SEGMENT = 1460  # bytes of payload in a TCP segment on Ethernet
PATIENCE = 120  # seconds of CPU time after which a measurement is given up
COPY = "one copy"


@dataclass
class Feed:
    """What a receiver is fed, and in how many rounds."""

    kind: type[Receiver]
    chunks: Sequence[bytes]
    rounds: float = inf


@dataclass
class Case:
    """
    What each receiver is fed, and what must come out; then what it took: seconds, one number a round.

    The bars: `faster`, at least how many times as fast as stock, and `copies`, at most how many times as long as
    one copy.
    """

    name: str
    messages: int
    octets: int
    feeds: dict[str, Feed]
    large: bool = False
    faster: float = 0
    copies: float = inf
    times: dict[str, list[float]] = field(default_factory=dict)

    def run(self) -> None:
        """Run one round."""
        for name, feed in self.feeds.items():
            times = self.times.setdefault(name, [])
            if len(times) < feed.rounds:
                times.append(self.measure(feed))
        if self.large:
            begin = process_time()
            b"".join(self.feeds["ours"].chunks)
            self.times.setdefault(COPY, []).append(process_time() - begin)

    def measure(self, feed: Feed) -> float:
        """Feed a receiver and check what it counted; give the seconds that took, over PATIENCE if given up."""
        receiver = make(feed.kind)
        take = receiver.dataReceived
        begin = process_time()
        for start in range(0, len(feed.chunks), 256):
            for chunk in feed.chunks[start : start + 256]:
                take(chunk)
            taken = process_time() - begin
            if taken > PATIENCE:
                return taken
        if (receiver.messages, receiver.octets) != (self.messages, self.octets):
            sys.exit(f"{self.name}: {receiver.messages} messages with {receiver.octets} bytes arrived")
        if isinstance(receiver, Asyncio):
            receiver.close()
        return taken

    def bars(self) -> Iterator[report.Bar]:
        """Give each bar and whether it is met."""
        if self.faster:
            met = self.ratio("stock", "ours") >= self.faster
            yield f"{self.name}: at least {self.faster} times as fast as stock", met
        if isfinite(self.copies):
            met = self.ratio("ours", COPY) <= self.copies
            yield f"{self.name}: linear, at most {self.copies} times as long as one copy", met

    def ratio(self, name: str, reference: str) -> float:
        """Give how many times as long as the reference one takes."""
        return median_ratio(self.times[name], self.times[reference])

    def row(self) -> list[str]:
        """Give the table's line."""
        count = self.octets if self.large else self.messages
        cells = [self.name, show_times(self.times["ours"])]
        for name in "ours", "stock", "asyncio", "websockets":
            cells.append(f"{median(self.times[name]) * 1e9 / count:,.2f}" if name in self.times else "")
            if name != "ours":
                cells.append(f"{self.ratio(name, 'ours'):.2f}" if name in self.times else "")
        return [*cells, f"{self.ratio('ours', COPY):.2f}" if self.large else ""]


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


def make_small(count: int, chunk: int) -> Case:
    """Make a case of many small frames."""
    frames = cut(struct.pack("!I32x", 32) * count, chunk)
    feeds = {"ours": Feed(Ours, frames), "stock": Feed(Stock, frames), "asyncio": Feed(Asyncio, frames)}
    if have_websockets():
        feeds["websockets"] = Feed(Websockets, cut((websocket_head(32) + bytes(32)) * count, chunk))
    return Case(f"{count:,} frames of 32 B, {show_size(chunk)} chunks", count, 32 * count, feeds, faster=1.8)


def make_large(size: int, length: int, chunk: int) -> Case:
    """Make a case of a frame of that length, which at full scale is `size` MiB."""
    chunks = cut_large(struct.pack("!I", length), length, chunk)
    case = Case(
        f"frame of {show_size(length)}, {show_size(chunk)} chunks", 1, length, {"ours": Feed(Ours, chunks)}, True
    )
    if size == 64:
        case.copies = 10
        return case
    if chunk == READ:
        case.feeds["stock"] = Feed(Stock, chunks)
        case.faster = 20 if size == 32 else 0
    elif size == 32:
        case.feeds["stock"] = Feed(Stock, chunks, rounds=1)  # takes about a minute
    if size == 32:
        case.feeds["asyncio"] = Feed(Asyncio, chunks)
        if have_websockets():
            case.feeds["websockets"] = Feed(Websockets, cut_large(websocket_head(length), length, chunk))
    return case


def make_cases(divisor: int) -> list[Case]:
    """Make all cases, that many times smaller."""
    count = 10**6 // divisor
    cases = [make_small(count, chunk) for chunk in (READ, SEGMENT)]
    cases += [make_large(size, size * MIB // divisor, chunk) for chunk in (READ, SEGMENT) for size in (8, 16, 32, 64)]
    header = b'{"type":"t"}'
    messages = cut((struct.pack("!I", len(header)) + header) * count, READ)
    feeds = {"ours": Feed(OurMessages, messages)}
    cases.append(Case(f"{count:,} header messages, 64 KiB chunks", count, 0, feeds))
    length = 32 * MIB // divisor
    header = b'{"type":"t","length":%d}' % length
    feeds = {"ours": Feed(OurMessages, cut_large(struct.pack("!I", len(header)) + header, length, READ))}
    cases.append(Case(f"header message of {show_size(length)}, 64 KiB chunks", 1, length, feeds, large=True))
    return cases


def main() -> int:
    """Measure, print, and give the exit status."""
    parser = report.make_parser(
        "Measure how fast frames are received, ours beside Twisted's Int32StringReceiver and others.",
        "Takes about three minutes.",
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how often each case is run (default: 5)")
    parser.add_argument("--scale", choices=["full", "small"], default="full", help="small: for a try; no bar is judged")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    divisor = 1 if options.scale == "full" else 64
    found = report.facts("websockets", rounds=options.rounds, scale=options.scale)
    report.show_facts(found)
    cases = make_cases(divisor)
    for _ in range(options.rounds):
        for case in cases:
            case.run()
    peers = [word for name in ("stock", "asyncio", "websockets") for word in (f"{name}, ns each", "times")]
    print(report.table([["", "ours, ms (range)", "ns each", *peers, "copies"], *(case.row() for case in cases)]))
    print("\nns each: per byte of a large frame, otherwise per message. times: how many times as long as ours that is.")
    print("copies: how many copies of the bytes take as long. Stock takes a large frame in 1460 B chunks only once.\n")
    streams, absent = framing_tcp.measure(options.rounds, 10**6 // divisor, 32 * MIB // divisor)
    print(framing_tcp.table(streams), end="\n\n")
    if not have_websockets():
        absent.append(report.missing("websockets", "pip install websockets"))
    bars = [bar for case in cases for bar in case.bars()] if options.scale == "full" else []
    if options.plot:
        panels = {
            case.name: {name: [time * 1e3 for time in times] for name, times in case.times.items()} for case in cases
        }
        report.plot(options.plot, "Receiving frames", "CPU time, ms", panels)
    seconds = [{"name": case.name, **case.times} for case in cases]
    return report.finish(options, found, {"seconds": seconds, "tcp": streams}, bars, absent)


if __name__ == "__main__":
    sys.exit(main())
