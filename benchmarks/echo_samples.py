"""What is measured of an echo server: a load's sample, taken again if others were busy, and memory a connection."""

import json
import socket
import subprocess
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from echo_servers import PATIENCE, Running, WrongError
from processor import Others, pin

QUIET = 0.04  # of one core's time others may use in a sample
TRIES = 3  # how often a sample is taken until one is quiet


class Point(NamedTuple):
    """What is asked of the servers: messages of so many bytes, one outstanding on each of so many connections."""

    size: int
    connections: int

    def __str__(self) -> str:
        return f"{self.size}x{self.connections}"


@dataclass
class Sample:
    """
    What the load measured. `rate` is messages a second; `p50` to `max` are microseconds; `server_cpu` microseconds
    of CPU a message; `busy` the share of a core that the load used, and `others` what other processes did.
    """

    server: str
    point: str
    rate: float
    p50: float
    p99: float
    p999: float
    max: float
    count: int
    server_cpu: float
    busy: float
    others: float


@dataclass
class Load:
    """The load generator on its core, and what it has done. `spare`: how many samples may still be taken again."""

    program: str
    core: int
    warmup: float
    seconds: float
    spare: int
    dropped: int = 0
    disturbed: int = 0

    def sample(self, running: Running, others: set[int], point: Point) -> Sample:
        """Take a sample; while others use the CPU, another. `others`: the processes of ours that rest meanwhile."""
        best = self._once(running, others, point)
        for _ in range(1, TRIES):
            if best.others <= QUIET or self.spare == 0:
                break
            self.spare -= 1
            self.dropped += 1
            best = min(best, self._once(running, others, point), key=lambda sample: sample.others)
        self.disturbed += best.others > QUIET
        return best

    def _once(self, running: Running, ours: set[int], point: Point) -> Sample:
        numbers = [running.port, running.pid, point.size, point.connections, self.warmup, self.seconds]
        command = pin([self.program, *map(str, numbers)], self.core)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own
            try:
                others = Others({*ours, process.pid})
                output, complaint = process.communicate(timeout=self.warmup + self.seconds + 4 * PATIENCE)
                share = others.share()
            finally:
                process.kill()
        name = running.server.name
        if process.returncode != 0:
            raise WrongError(f"{name} at {point}: {complaint.strip() or f'the load ended with {process.returncode}'}")
        came: dict[str, Any] = json.loads(output)
        errors, reason = came.pop("errors"), came.pop("reason")
        if errors:
            raise WrongError(f"{name} at {point}: {reason}, on {errors} connections")
        return Sample(running.server.key, str(point), **came, others=share)


def memory(running: Running, count: int) -> float:
    """Give what memory of its own the server takes a connection, in bytes, when that many wait, each used once."""
    with ExitStack() as stack:
        before = 0
        for number in range(count + 1):
            try:
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), PATIENCE))
                connection.sendall(b"x" * 64)
                echoed = connection.recv(64, socket.MSG_WAITALL) == b"x" * 64
            except OSError as error:
                raise WrongError(f"{running.server.name}: connection {number}: {error}") from error
            if not echoed:
                raise WrongError(f"{running.server.name}: connection {number} doesn't echo")
            before = before or _anonymous(running.pid)
        return (_anonymous(running.pid) - before) / count


def _anonymous(pid: int) -> int:
    """Give the bytes of memory that a process has for itself, without what it maps from files."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("Anonymous:")]
    return int(line.split()[1]) * 1024


def as_numbers(samples: list[Sample]) -> list[dict[str, Any]]:
    """Give samples for JSON."""
    return [asdict(sample) for sample in samples]
