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
        self._ticks, self._stolen = self._count(), self._steal()

    def share(self) -> float:
        """Give it as a share of one core; of processes that ended meanwhile only what their parents were told."""
        ticks = sum(after - self._ticks.get(pid, 0) for pid, after in self._count().items())
        return (ticks + self._steal() - self._stolen) * TICK / (time.monotonic() - self._begun)

    def _count(self) -> dict[int, int]:
        ticks = {}
        for directory in Path("/proc").iterdir():
            if not directory.name.isdecimal() or int(directory.name) in self._ours:
                continue
            with suppress(OSError):
                name, _, rest = (directory / "stat").read_text().rpartition(")")
                if NETWORK not in name:
                    # utime, stime, and those of its children that ended: see proc(5).
                    ticks[int(directory.name)] = sum(map(int, rest.split()[11:15]))
        return ticks

    def _steal(self) -> int:
        return int(Path("/proc/stat").read_text().split(maxsplit=9)[8])
