"""Which cores a measurement may use, and how much of them others used meanwhile. Needs Linux."""

import os
import time
from contextlib import suppress
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")  # seconds that the kernel's counters count
#: Kernel threads that do the network's work when there is much of it: ours, then.
NETWORK = "(ksoftirqd/"


def two_cores() -> tuple[int, int]:
    """Give a core for the server and one for the load; the same twice if there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


def pin(command: list[str], core: int) -> list[str]:
    """Give a command that runs on that core, and is killed when this process ends, however that may be."""
    return ["taskset", "-c", str(core), "setpriv", "--pdeathsig", "KILL", *command]


class Others:
    """The CPU time that processes other than ours use, from now on, and what the machine below takes away."""

    def __init__(self, ours: set[int]) -> None:
        self._ours = {*ours, os.getpid()}
        self._begun = time.monotonic()
        self._ticks = self._count()

    def share(self) -> float:
        """Give it as a share of one core."""
        return max(0, self._count() - self._ticks) * TICK / (time.monotonic() - self._begun)

    def _count(self) -> int:
        # The time of a process that ends goes to its parent, so none is lost, and the sum only grows.
        ticks = int(Path("/proc/stat").read_text().split(maxsplit=9)[8])  # stolen
        for directory in Path("/proc").iterdir():
            if not directory.name.isdecimal() or int(directory.name) in self._ours:
                continue
            with suppress(OSError):
                name, _, rest = (directory / "stat").read_text().rpartition(")")
                if NETWORK not in name:
                    ticks += sum(map(int, rest.split()[11:15]))  # utime, stime and the children's: see proc(5)
        return ticks
