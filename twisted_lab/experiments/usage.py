"""What a server takes of the machine: its threads, processes, memory and time on a processor."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from twisted_lab.experiments.errors import CannotRunError
from twisted_lab.experiments.server import PATIENCE, Server


def threads(server: Server) -> int:
    """Give how many threads its process has."""
    return int(_process(server).num_threads())


def children(server: Server) -> list[int]:
    """Give the processes that it has started and that run."""
    alive = [child for child in _process(server).children() if child.status() != psutil.STATUS_ZOMBIE]
    return [child.pid for child in alive]


def memory(server: Server) -> int:
    """Give how many bytes of memory it has."""
    return int(_process(server).memory_info().rss)


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
    spent = _process(server).cpu_times()
    return float(spent.user + spent.system)


def _process(server: Server) -> psutil.Process:
    if sys.platform == "linux" and Path("/proc/self").readlink().name != str(os.getpid()):
        raise CannotRunError("what /proc shows are the processes of another namespace")
    return psutil.Process(server.pid)
