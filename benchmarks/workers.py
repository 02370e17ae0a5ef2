"""
How processes best share a port: three ways to accept, and what ``--workers`` makes of one.

The ways, each with two echo servers of the same few lines on Twisted's default reactor:

- *one*: one socket that both inherit, one connection accepted each time a process is woken (`net/inherited.py`).
- *many*: the same socket, accepted from as Twisted does it: up to a hundred connections each time.
- *own*: a socket for each with SO_REUSEPORT; the kernel deals connections out.

What is asked of each: how many of 32 connections that come at once each process gets, and what they bring; connections
that carry one message; and how many of 40 clients are served when they connect while one process hangs, and it is then
killed. Last, ``twistd -n echo`` with one worker and with two. The load is one process of Python.
"""

import argparse
import json
import os
import re
import select
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.interfaces import IAddress, ITransport
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.python.failure import Failure

from twisted_lab.net.inherited import InheritedSockets

WAYS = ("one", "many", "own")
MESSAGE = bytes(64)
BURST = 32
HANGING = 40
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: the client's port is free again at once
DEADLINE = 60.0  # seconds that a server may take to start, or to answer
TICKS = os.sysconf("SC_CLK_TCK")


class Echo(Protocol):
    """Send back what comes."""

    transport: ITransport

    def dataReceived(self, data: bytes) -> None:
        """Send it back."""
        self.transport.write(data)


class EchoFactory(ServerFactory):
    """Count the connections."""

    protocol = Echo
    noisy = False
    count = 0

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Make one."""
        self.count += 1
        return super().buildProtocol(addr)


class Until(FileDescriptor):
    """Say how many connections there were, once standard input ends, and stop."""

    reactor: Any
    factory: EchoFactory

    def fileno(self) -> int:
        """Standard input."""
        return 0

    def doRead(self) -> Exception | None:
        """See its end."""
        return None if os.read(0, 1) else CONNECTION_DONE

    def connectionLost(self, reason: Failure) -> None:
        """Stop."""
        print(self.factory.count, flush=True)
        self.reactor.stop()


def serve(way: str, descriptor: int) -> None:
    """Serve on an inherited socket."""
    from twisted.internet import reactor as installed  # noqa: PLC0415  # only servers need one

    reactor: Any = installed
    factory = EchoFactory()
    if way == "one":
        InheritedSockets(reactor, [descriptor]).listenTCP(0, factory)
    else:
        reactor.adoptStreamPort(descriptor, socket.AF_INET, factory)
    until = Until(reactor)
    until.factory = factory
    until.startReading()  # type: ignore[no-untyped-call]
    reactor.callWhenRunning(print, "ready", flush=True)
    reactor.run()


def listen(*, shared: bool, port: int = 0) -> socket.socket:
    """Give a listening socket of 127.0.0.1."""
    listener = socket.socket()
    if not shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(512)
    listener.setblocking(False)
    return listener


@contextmanager
def servers(way: str) -> Iterator[tuple[int, list["subprocess.Popen[str]"]]]:
    """Run two servers; give their port, and their processes."""
    first = listen(shared=way != "own")
    port: int = first.getsockname()[1]
    listeners = [first, listen(shared=False, port=port) if way == "own" else first]
    processes = [
        subprocess.Popen(  # noqa: S603  # ourselves
            [sys.executable, __file__, "--serve", way, str(listener.fileno())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            text=True,
        )
        for listener in listeners
    ]
    for listener in listeners:
        listener.close()
    try:
        for process in processes:
            out: Any = process.stdout
            if not select.select([out], [], [], DEADLINE)[0] or out.readline() != "ready\n":
                raise SystemExit("a server hasn't started")
        yield port, processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@contextmanager
def service(workers: int) -> Iterator[tuple[int, list[int]]]:
    """Run ``twistd -n echo``; give its port, and the processes that it has."""
    with tempfile.TemporaryDirectory() as directory, (Path(directory) / "log").open("w") as out:
        log = Path(directory) / "log"
        program = "from twisted.scripts.twistd import run; run()"
        options = ["--listen", "tcp:0:interface=127.0.0.1", "--prefix", "", "--workers", str(workers)]
        command = [sys.executable, "-c", program, "-n", "--pidfile=", "echo", *options]
        process = subprocess.Popen(command, stdout=out, cwd=directory)  # noqa: S603  # ours
        try:
            end = time.monotonic() + DEADLINE
            while not (found := re.search(r"listens on 127.0.0.1:(\d+)", log.read_text())):
                if time.monotonic() > end:
                    raise SystemExit("the service hasn't started")
                time.sleep(0.01)
            yield int(found[1]), [process.pid, *map(int, re.findall(r"worker (\d+) starts", log.read_text()))]
        finally:
            process.terminate()
            process.wait()


def used(pids: list[int]) -> float:
    """Give the seconds of CPU time that processes have used."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split() for pid in pids]
    return sum(int(field[11]) + int(field[12]) for field in fields) / TICKS


