"""How much memory, and time, a directory of very many entries takes: whole commands, as a user types them."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import report
from children import START

#: MiB that either side may have in memory at most, whatever the number of entries.
BAR = 96
MIB = 2**20
COMMAND = [sys.executable, "-c", "from twisted_lab.cli.filexfer.main import main; main()"]
TWISTD = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", "-n", "--pidfile="]


def make_tree(top: Path, count: int) -> None:
    """Make files of a few bytes, 99 to a directory."""
    for number in range(count // 100):
        directory = top / f"directory-{number:05}"
        directory.mkdir()
        for inner in range(99):
            (directory / f"file-{inner:02}").write_bytes(b"%d" % number * 40)


def make_flat(top: Path, count: int) -> None:
    """Make files of a few bytes, all in one directory."""
    for number in range(count):
        (top / f"file-{number:06}").write_bytes(b"%d" % number)


def make_empty(top: Path, count: int) -> None:
    """Make empty directories, all in one."""
    for number in range(count):
        (top / f"directory-{number:06}").mkdir()


KINDS: dict[str, Callable[[Path, int], None]] = {
    "files, 99 to a directory": make_tree,
    "files in one directory": make_flat,
    "empty directories": make_empty,
}


@contextmanager
def serving(root: Path, log: Path) -> Iterator[tuple[str, int]]:
    """Run the service; give its endpoint and process."""
    command = [*TWISTD, "filexfer", "--root", str(root), "--listen", "tcp:0:interface=127.0.0.1"]
    with (
        log.open("w") as output,
        subprocess.Popen(command, stdout=output, stderr=output, cwd=log.parent) as process,  # noqa: S603  # our own
    ):
        try:
            deadline = time.monotonic() + START
            while (match := re.search(r" listens on 127\.0\.0\.1:(\d+)\n", log.read_text())) is None:
                if process.poll() is not None or time.monotonic() > deadline:
                    sys.exit(log.read_text())
                time.sleep(0.05)
            yield f"tcp:127.0.0.1:{match[1]}", process.pid
        finally:
            process.terminate()


def run(*words: str) -> dict[str, Any]:
    """Run a command to its end; give its seconds, and its peak of memory in MiB."""
    began = time.monotonic()
    process = subprocess.Popen([*COMMAND, *words, "-q"], stdin=subprocess.DEVNULL)  # noqa: S603  # our own program
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"filexfer {words[0]} ended with status {process.returncode}")
    return {"seconds": time.monotonic() - began, "client_mib": usage.ru_maxrss * 1024 / MIB}


def peak(pid: int) -> float:
    """Give a process's peak of memory in MiB."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024 / MIB


def measure(count: int, *, with_get: bool) -> list[dict[str, Any]]:
    """Put each kind, then sync it again with nothing to do, then get it; give a row for each."""
    rows = []
    for kind, make in KINDS.items():
        with tempfile.TemporaryDirectory() as directory:
            top = Path(directory)
            source, served, back = top / "source", top / "served", top / "back"
            for made in (source, served):
                made.mkdir()
            make(source, count)
            with serving(served, top / "log") as (endpoint, pid):
                here, there, connect = str(source), ":tree", ("--connect", endpoint)
                operations = {"put": ("put", "-r", here, there), "sync": ("sync", here, there)}
                if with_get:
                    operations["get"] = ("get", "-r", there, str(back))
                for name, words in operations.items():
                    row = {"kind": kind, "operation": name, **run(*words, *connect), "server_mib": peak(pid)}
                    rows.append(row)
                    print(
                        f"{count:,} {kind}: {name} {row['seconds']:.1f} s, "
                        f"client {row['client_mib']:.0f} MiB, server {row['server_mib']:.0f} MiB",
                        flush=True,
                    )
    return rows


def main() -> int:
    """Measure, judge the memory, and give the exit status."""
    parser = report.make_parser(__doc__, "Takes several minutes.")
    parser.add_argument("--count", type=int, default=100_000, help="entries of each directory (default: 100000)")
    parser.add_argument("--get", action="store_true", help="get them back too; takes several minutes more")
    options = parser.parse_args()
    found = report.facts(count=options.count)
    report.show_facts(found)
    rows = measure(options.count, with_get=options.get)
    if options.plot:
        panels: dict[str, dict[str, list[float]]] = {}
        for row in rows:
            sides = {f"{row['operation']}, {side}": [row[f"{side}_mib"]] for side in ("client", "server")}
            panels.setdefault(f"{options.count:,} {row['kind']}", {}).update(sides)
        report.plot(options.plot, "Peaks of memory", "peak, MiB", panels)
    met = all(max(row["client_mib"], row["server_mib"]) <= BAR for row in rows)
    return report.finish(options, found, {"rows": rows}, [(f"at most {BAR} MiB on either side", met)])


if __name__ == "__main__":
    sys.exit(main())
