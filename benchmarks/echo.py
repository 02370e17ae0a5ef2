"""
How many messages a second an echo server answers, how soon, at what cost: ours, stock Twisted, and what else there is.

A load generator in C keeps one message outstanding on each connection and checks every byte that comes back. The
server has one core and the load the other. In a round all servers run, and each point is measured with one server
after the other, in an order of its own; a ratio is the median of the rounds' ratios.
"""

import argparse
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import report
from echo_samples import Load, Point, Sample, as_numbers, memory
from echo_servers import Server, WrongError, check, compile_c, find_servers, serving
from processor import two_cores

POINTS = [Point(64, 1), Point(64, 32), Point(64, 512), Point(1024, 32), Point(16384, 32)]
JUDGED = [Point(64, 32), Point(64, 512), Point(1024, 32)]
SMALL = [Point(64, 4), Point(16384, 2)]
IDLE = 10_000  # connections that wait while memory is measured
OURS = "ours-eager"
#: What ours must be at least, as a multiple of another's rate.
FASTER = {"stock": 2, "uvloop": 0.97, "asyncio": 1, "go": 1, "node": 1}
CPU = 1.2  # what ours may take at most of CPU a message, as a multiple of C's
#: Programs that nothing works without, and Debian's packages that have them.
NEEDED = {"cc": "gcc", "taskset": "util-linux", "setpriv": "util-linux"}

#: Gives a server's numbers at a point, by its key.
Numbers = Callable[[str, Point], list[float]]


class Results:
    """All samples, by point and server."""

    def __init__(self, servers: list[Server], points: list[Point]) -> None:
        self.names = {server.key: server.name for server in servers}
        self.points = points
        self.samples: list[Sample] = []
        self.bytes_a_connection: dict[str, float] = {}

    def values(self, key: str, point: Point, of: Callable[[Sample], float]) -> list[float]:
        """Give one number of a server's samples at a point, in the rounds' order."""
        return [of(sample) for sample in self.samples if (sample.server, sample.point) == (key, str(point))]

    def rates(self, key: str, point: Point) -> list[float]:
        """Give a server's rates at a point."""
        return self.values(key, point, lambda sample: sample.rate)

    def costs(self, key: str, point: Point) -> list[float]:
        """Give what a server takes of CPU a message, in µs, at a point."""
        return self.values(key, point, lambda sample: sample.server_cpu)

    def tables(self) -> Iterator[str]:
        """Give a table for each point, then one of memory."""
        head = ["messages/s (range)", "of C's", "of stock's", "of uvloop's", "p50, µs", "p99", "p99.9", "CPU, µs each"]
        for point in self.points:
            title = f"{point.size} B, {point.connections} connection{'s' * (point.connections > 1)}"
            rows = [[title, *head, "of C's", "load busy"]]
            rows += [[name, *self._cells(key, point)] for key, name in self.names.items()]
            yield report.table(rows)
        if self.bytes_a_connection:
            rows = [["memory of an idle connection", "KiB"]]
            rows += [[self.names[key], f"{size / 1024:.1f}"] for key, size in self.bytes_a_connection.items()]
            yield report.table(rows)

    def _cells(self, key: str, point: Point) -> Iterator[str]:
        rates, costs = self.rates(key, point), self.costs(key, point)
        yield report.spread(rates, 0)
        for other in "c", "stock", "uvloop":
            yield f"{report.median_ratio(rates, self.rates(other, point)):.2f}" if other in self.names else ""
        for of in (lambda sample: sample.p50), (lambda sample: sample.p99), (lambda sample: sample.p999):
            yield f"{median(self.values(key, point, of)):,.0f}"
        yield report.spread(costs)
        yield f"{report.median_ratio(costs, self.costs('c', point)):.2f}" if "c" in self.names else ""
        yield f"{median(self.values(key, point, lambda sample: sample.busy)):.0%}"

    def bars(self) -> Iterator[report.Bar]:
        """Give each bar and whether it is met, or None if it couldn't be judged."""
        for point in JUDGED:
            for other, least in FASTER.items():
                text = f"{point}: {OURS} at least {least} times {other}'s rate"
                yield self._bar(text, self.rates, other, point, lambda ratio, least=least: ratio >= least)
            text = f"{point}: {OURS} at most {CPU} times c's CPU a message"
            yield self._bar(text, self.costs, "c", point, lambda ratio: ratio <= CPU)

    def _bar(self, text: str, numbers: Numbers, other: str, point: Point, good: Callable[[float], bool]) -> report.Bar:
        ours, theirs = numbers(OURS, point), numbers(other, point)
        if not (ours and theirs):
            return text, None
        ratio = report.median_ratio(ours, theirs)
        return f"{text}: {ratio:.2f}", good(ratio)


def measure(results: Results, servers: list[Server], load: Load, rounds: int, core: int) -> None:
    """Run all rounds."""
    for number in range(rounds):
        report_progress(f"round {number + 1} of {rounds}")
        with serving(servers, core) as running:
            for one in running:
                check(one)
            ours = {one.pid for one in running}
            for point in results.points:
                for one in random.sample(running, len(running)):
                    results.samples.append(load.sample(one, ours, point))
    report_progress("")


