"""
What memory a large content takes on its way through both sides of the header protocol.

A sender and a receiver, two processes with a reactor each, over TCP on 127.0.0.1. The sender makes the content
up as it goes, so that no disk plays a part; both keep a CRC-32 of it. The receiver takes it twice: as fast as
it can, and pausing after each MiB until the reactor's next turn.

The peak is ru_maxrss: everything the process had in memory at once, the interpreter and Twisted included. How
much those are, a process that only imports the same shows.
"""

import argparse
import json
import resource
import signal
import subprocess
import sys
import time
import zlib
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.interfaces import IConsumer
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.task import react
from twisted.python.failure import Failure

import report
from twisted_lab.header import HeaderProtocol

MIB = 2**20
BLOCK = 64 * 2**10  # bytes the producer writes at once
BOUND = 64  # MiB that either side may take
DEADLINE = 110  # seconds a run may take


class Producer:
    """Content made up as it goes: blocks that all differ. A push producer with a `length`, in bytes."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.crc = 0
        self.pauses = 0
        self._left = length
        self._paused = False
        self._filler = bytes(range(256)) * (BLOCK // 256)

    def startProducing(self, consumer: IConsumer) -> "Deferred[None]":
        """Write all of it to `consumer`; fires when that is done."""
        self._consumer = consumer
        self._done: Deferred[None] = Deferred()
        self.resumeProducing()
        return self._done

    def pauseProducing(self) -> None:
        """Wait."""
        self._paused = True
        self.pauses += 1

    def resumeProducing(self) -> None:
        """Write on, until paused or done."""
        self._paused = False
        while self._left and not self._paused:
            block = (self._left.to_bytes(8, "big") + self._filler)[: min(BLOCK, self._left)]
            self.crc = zlib.crc32(block, self.crc)
            self._left -= len(block)
            self._consumer.write(block)
            if not self._left:
                self._done.callback(None)

    def stopProducing(self) -> None:
        """Write nothing more."""
        self._paused = True


class Sender(HeaderProtocol):
    """The sending side: `lost` fires when the connection has ended."""

    def __init__(self) -> None:
        self.lost: Deferred[None] = Deferred()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Say so."""
        self.lost.callback(None)


class Receiver(Sender):
    """The receiving side: count and check one content. `pausing`: whether to pause after each MiB."""

    octets = crc = pauses = 0
    begin = end = 0.0

    def __init__(self, reactor: Any, *, pausing: bool) -> None:
        super().__init__()
        self._reactor = reactor
        self._pausing = pausing

    def headerReceived(self, header: dict[str, Any]) -> None:
        """Start the clock."""
        self.begin = time.monotonic()

    def contentReceived(self, data: bytes) -> None:
        """Count, and pause."""
        self.octets += len(data)
        self.crc = zlib.crc32(data, self.crc)
        if self._pausing and self.octets // MIB > self.pauses:
            self.pauses += 1
            self.pauseProducing()
            self._reactor.callLater(0, self.resumeProducing)

    def messageFinished(self) -> None:
        """Stop the clock, and close."""
        self.end = time.monotonic()
        self.transport.loseConnection()


async def receive(reactor: Any, pausing: bool) -> None:  # noqa: FBT001  # react passes it so
    """Print the port, take one message, print what came."""
    receiver = Receiver(reactor, pausing=pausing)
    factory: Factory = Factory.forProtocol(lambda: receiver)
    port: Any = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(factory)
    print(port.getHost().port, flush=True)
    await receiver.lost
    tell(octets=receiver.octets, crc=receiver.crc, pauses=receiver.pauses, seconds=receiver.end - receiver.begin)


async def send(reactor: Any, port: int, length: int) -> None:
    """Send one message, print what went."""
    sender = await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), Sender())
    producer = Producer(length)
    await sender.sendMessage({"type": "content"}, producer)
    await sender.lost
    tell(octets=length, crc=producer.crc, pauses=producer.pauses)


def tell(**numbers: float) -> None:
    """Print what happened in this process, and its peak in MiB."""
    unit = 1 if sys.platform == "darwin" else 2**10  # bytes there, KiB elsewhere
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MIB
    print(json.dumps({**numbers, "peak_mib": round(peak, 1)}), flush=True)


def play(options: argparse.Namespace) -> None:
    """Be one of the processes, which ends at the deadline whatever it waits for."""
    signal.alarm(DEADLINE)
    if options.role == "idle":
        tell()
    elif options.role == "sender":
        react(send, (options.port, options.size * MIB))
    else:
        react(receive, (options.role == "pausing",))


def start(role: str, *arguments: str) -> "subprocess.Popen[str]":
    """Start one of the processes."""
    words = [sys.executable, __file__, "--role", role, *arguments]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)  # noqa: S603  # this file


def finish(name: str, process: "subprocess.Popen[str]") -> dict[str, Any]:
    """Wait for a process, and give what it reported."""
    output, _ = process.communicate(timeout=DEADLINE + 5)
    if process.returncode:
        sys.exit(f"the {name} process failed: exit status {process.returncode}")
    numbers: dict[str, Any] = json.loads(output)
    return numbers


def run(role: str, size: int) -> dict[str, Any]:
    """Send `size` MiB to a receiver; give what both report."""
    receiver = start(role)
    assert receiver.stdout is not None  # noqa: S101  # for mypy
    port = receiver.stdout.readline().strip()
    sender = start("sender", f"--port={port or 0}", f"--size={size}")
    got, sent = finish(role, receiver), finish("sender", sender)
    if (got["octets"], got["crc"]) != (sent["octets"], sent["crc"]):
        sys.exit(f"{role}: {got} arrived of {sent}")
    return {"receiver": got, "sender": sent}


def main() -> int:
    """Measure, print, and give the exit status."""
    parser = report.make_parser(
        "Measure the memory that a large content takes on both sides of the header protocol.",
        "1 GiB takes about ten seconds.",
    )
    parser.add_argument("--size", type=int, default=1024, metavar="MIB", help="MiB of content (default: 1024)")
    parser.add_argument("--role", choices=["idle", "sender", "fast", "pausing"], help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.size < 1:
        parser.error("--size must be at least 1")
    if options.role:
        play(options)
        return 0
    found = report.facts(size_mib=options.size, idle_peak_mib=finish("idle", start("idle"))["peak_mib"])
    report.show_facts(found)
    runs = {role: run(role, options.size) for role in ("fast", "pausing")}
    rows = [["receiver", "time, s", "MB/s", "peaks, MiB: receiver", "sender", "pauses: receiver", "sender"]]
    for role, sides in runs.items():
        got, sent = sides["receiver"], sides["sender"]
        speed = [f"{got['seconds']:.2f}", f"{got['octets'] / got['seconds'] / 1e6:.0f}"]
        peaks = [f"{side['peak_mib']:.1f}" for side in (got, sent)]
        rows.append([role, *speed, *peaks, str(got["pauses"]), str(sent["pauses"])])
    print(report.table(rows), end="\n\n")
    if options.plot:
        panels = {role: {name: [side["peak_mib"]] for name, side in sides.items()} for role, sides in runs.items()}
        report.plot(options.plot, f"Peaks of memory for a content of {options.size} MiB", "peak, MiB", panels)
    met = all(side["peak_mib"] < BOUND for sides in runs.values() for side in sides.values())
    return report.finish(options, found, {"runs": runs}, [(f"each peak under {BOUND} MiB", met)])


if __name__ == "__main__":
    sys.exit(main())
