"""
What a proxy costs that changes nothing: the fault proxy without faults, beside portforward, socat and HAProxy.

Two things are measured: one stream, in MB/s, and messages of 64 bytes that come back from an echo in C over 32
connections, in round trips a second. A proxy has one core, and both ends have the other. In a round each is measured
with one proxy after the other, in an order of its own; a ratio is the median of the rounds' ratios.
"""

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import report
from children import free_port, with_children
from echo_samples import QUIET, TRIES, Load, Point
from echo_servers import Running, Server, WrongError, check, compile_c, serving
from proc import cpu, foreign_cpu
from processor import pin, two_cores
from proxies import SOURCES, find_proxies, wait_for
from rounds import show_progress

POINT = Point(64, 32)
OURS = ["ours", "ours-eager"]
#: What the better of ours must be at least, as a multiple of another's, in both.
BARS = {"portforward": 1.5, "socat": 1.0}
NEEDED = {"cc": "gcc", "taskset": "util-linux", "setpriv": "util-linux"}
PATIENCE = 120.0  # seconds that a stream may take

#: The numbers of the rounds, by proxy.
Numbers = dict[str, list[float]]
#: Gives a number for a proxy that runs; the processes of all are given, too.
Measurement = Callable[[Running, set[int]], float]


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = report.make_parser(__doc__, "Takes about two minutes, most of it at both cores' full speed.")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each is measured (default: 5)")
    parser.add_argument("--seconds", type=float, metavar="S", help="how long the round trips take (default: 0.8)")
    parser.add_argument("--size", type=int, metavar="MIB", help="how much is streamed, at least 16 (default: 1024)")
    parser.add_argument("--scale", choices=["full", "small"], default="full", help="small: for a try; no bar is judged")
    options = parser.parse_args()
    full = options.scale == "full"
    options.rounds = (5 if full else 1) if options.rounds is None else options.rounds
    options.seconds = (0.8 if full else 0.05) if options.seconds is None else options.seconds
    options.size = (1024 if full else 16) if options.size is None else options.size
    if options.rounds < 1 or not 0 < options.seconds <= 60 or options.size < 16:
        parser.error("--rounds must be at least 1, --seconds more than 0 and at most 60, --size at least 16")
    if not sys.platform.startswith("linux"):
        parser.error("this benchmark needs Linux")
    return options


@dataclass
class Streams:
    """Streams of `size` MiB to the port `there`, both ends on one core; `costs`: CPU that a proxy took, in ms a GB."""

    there: int
    size: int
    core: int
    costs: Numbers = field(default_factory=dict)

    def run(self, running: Running, _: set[int]) -> float:
        """Give how many MB/s a proxy lets pass: of some tries, the first while others left the CPU alone."""
        tried = [self._once(running)]
        while tried[-1][2] > QUIET and len(tried) < TRIES:
            tried.append(self._once(running))
        rate, cost, _others = min(tried, key=lambda once: once[2])
        self.costs.setdefault(running.server.key, []).append(cost)
        return rate

    def _once(self, running: Running) -> tuple[float, float, float]:
        """Give MB/s, the proxy's ms a GB, and the share of a core that others used."""
        words = [sys.executable, str(SOURCES / "stream.py"), str(running.port), str(self.there), str(self.size)]
        before, others, begin = self._cpu(running), foreign_cpu(), time.perf_counter()
        done = subprocess.run(pin(words, self.core), capture_output=True, text=True, timeout=PATIENCE, check=False)  # noqa: S603  # ours
        if done.returncode != 0:
            raise WrongError(f"{running.server.name}: {done.stderr.strip()}")
        others = (foreign_cpu() - others) / (time.perf_counter() - begin)
        gigabytes = self.size * 2**20 / 1e9
        return gigabytes * 1000 / float(done.stdout), (self._cpu(running) - before) * 1000 / gigabytes, others

    def _cpu(self, running: Running) -> float:
        """Give the proxy's seconds of CPU, of all its processes."""
        return sum(map(cpu, with_children(running.pid)))


