"""Which processor cores a server gets, and which the load: apart, so that neither waits for the other's."""

from collections.abc import Sequence
from contextlib import suppress

import psutil


def share(workers: int) -> tuple[list[int], list[int]]:
    """Give the cores of the server and those of the load: one for each worker, and one at least for the server."""
    process = psutil.Process()
    available = process.cpu_affinity() if hasattr(process, "cpu_affinity") else []
    if len(available) < 2:
        return available, available
    load = min(workers, len(available) - 1)
    return available[:-load], available[-load:]


def confine(pid: int, cores: Sequence[int]) -> None:
    """Let a process, and those that it starts from now on, run on these only, where the system can do that."""
    process = psutil.Process(pid)
    if cores and hasattr(process, "cpu_affinity"):
        with suppress(psutil.Error):
            process.cpu_affinity([*cores])
