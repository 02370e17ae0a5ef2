"""
Frames over TCP on 127.0.0.1: a process that receives them, ours beside stock, on each reactor; another sends them.

``python framing_tcp.py REACTOR`` is the process that receives: it listens on a port for each receiver, and prints
a line of JSON for each connection when it has ended. The sender is a few lines that need nothing but a socket.
"""

import json
import signal
import subprocess
import sys
import time
from statistics import median
from typing import IO, Any

from twisted.application.reactors import getReactorTypes, installReactor
from twisted.internet.protocol import Factory, connectionDone
from twisted.python.failure import Failure

import report
from framing_receivers import Counter, Ours, Stock

RECEIVERS = {"ours": Ours, "stock": Stock}
PATIENCE = 120  # seconds that one side waits for the other
DEADLINE = 1200  # seconds after which the process that receives ends, whatever became of the benchmark
#: Connects to the port, sends a stream of so many times the block, and waits until the peer has closed.
SENDER = f"""
import socket, sys
port, length, count = map(int, sys.argv[1:])
frame = length.to_bytes(4, "big") + bytes(length)
times = min(count, max(1, 2**18 // len(frame)))
with socket.create_connection(("127.0.0.1", port), {PATIENCE}) as connection:
    for _ in range(count // times):
        connection.sendall(frame * times)
    connection.sendall(frame * (count % times))
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)
"""

Row = dict[str, Any]


class Timed(Counter):
    """Tell how long a connection took, in seconds and in seconds of CPU."""

    def connectionMade(self) -> None:
        """Start the clocks."""
        self._begun = time.monotonic(), time.process_time()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Print what came, and how long it took."""
        seconds, cpu = time.monotonic() - self._begun[0], time.process_time() - self._begun[1]
        print(json.dumps([self.messages, self.octets, seconds, cpu]), flush=True)


def receive(name: str) -> None:
    """Be the process that receives, on a reactor of that name."""
    signal.alarm(DEADLINE)
    installReactor(name)
    from twisted.internet import reactor as installed  # noqa: PLC0415  # only now there is one

    reactor: Any = installed
    ports = []
    for kind in RECEIVERS.values():
        factory: Any = Factory.forProtocol(type("Receiver", (Timed, kind), {}))
        ports.append(reactor.listenTCP(0, factory, interface="127.0.0.1").getHost().port)
    print(json.dumps(ports), flush=True)
    reactor.run()


def measure(rounds: int, count: int, length: int) -> tuple[list[Row], list[str]]:
    """
    Send `count` frames of 32 bytes, and one of `length`, to each receiver on each reactor, that many rounds.

    Gives a row for each kind of stream and reactor, with the rounds' seconds, and names the reactor that is missing.
    """
    installed = {kind.shortName for kind in getReactorTypes()}
    names = [name for name in ("default", "eager") if name in installed]
    streams = [(32, count), (length, 1)]
    rows: list[Row] = [
        {"reactor": name, "length": size, "count": number, "seconds": {}, "cpu": {}}
        for size, number in streams
        for name in names
    ]
    processes = {name: _start(name) for name in names}
    try:
        ports = {name: json.loads(_line(process.stdout)) for name, process in processes.items()}
        for _ in range(rounds):
            for row in rows:
                for receiver, port in zip(RECEIVERS, ports[row["reactor"]], strict=True):
                    seconds, cpu = _send(port, row, processes[row["reactor"]])
                    row["seconds"].setdefault(receiver, []).append(seconds)
                    row["cpu"].setdefault(receiver, []).append(cpu)
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()
    return rows, [] if "eager" in names else [report.missing("reactor eager", "a twisted-lab that has it")]


def table(rows: list[Row]) -> str:
    """Lay out the rows: frames a second, and the process's CPU time a frame."""
    lines = [
        ["over TCP", "ours, frames/s (range)", "CPU, µs each", "stock, frames/s (range)", "CPU, µs each", "times stock"]
    ]
    for row in rows:
        line = [f"{row['count']:,} x {row['length']:,} B, {row['reactor']} reactor"]
        for receiver in RECEIVERS:
            rates = [row["count"] / seconds for seconds in row["seconds"][receiver]]
            line.append(report.spread(rates, 0 if row["count"] > 1 else 1))
            line.append(f"{median(row['cpu'][receiver]) * 1e6 / row['count']:,.2f}")
        lines.append([*line, f"{report.median_ratio(row['seconds']['stock'], row['seconds']['ours']):.2f}"])
    return report.table(lines)


def _start(name: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, __file__, name], stdout=subprocess.PIPE, text=True)  # noqa: S603  # this file


def _line(output: IO[str] | None) -> str:
    line = output.readline() if output else ""
    if not line:
        sys.exit("framing: the process that receives has ended")
    return line


def _send(port: int, row: Row, receiver: "subprocess.Popen[str]") -> tuple[float, float]:
    """Send one stream; give the seconds, and those of CPU, that the receiver took."""
    words = [sys.executable, "-I", "-S", "-c", SENDER, str(port), str(row["length"]), str(row["count"])]
    subprocess.run(words, check=True, timeout=2 * PATIENCE)  # noqa: S603  # ours
    messages, octets, seconds, cpu = json.loads(_line(receiver.stdout))
    if (messages, octets) != (row["count"], row["count"] * row["length"]):
        sys.exit(f"framing: {messages} frames with {octets} bytes arrived of {row['count']} with {row['length']} each")
    return seconds, cpu


if __name__ == "__main__":
    receive(sys.argv[1])