def measure(proxies: list[Server], options: argparse.Namespace, one: Measurement, title: str) -> Numbers:
    """Run all rounds of one measurement."""
    numbers: Numbers = {proxy.key: [] for proxy in proxies}
    with serving(proxies, two_cores()[0]) as running:
        for each in running:
            wait_for(each)
        for number in range(options.rounds):
            for each in random.sample(running, len(running)):
                show_progress(f"{title}: round {number + 1} of {options.rounds}, {each.server.key}")
                numbers[each.server.key].append(one(each, {other.pid for other in running}))
    show_progress("")
    return numbers


def table(title: str, unit: str, numbers: Numbers, names: dict[str, str], costs: Numbers) -> str:
    """Lay out the numbers, what they are as multiples of others', and what they cost, if that is known."""
    rows = [[title, f"{unit} (range)", *(f"of {other}'s" for other in BARS), *(["CPU, ms a GB"] if costs else [])]]
    for key, values in numbers.items():
        ratios = [f"{report.median_ratio(values, numbers[other]):.2f}" if numbers.get(other) else "" for other in BARS]
        cost = [report.spread(costs[key], 0)] if costs else []
        rows.append([names[key], report.spread(values, 0), *ratios, *cost])
    return report.table(rows)


def bars(title: str, numbers: Numbers) -> Iterator[report.Bar]:
    """Give each bar, of the better of ours, and whether it is met."""
    best = max(OURS, key=lambda key: median(numbers[key]))
    for other, least in BARS.items():
        text = f"{title}: {best} at least {least} times {other}'s"
        if numbers.get(other):
            ratio = report.median_ratio(numbers[best], numbers[other])
            yield f"{text}: {ratio:.2f}", ratio >= least
        else:
            yield text, None


def run(options: argparse.Namespace, work: Path) -> int:
    """Measure, print, and give the exit status."""
    core, other = two_cores()
    load = Load(compile_c("load", work), other, options.seconds * 0.3, options.seconds, spare=20)
    found = report.facts(rounds=options.rounds, seconds=options.seconds, size=options.size, scale=options.scale)
    report.show_facts(found)
    there = free_port()
    streaming = Streams(there, options.size, other)
    every = find_proxies(there)
    absent = [report.missing(proxy.name, proxy.get) for proxy in every if proxy.get]
    names = {proxy.key: proxy.name for proxy in every}
    streams = measure(
        [proxy for proxy in every if not proxy.get],
        options,
        streaming.run,
        "stream",
    )
    with ExitStack() as stack:
        (echo,) = stack.enter_context(serving([Server("c", "C, epoll", [compile_c("echo", work)])], other))

        def talk(running: Running, ours: set[int]) -> float:
            return load.sample(running, {*ours, echo.pid}, POINT).rate

        proxies = [proxy for proxy in find_proxies(echo.port) if not proxy.get]
        with serving(proxies, core) as running:
            for each in running:
                wait_for(each)
                check(each)
        trips = measure(proxies, options, talk, "round trips")
    titles = {"one stream": ("MB/s", streams), f"round trips, {POINT}": ("a second", trips)}
    for title, (unit, numbers) in titles.items():
        print(table(title, unit, numbers, names, streaming.costs if numbers is streams else {}), end="\n\n")
    print(f"{load.dropped} samples taken again, since others used the CPU; {load.disturbed} such were kept.")
    if options.plot:
        panels = {title: {names[key]: values for key, values in what[1].items()} for title, what in titles.items()}
        report.plot(options.plot, "Proxies", "MB/s; round trips a second", panels)
    judged = [bar for title, what in titles.items() for bar in bars(title, what[1])]
    return report.finish(
        options,
        found,
        {"streams": streams, "costs": streaming.costs, "trips": trips},
        judged if options.scale == "full" else [],
        absent,
    )


def main() -> int:
    """Do it, in a directory that goes when it is done, and end all proxies whatever ends this."""
    options = parse()
    if lacking := [package for program, package in NEEDED.items() if not shutil.which(program)]:
        absent = [report.missing("every proxy", f"apt-get install {lacking[0]}")]
        report.finish(options, report.facts(), {"streams": {}, "trips": {}}, [], absent)
        return int(options.scale == "full")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory() as work:
            return run(options, Path(work))
    except WrongError as error:
        sys.exit(f"proxy.py: {error}")
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
