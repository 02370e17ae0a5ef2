"""
Children: processes of a benchmark's own, that end with it, and what they take.

A side of a transfer may be several processes: `Tree` is one that was started and all that it has started. Memory is
read from /proc while they run, since a short-lived process leaves no other trace; `ru_maxrss` won't do, for it also
counts what the process was before it became another program, which is this one.
"""

import os
import select
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from proc import TICK, cpu, foreign_cpu, forget_peak, peak

CORES = os.cpu_count() or 1
FOREIGN = 0.05  # of the machine's CPU time, that other programs may use in a run that counts
PATIENCE = 600.0  # seconds that a child gets at most
GRACE = 5.0  # seconds that a server gets to end
START = 60.0  # seconds that it gets to start
SAMPLE = 0.05  # seconds between two looks at memory
BLIND = 0.2  # seconds before a client's end in which nobody looked, from which on its memory isn't known


class FailedError(Exception):
    """A child failed; the message says which, and what it said."""


@dataclass
class Memory:
    """Peaks of memory in MiB: of the largest process, and of all that there were at one time."""

    largest: float = 0
    together: float = 0

    def look(self, processes: Iterable[int]) -> None:
        """Take what these have had at most so far."""
        peaks = [peak(pid) for pid in processes]
        self.largest = max(self.largest, *peaks, 0)
        self.together = max(self.together, sum(peaks))


@dataclass
class Spent:
    """
    What a run took: seconds, and seconds of CPU and peaks of memory on both sides; `foreign`: others' share.

    `blind` is how long before the client's end its memory was looked at for the last time.
    """

    seconds: float = 0
    client_cpu: float = 0
    server_cpu: float = 0
    client: Memory = field(default_factory=Memory)
    server: Memory = field(default_factory=Memory)
    foreign: float = 0
    blind: float = 0

    @property
    def disturbed(self) -> bool:
        """Whether other programs used the machine meanwhile; a few ticks may be nothing but rounded up."""
        return self.foreign > FOREIGN and self.foreign * self.seconds * CORES > 3 * TICK


class Tree:
    """A process of ours, and all that it has started."""

    def __init__(self, words: Sequence[str], log: Path, *, bound: bool = False) -> None:
        """Start it; `bound`: it is killed when this process ends, however that may be."""
        self.words = words
        self.log = log
        setpriv = shutil.which("setpriv") if bound else None
        before = [setpriv, "--pdeathsig", "KILL"] if setpriv else []
        with log.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603  # the benchmark's own words
                [*before, *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=log.parent,
                start_new_session=True,
            )

    def processes(self) -> list[int]:
        """Give the numbers of those that run, the first one's first."""
        return with_children(self.process.pid)

    def cpu(self) -> float:
        """Give the seconds of CPU so far, those of children that have ended included."""
        return sum(map(cpu, self.processes()))

    def end(self, *signals: int) -> None:
        """End it and all that it has started."""
        for with_signal in signals or (signal.SIGTERM, signal.SIGKILL):
            with suppress(OSError):
                os.killpg(self.process.pid, with_signal)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(GRACE)

    def reap(self) -> float:
        """Wait for its end, which must be a good one; give the seconds of CPU that it and its children took."""
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        if self.process.returncode != 0:
            said = self.log.read_text(errors="replace")[-2000:]
            raise FailedError(f"{' '.join(self.words)}\nended with status {self.process.returncode}\n{said}")
        return usage.ru_utime + usage.ru_stime


def with_children(pid: int) -> list[int]:
    """Give `pid` and the numbers of all that it has started and that run."""
    found = [pid]
    for each in found:
        with suppress(OSError):
            for children in Path(f"/proc/{each}/task").glob("*/children"):
                found += map(int, children.read_text().split())
    return found


def end_strays() -> None:
    """Kill what this process has started and lost sight of: a signal may come while a process is started."""
    for pid in with_children(os.getpid())[:0:-1]:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


@contextmanager
def running(words: Sequence[str], log: Path, ready: Callable[[], bool]) -> Iterator[Tree]:
    """Run a server until the block ends; it is there once it is `ready`."""
    tree = Tree(words, log, bound=True)
    try:
        deadline = time.monotonic() + START
        while not ready():
            if tree.process.poll() is not None or time.monotonic() > deadline:
                raise FailedError(f"{' '.join(words)}\ndidn't start\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.01)
        yield tree
    finally:
        tree.end()


def spend(words: Sequence[str], log: Path, servers: Sequence[Tree] = (), once: Tree | None = None) -> Spent:
    """
    Run a client to its end, which must be a good one, and give what that took.

    `servers` go on; `once` is one for this transfer only, whose end is waited for as well.
    """
    spent = Spent()
    sides = [*servers, *([once] if once else [])]
    at_rest = {tree: tree.processes() for tree in servers}
    for tree in sides:
        for pid in tree.processes():
            forget_peak(pid)
    foreign, there = foreign_cpu(), sum(tree.cpu() for tree in sides)
    began = time.perf_counter()
    looked = began
    client = Tree(words, log)
    try:
        for _ in _until_ended(client):
            _look(spent.client, [client])
            looked = time.perf_counter()
            _look(spent.server, sides)
        spent.blind = time.perf_counter() - looked
        spent.client_cpu = client.reap()
    finally:
        client.end()
    if once:
        for _ in _until_ended(once):
            _look(spent.server, sides)
        spent.server_cpu += once.reap()
    spent.seconds = time.perf_counter() - began
    settle(at_rest)
    spent.server_cpu += sum(tree.cpu() for tree in servers) - there
    _look(spent.server, servers)
    spent.foreign = max(0.0, foreign_cpu() - foreign) / (time.perf_counter() - began) / CORES
    return spent


def _look(memory: Memory, trees: Iterable[Tree]) -> None:
    memory.look(pid for tree in trees for pid in tree.processes())


def _until_ended(tree: Tree) -> Iterator[None]:
    """Wait until it has ended, without reaping it; yield for a look now and then, more often at first."""
    deadline = time.monotonic() + PATIENCE
    pause = 0.002
    descriptor = os.pidfd_open(tree.process.pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while not poll.poll(pause * 1000):
            yield
            pause = min(pause * 2, SAMPLE)
            if time.monotonic() > deadline:
                raise FailedError(f"{' '.join(tree.words)}\ntook longer than {PATIENCE:.0f} s")
    finally:
        os.close(descriptor)


def settle(at_rest: dict[Tree, list[int]]) -> None:
    """Wait until the servers have ended what they had started for the transfer, so that it is counted."""
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline:
        if all(len(tree.processes()) <= len(before) for tree, before in at_rest.items()):
            return
        time.sleep(0.01)


def free_port() -> int:
    """Give a port of 127.0.0.1 that nobody has taken."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
