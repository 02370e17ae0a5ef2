"""What a server takes of the machine: its threads, processes, memory and time on a processor."""

import time
from collections.abc import Callable, Sequence

from twisted_lab.experiments.errors import CannotRunError
from twisted_lab.experiments.server import PATIENCE, Server
from twisted_lab.instruments.usage import Usage, are_shown, processes_of


def look(server: Server) -> Usage:
    """Give what it uses, with all that it has started; `CannotRunError` if nobody can tell."""
    if not are_shown():
        raise CannotRunError("what /proc shows are the processes of another namespace")
    usage = Usage.of(server.pid)
    if not usage.processes:
        raise CannotRunError("a server has ended")
    return usage


def threads(server: Server) -> int:
    """Give how many threads it has."""
    return look(server).threads


def memory(server: Server) -> int:
    """Give how many bytes of memory it has."""
    return look(server).memory


def count_children(server: Server) -> int:
    """Give how many processes it has started that run."""
    return look(server).processes - 1


def children(server: Server) -> list[int]:
    """Give the numbers of the processes that it has started and that run."""
    look(server)  # whether they can be seen
    return [pid for pid in processes_of(server.pid) if pid != server.pid]


def cpu_shares(servers: Sequence[Server], seconds: float) -> list[float]:
    """
    Watch servers until the first has used so many seconds of processor time; give the share of a processor of each.

    A server that is kept from running uses none, however busy it would be: then they are all watched for longer.
    """
    before, began = [look(server).cpu for server in servers], time.monotonic()
    while look(servers[0]).cpu - before[0] < seconds and time.monotonic() - began < PATIENCE:
        time.sleep(0.05)
    passed = time.monotonic() - began
    return [(look(server).cpu - then) / passed for server, then in zip(servers, before, strict=True)]


def settles(count: Callable[[Server], int], server: Server, at: int) -> bool:
    """Tell whether `count` of a server becomes `at`, within a server's patience: ends take a moment to be seen."""
    deadline = time.monotonic() + PATIENCE
    while count(server) != at:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