def load(port: int, seconds: float, *, short: bool) -> tuple[int, float]:
    """
    Have 32 connections with one message under way each; give how many came back, and in how many seconds.

    Those are `seconds`, or more if nothing had come back by then. `short`: one message for each connection.
    """
    poll = select.epoll()
    clients: dict[int, socket.socket] = {}

    def connect() -> None:
        client = socket.create_connection(("127.0.0.1", port), DEADLINE)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        clients[client.fileno()] = client
        poll.register(client.fileno(), select.EPOLLIN)
        client.send(MESSAGE)

    for _ in range(BURST):
        connect()
    count = 0
    begun = now = time.monotonic()
    while now < begun + seconds or not count:
        if now > begun + seconds + DEADLINE:
            raise SystemExit("no message came back")
        for descriptor, _ in poll.poll(1):
            client = clients[descriptor]
            if client.recv(64) != MESSAGE:
                raise SystemExit("a message didn't come back whole")
            count += 1
            if short:
                poll.unregister(descriptor)
                clients.pop(descriptor).close()
                connect()
            else:
                client.send(MESSAGE)
        now = time.monotonic()
    for client in clients.values():
        client.close()
    poll.close()
    return count, now - begun


def answered(port: int, hanging: "subprocess.Popen[str]") -> int:
    """Kill one that hangs, with clients waiting; give how many of them are answered."""
    hanging.send_signal(signal.SIGSTOP)
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", port), DEADLINE)) for _ in range(HANGING)]
        for client in clients:
            client.send(MESSAGE)
        hanging.kill()
        hanging.wait()
        count = 0
        for client in clients:
            with suppress(OSError):
                count += client.recv(64) == MESSAGE
        return count


def measure_way(way: str, seconds: float) -> dict[str, Any]:
    """Ask the three things of a way."""
    row: dict[str, Any] = {"way": way}
    for kind in ("long", "short"):
        with servers(way) as (port, processes):
            pids = [process.pid for process in processes]
            before = used(pids)
            count, taken = load(port, seconds, short=kind == "short")
            row[f"{kind}_us"] = (used(pids) - before) / count * 1e6
            row[f"{kind}_rate"] = count / taken
            counts = sorted((int(process.communicate()[0]) for process in processes), reverse=True)
            row[f"{kind}_share"] = counts[0] / sum(counts)
    with servers(way) as (port, processes):
        row["answered"] = answered(port, processes[0])
    return row


def measure_service(workers: int, seconds: float) -> dict[str, Any]:
    """Measure ``--workers``."""
    row: dict[str, Any] = {"workers": workers}
    for kind in ("long", "short"):
        with service(workers) as (port, pids):
            before = used(pids)
            count, taken = load(port, seconds, short=kind == "short")
            row[f"{kind}_us"] = (used(pids) - before) / count * 1e6
            row[f"{kind}_rate"] = count / taken
    return row


def show(rows: list[dict[str, Any]], key: str) -> str:
    """Give the median of what `rows` have at `key`, and their range."""
    values = [row[key] for row in rows]
    digits = 2 if "share" in key else 0
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def main() -> None:
    """Run the rounds in turn, and print the tables."""
    parser = argparse.ArgumentParser(description="How processes best share a port.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each load")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    ways: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    services: dict[str, list[dict[str, Any]]] = {"1": [], "2": []}
    for _ in range(options.rounds):
        for way in WAYS:
            ways[way].append(measure_way(way, options.seconds))
        for workers, rows in services.items():
            rows.append(measure_service(int(workers), options.seconds))
    print("Median (range). Share: of all connections, what the process got that got most; us: server CPU time.\n")
    for way, rows in ways.items():
        print(f"{way}:")
        print(f"  {BURST} at once: share {show(rows, 'long_share')}, {show(rows, 'long_rate')} messages/s,", end=" ")
        print(f"{show(rows, 'long_us')} us each")
        print(f"  one message each: share {show(rows, 'short_share')}, {show(rows, 'short_us')} us each")
        print(f"  answered after a kill: {show(rows, 'answered')} of {HANGING}")
    for workers, rows in services.items():
        print(f"--workers {workers}:")
        for kind in ("long", "short"):
            print(f"  {kind}: {show(rows, f'{kind}_rate')}/s, {show(rows, f'{kind}_us')} us each")
    if options.json:
        options.json.write_text(json.dumps({"ways": ways, "services": services}, indent=1))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        main()