def measure_memory(results: Results, servers: list[Server], count: int, core: int) -> None:
    """Have that many connections wait at each server, one server after the other."""
    for server in servers:
        report_progress(f"memory of {server.name}")
        with serving([server], core) as (one,):
            results.bytes_a_connection[server.key] = memory(one, count)
    report_progress("")


def report_progress(text: str) -> None:
    """Say on a terminal what is being done, in a line that the next one replaces."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def raise_descriptors(wanted: int) -> int:
    """Let this process, and the servers, have many files open; give how many connections that allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(wanted, hard - 200) if hard != resource.RLIM_INFINITY else wanted


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = report.make_parser(__doc__, "Takes about ten minutes, most of it at both cores' full speed.")
    parser.add_argument("--servers", type=lambda text: text.split(","), metavar="A,B", help="only these")
    parser.add_argument("--points", type=points, metavar="SxN,SxN", help="bytes a message x connections")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each is measured (default: 5)")
    parser.add_argument("--seconds", type=float, metavar="S", help="how long a sample takes (default: 0.8)")
    parser.add_argument("--scale", choices=["full", "small"], default="full", help="small: for a try; no bar is judged")
    options = parser.parse_args()
    full = options.scale == "full"
    options.points = options.points or (POINTS if full else SMALL)
    options.rounds = (5 if full else 1) if options.rounds is None else options.rounds
    options.seconds = (0.8 if full else 0.05) if options.seconds is None else options.seconds
    if options.rounds < 1 or not 0 < options.seconds <= 60:
        parser.error("--rounds must be at least 1, --seconds more than 0 and at most 60")
    if not sys.platform.startswith("linux"):
        parser.error("this benchmark needs Linux: epoll, and what /proc says of CPU time")
    return options


def points(text: str) -> list[Point]:
    """Read points, as in 64x32,1024x1."""
    try:
        read = [Point(*map(int, word.split("x"))) for word in text.split(",")]
    except (TypeError, ValueError):
        raise argparse.ArgumentTypeError(f"{text} isn't like 64x32,1024x1") from None
    if not all(1 <= point.size <= 2**20 and 1 <= point.connections <= IDLE for point in read):
        raise argparse.ArgumentTypeError(f"a message has 1 to {2**20} bytes, and there are 1 to {IDLE} connections")
    return read


def run(options: argparse.Namespace, work: Path) -> int:
    """Measure, print, and give the exit status."""
    core, other = two_cores()
    idle = raise_descriptors(IDLE if options.scale == "full" else 50)
    every = find_servers(work)
    wanted = options.servers or [server.key for server in every]
    if unknown := set(wanted) - {server.key for server in every}:
        known = ", ".join(server.key for server in every)
        sys.exit(f"echo.py: there is no server {', '.join(sorted(unknown))}; there are {known}")
    absent = [report.missing(server.name, server.get) for server in every if server.key in wanted and server.get]
    servers = [server for server in every if server.key in wanted and not server.get]
    found = report.facts(
        "uvloop", "rloop", rounds=options.rounds, seconds=options.seconds, scale=options.scale, idle=idle
    )
    report.show_facts(found)
    results = Results(servers, options.points)
    samples = len(servers) * len(options.points) * options.rounds
    load = Load(compile_c("load", work), other, options.seconds * 0.3, options.seconds, spare=samples // 5)
    measure(results, servers, load, options.rounds, core)
    measure_memory(results, servers, idle, core)
    print(*results.tables(), sep="\n\n", end="\n\n")
    print(
        f"{load.dropped} of {samples} samples taken again, since others used the CPU; {load.disturbed} such were kept."
    )
    if core == other:
        print("There is one core only: the servers shared it with the load.")
    if options.plot:
        rates = {
            f"{point.size} B, {point.connections} connections": {
                server.name: results.rates(server.key, point) for server in servers
            }
            for point in options.points
        }
        report.plot(options.plot, "Echo", "messages/s", rates)
    numbers: dict[str, Any] = {
        "samples": as_numbers(results.samples),
        "bytes_a_connection": results.bytes_a_connection,
        "dropped": load.dropped,
        "disturbed": load.disturbed,
    }
    return report.finish(options, found, numbers, results.bars() if options.scale == "full" else [], absent)


def main() -> int:
    """Do it, in a directory that goes when it is done, and end all servers whatever ends this."""
    options = parse()
    if lacking := [package for program, package in NEEDED.items() if not shutil.which(program)]:
        absent = [report.missing("every server", f"apt-get install {lacking[0]}")]
        report.finish(options, report.facts(), {"samples": [], "bytes_a_connection": {}}, [], absent)
        return int(options.scale == "full")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory() as work:
            return run(options, Path(work))
    except subprocess.CalledProcessError as error:
        sys.exit(f"echo.py: {error.cmd[0]} failed, as it says above")
    except WrongError as error:
        sys.exit(f"echo.py: {error}")
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
