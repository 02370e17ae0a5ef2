"""What /proc tells of processes and ports. Needs Linux."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MIB = 2**20
TICK = 1 / os.sysconf("SC_CLK_TCK")  # seconds that the kernel's counters count
KERNEL = 2  # the process that the kernel's own threads descend from
LISTENING = "0A"  # a socket's state in /proc/net/tcp


def peak(pid: int) -> float:
    """Give a process's peak of memory in MiB; 0 if it is gone."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / MIB
    return 0


def forget_peak(pid: int) -> None:
    """Count a process's peak anew from here."""
    with suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def cpu(pid: int) -> float:
    """Give a process's seconds of CPU, those of its children that have ended included; 0 if it is gone."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) * TICK
    return 0


def foreign_cpu() -> float:
    """
    Give the seconds of CPU of all processes but this one and those it has started, and what the host has taken away.

    What the kernel's own threads do isn't foreign: the network's work is theirs when there is much of it, and a disk's.
    """
    with Path("/proc/stat").open() as file:
        ticks = int(file.readline().split()[8])  # stolen
    parents, spent = {}, {}
    for directory in Path("/proc").iterdir():
        if directory.name.isdecimal():
            with suppress(OSError):
                fields = (directory / "stat").read_text().rpartition(")")[2].split()
                parents[int(directory.name)] = int(fields[1])
                spent[int(directory.name)] = sum(map(int, fields[11:15]))
    # Those that ended went to their parents, so none is lost.
    return TICK * (ticks + sum(spent[pid] for pid in spent if not {os.getpid(), KERNEL} & set(_line(pid, parents))))


def _line(pid: int, parents: dict[int, int]) -> Iterator[int]:
    """Give a process and those that it descends from."""
    while pid:
        yield pid
        pid = parents.get(pid, 0)


def has_open(pid: int, directory: Path) -> bool:
    """Whether a process has something open that is in a directory; not if that isn't ours to know."""
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if directory.resolve() in link.readlink().parents:
                    return True
    return False


def listens(port: int) -> bool:
    """Whether somebody listens on the port; that is seen without connecting, for some take one connection only."""
    wanted = f":{port:04X}"
    for name in "tcp", "tcp6":
        with suppress(OSError):
            for line in Path(f"/proc/net/{name}").read_text().splitlines():
                fields = line.split()
                if fields[1].endswith(wanted) and fields[3] == LISTENING:
                    return True
    return False
