"""What a server's processes use: all that it has started, too."""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Usage:
    """
    What a process and those it has started have used so far, or have now.

    `cpu`: seconds of processor time; `memory`: bytes that are theirs alone, or where only root is told that, all that
    they have; `switches`: context switches, of the threads that still run, where there is /proc. A process that has
    ended counts by its processor time alone, until its parent has waited for it.
    """

    cpu: float
    memory: int
    processes: int
    threads: int
    switches: int

    @classmethod
    def of(cls, pid: int) -> "Usage":
        """Look at them now; what is gone meanwhile isn't there."""
        cpu, memory, processes, threads, switches = 0.0, 0, 0, 0, 0
        for process in _tree(pid):
            with suppress(psutil.Error), process.oneshot():
                times = process.cpu_times()
                # The kernel counts these in ticks of 10 ms, of which many processes may each have just none.
                cpu += max(times.user + times.system, _on_cpu(process.pid))
                # Those of children that have ended and were waited for.
                cpu += getattr(times, "children_user", 0) + getattr(times, "children_system", 0)
                if process.status() != psutil.STATUS_ZOMBIE:
                    memory += _memory(process)
                    switches += _switches(process.pid)
                    threads += process.num_threads()
                    processes += 1
        return cls(cpu, memory, processes, threads, switches)


def are_shown() -> bool:
    """Tell whether processes can be looked at: what /proc shows may be those of another namespace."""
    if sys.platform != "linux":
        return True
    with suppress(OSError):
        return Path("/proc/self").readlink().name == str(os.getpid())
    return False


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().uss)
    except psutil.AccessDenied:
        return int(process.memory_info().rss)


def _on_cpu(pid: int) -> float:
    """Give the seconds that its threads, those that still run, were on a processor; 0 where nobody counts that."""
    nanoseconds = 0
    for counted in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError, IndexError):
            nanoseconds += int(counted.read_text().split()[0])
    return nanoseconds / 1e9


def _switches(pid: int) -> int:
    """Give those of all threads; psutil gives the first one's."""
    counted = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        with suppress(OSError):  # the thread is gone
            counted += sum(int(line.split()[1]) for line in status.read_text().splitlines() if "_ctxt_switches" in line)
    return counted


def processes_of(pid: int) -> list[int]:
    """Give the numbers of a process and of those it has started, as far as they run."""
    running = []
    for process in _tree(pid):
        with suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE:
                running.append(process.pid)
    return running


def _tree(pid: int) -> Iterator[psutil.Process]:
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        yield process
        yield from process.children(recursive=True)
