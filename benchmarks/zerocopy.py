"""
How a file gets to a connection and from one, and how long the reactor stands still meanwhile.

Each way runs in a process of its own, with a reactor, over TCP on 127.0.0.1; at the other end a plain program takes the
bytes and drops them, or makes them up. *warm*: the file is in memory; *cold*: it lies on a disk, and was just dropped
from the page cache, or is new. The longest stall is the longest time between two calls of a timer that is due every
millisecond. The ways that are ours are `twisted_lab.net.zerocopy`; the others show what it would be otherwise.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from blake3 import blake3
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IReadWriteDescriptor
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.threads import deferToThread
from twisted.protocols.basic import FileSender
from twisted.python.failure import Failure
from zope.interface import implementer

import report
from twisted_lab.net.detached import Worker
from twisted_lab.net.flow import Inflow
from twisted_lab.net.layer import Pause
from twisted_lab.net.mover import Mover
from twisted_lab.net.zerocopy import FileReceiver, receive_file, send_file

MIB = 2**20
DEADLINE = 120  # seconds a run may take
reactor: Any = _reactor
#: What the other end runs, with its port and a number of bytes.
TAKE = """
import socket, sys
connection, piece = socket.create_connection(("127.0.0.1", int(sys.argv[1]))), bytearray(2**18)
while connection.recv_into(piece): pass
"""
GIVE = """
import socket, sys
connection, piece = socket.create_connection(("127.0.0.1", int(sys.argv[1]))), bytes(range(256)) * 2**10
for _ in range(int(sys.argv[2]) // len(piece)): connection.sendall(piece)
connection.shutdown(socket.SHUT_WR)
connection.recv(1)
"""


class Run(Protocol):
    """The connection over which the file goes; `done` fires when it has."""

    transport: Any

    def __init__(self, way: str, descriptor: int, size: int) -> None:
        self.done: Deferred[None] = Deferred()
        self._way, self._descriptor, self._size = way, descriptor, size
        self._receiver: FileReceiver | None = None
        self._position = 0

    def connectionMade(self) -> None:
        """Begin."""
        WAYS[self._way](self, self._descriptor, self._size).addErrback(self._failed).chainDeferred(self.done)

    def dataReceived(self, data: bytes) -> None:
        """Hand it on, or write it here and now."""
        if self._receiver is not None:
            self._receiver.dataReceived(data)
        else:
            os.pwrite(self._descriptor, data, self._position)
            self._position += len(data)
            if self._position == self._size:
                self._written.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Hand that on too."""
        if self._receiver is not None:
            self._receiver.connectionLost(reason)

    def write_here(self, _descriptor: int, _size: int) -> "Deferred[None]":
        """Receive as a protocol does that writes in `dataReceived`."""
        self._written: Deferred[None] = Deferred()
        return self._written

    def receive(self, descriptor: int, size: int, observe: Any = None) -> "Deferred[None]":
        """Receive by ours."""
        self._receiver = receive_file(
            reactor, self.transport, descriptor, 0, size, in_thread=deferToThread, observe=observe
        )
        return self._receiver.done

    def _failed(self, failure: Failure) -> None:
        sys.exit(f"{self._way}: {failure.value}")


@implementer(IReadWriteDescriptor)
class _ReactorSends:
    """sendfile(2) called by the reactor itself, whenever the socket can be written to."""

    def __init__(self, run: Run, descriptor: int, size: int) -> None:
        self.done: Deferred[None] = Deferred()
        self._socket: socket.socket = run.transport.getHandle().dup()
        self._descriptor, self._size = descriptor, size
        self._sent = 0
        reactor.addWriter(self)

    def fileno(self) -> int:
        """Give the socket's descriptor."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """Give a name."""
        return "sendfile"

    def doWrite(self) -> None:
        """Send what the socket takes."""
        self._sent += os.sendfile(self.fileno(), self._descriptor, self._sent, self._size - self._sent)
        if self._sent == self._size:
            reactor.removeWriter(self)
            self._socket.close()
            self.done.callback(None)

    def doRead(self) -> None:
        """Do nothing."""

    def connectionLost(self, reason: Failure) -> None:
        """Do nothing: the deadline ends it."""


class _Splice(Inflow):
    """Receive by splice(2), through a pipe, in threads as ours."""

    _pipe: tuple[int, int] | None = None

    def _step(self, connection: int, end: int) -> Pause:
        if self._pipe is None:
            self._pipe = os.pipe()
        try:
            count = os.splice(connection, self._pipe[1], min(MIB, end - self.done))
        except BlockingIOError:
            return Pause.BLOCKED
        while count:
            moved = os.splice(self._pipe[0], self._descriptor, count, offset_dst=self.done)
            self.done += moved
            count -= moved
        return Pause.TURN


def _by_file_sender(chunk: int) -> Callable[[Run, int, int], "Deferred[Any]"]:
    def send(run: Run, descriptor: int, _size: int) -> "Deferred[Any]":
        sender = FileSender()
        sender.CHUNK_SIZE = chunk
        sent: Deferred[Any] = sender.beginFileTransfer(os.fdopen(os.dup(descriptor), "rb", 0), run.transport)
        return sent

    return send


def _send(run: Run, descriptor: int, size: int, observe: Any = None) -> "Deferred[None]":
    return send_file(reactor, run.transport, descriptor, 0, size, in_thread=deferToThread, observe=observe)


def _splice(run: Run, descriptor: int, size: int) -> "Deferred[Any]":
    run.transport.pauseProducing()
    mover = Mover(run.transport, Worker(deferToThread))
    return Deferred.fromCoroutine(mover.move(_Splice(descriptor, 0, size), lambda _: None))


WAYS: dict[str, Callable[[Run, int, int], "Deferred[Any]"]] = {
    "ours out": _send,
    "ours out, BLAKE3": lambda run, descriptor, size: _send(run, descriptor, size, blake3().update),
    "sendfile by the reactor": lambda run, *file: _ReactorSends(run, *file).done,
    "FileSender": _by_file_sender(2**14),
    "FileSender, 256 KiB": _by_file_sender(2**18),
    "ours in": Run.receive,
    "ours in, BLAKE3": lambda run, descriptor, size: run.receive(descriptor, size, blake3().update),
    "splice": _splice,
    "write in dataReceived": Run.write_here,
}
IN = {"ours in", "ours in, BLAKE3", "splice", "write in dataReceived"}


def run_way(way: str, path: str, size: int) -> None:
    """Run one way in this process, and print what it took."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    stall, last = 0.0, time.monotonic()

    def tick() -> None:
        nonlocal stall, last
        now = time.monotonic()
        stall, last = max(stall, now - last), now
        reactor.callLater(0.001, tick)

    async def main() -> None:
        nonlocal stall, last
        run = Run(way, descriptor, size)
        port: Any = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(Factory.forProtocol(lambda: run))
        program = GIVE if way in IN else TAKE
        other = subprocess.Popen(  # noqa: ASYNC220, S603  # it is started, not waited for; and is ours
            [sys.executable, "-c", program, str(port.getHost().port), str(size)]
        )
        begun = await _begun(run)
        stall, last = 0.0, begun
        tick()
        await run.done
        taken = time.monotonic() - begun
        stalled = stall
        run.transport.loseConnection()
        await deferToThread(other.wait)
        if way in IN and os.fstat(descriptor).st_size != size:
            sys.exit(f"{way}: the file has {os.fstat(descriptor).st_size} bytes")
        usage = os.times()
        print(json.dumps({"s": taken, "stall_ms": stalled * 1e3, "cpu_s": usage.user + usage.system}))
        reactor.stop()

    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(main()).addErrback(_give_up))
    reactor.callLater(DEADLINE, reactor.stop)
    reactor.run()


