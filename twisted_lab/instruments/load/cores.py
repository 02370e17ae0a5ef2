"""Which processor cores a server gets, and which the load: apart, so that neither waits for the other's."""

import os
from collections.abc import Sequence
from contextlib import suppress


def share(workers: int) -> tuple[list[int], list[int]]:
    """Give the cores of the server and those of the load: one for each worker, and one at least for the server."""
    available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(available) < 2:
        return available, available
    load = min(workers, len(available) - 1)
    return available[:-load], available[-load:]


def confine(pid: int, cores: Sequence[int]) -> None:
    """Let a process, and those that it starts from now on, run on these only, where the system can do that."""
    if cores and hasattr(os, "sched_setaffinity"):
        with suppress(ProcessLookupError):
            os.sched_setaffinity(pid, cores)
