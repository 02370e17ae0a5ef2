"""What a server takes of the machine: its threads, processes, memory and time on a processor."""

import time
from collections.abc import Callable, Sequence

import psutil

from twisted_lab.experiments.server import PATIENCE, Server


def threads(server: Server) -> int:
    """Give how many threads its process has."""
    return int(psutil.Process(server.pid).num_threads())


def children(server: Server) -> list[int]:
    """Give the processes that it has started and that run."""
    alive = [child for child in psutil.Process(server.pid).children() if child.status() != psutil.STATUS_ZOMBIE]
    return [child.pid for child in alive]


def memory(server: Server) -> int:
    """Give how many bytes of memory it has."""
    return int(psutil.Process(server.pid).memory_info().rss)


def cpu_shares(servers: Sequence[Server], seconds: float) -> list[float]:
    """Watch servers for so long; give what share of that time each was on a processor, 1.0 being one processor."""
    before, began = [_cpu_time(server) for server in servers], time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - began
    return [(_cpu_time(server) - then) / passed for server, then in zip(servers, before, strict=True)]


def settles(count: Callable[[Server], int], server: Server, at: int) -> bool:
    """Tell whether `count` of a server becomes `at`, within a server's patience: ends take a moment to be seen."""
    deadline = time.monotonic() + PATIENCE
    while count(server) != at:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _cpu_time(server: Server) -> float:
    spent = psutil.Process(server.pid).cpu_times()
    return float(spent.user + spent.system)