async def _begun(run: Run) -> float:
    while run.transport is None:
        turn: Deferred[None] = Deferred()
        reactor.callLater(0.0001, turn.callback, None)
        await turn
    return time.monotonic()


def _give_up(failure: Failure) -> None:
    failure.printTraceback()
    reactor.stop()


def prepare(path: Path, size: int, way: str, *, cold: bool) -> None:
    """Have the file there, or not yet; in the page cache, or not."""
    if way in IN:
        path.unlink(missing_ok=True)
        return
    if not path.exists() or path.stat().st_size != size:
        path.write_bytes(b"")
        with path.open("ab") as file:
            for _ in range(size // MIB):
                file.write(os.urandom(MIB))
    with path.open("rb") as file:
        os.fsync(file.fileno())
        if cold:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        else:
            while file.read(MIB):
                pass


def measure(options: argparse.Namespace) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Give the figures: by where, by way, by what."""
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    with (
        tempfile.TemporaryDirectory(dir=options.memory) as memory,
        tempfile.TemporaryDirectory(dir=options.disk) as disk,
    ):
        for _ in range(options.rounds):
            for where, directory in (("warm", memory), ("cold", disk)):
                for way in WAYS:
                    path = Path(directory, "in" if way in IN else "out")
                    prepare(path, options.size * MIB, way, cold=where == "cold")
                    command = [sys.executable, __file__, "--way", way, "--file", str(path), "--size", str(options.size)]
                    done = subprocess.run(  # noqa: S603  # ours
                        command, capture_output=True, text=True, timeout=2 * DEADLINE, check=False
                    )
                    if done.returncode or not done.stdout:
                        sys.exit(done.stderr)
                    for what, number in json.loads(done.stdout).items():
                        found.setdefault(where, {}).setdefault(way, {}).setdefault(what, []).append(number)
    return found


def main() -> int:
    """Measure, print, and give the exit status."""
    parser = report.make_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is run (default: 5)")
    parser.add_argument("--size", type=int, default=1024, metavar="MIB", help="of the file (default: 1024)")
    parser.add_argument("--memory", default="/dev/shm", metavar="DIR", help="on tmpfs (default: /dev/shm)")  # noqa: S108  # a directory is made in it
    parser.add_argument("--disk", default="/var/tmp", metavar="DIR", help="on a disk (default: /var/tmp)")  # noqa: S108  # the same
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        run_way(options.way, options.file, options.size * MIB)
        return 0
    about = report.facts("blake3", size_mib=options.size, rounds=options.rounds)
    report.show_facts(about)
    found = measure(options)
    rows = [["", "MB/s", "longest stall, ms (range)", "CPU s, start included"]]
    for where, ways in found.items():
        for way, numbers in ways.items():
            rate = options.size * MIB / 1e6 / median(numbers["s"])
            rows.append(
                [
                    f"{way}, {where}",
                    f"{rate:,.0f}",
                    report.spread(numbers["stall_ms"]),
                    report.spread(numbers["cpu_s"], 2),
                ]
            )
    print(report.table(rows), end="\n\n")
    if options.plot:
        panels = {where: {way: n["stall_ms"] for way, n in ways.items()} for where, ways in found.items()}
        report.plot(options.plot, "The reactor's longest stall", "milliseconds", panels)
    return report.finish(options, about, {"ways": found})


if __name__ == "__main__":
    sys.exit(main())
