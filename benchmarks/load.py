"""
How much ``twisted-lab load`` can offer before it is the bottleneck itself, and what it costs to count.

Against an echo server in C: the highest rate at which the load doesn't say that it was late, in one process and in
two, on the default and on the eager reactor; and what the closed loop reaches, beside one in C, which is the limit.
Then what it takes to count one time: by HdrHistogram's own `record_value`, and as the load does it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.application.reactors import getReactorTypes

import report
from echo_servers import PATIENCE, Running, Server, WrongError, check, compile_c, serving
from processor import pin, two_cores
from rounds import show_progress
from twisted_lab.instruments.load.histogram import Times, make_histogram
from twisted_lab.instruments.load.slo import Search

LAB = [sys.executable, "-c", "from twisted_lab.cli.main import main; main()"]
REACTORS = ("default", "eager")
SIZE = 64
FIRST = 8000.0  # messages a second with which each search begins
COUNTED = 300_000  # times that are counted to see what one takes
WARMUP = 0.3
ATTEMPTS = 3  # of a step: other programs may have kept the load from being in time


def load(running: Running, options: Namespace, *words: str) -> dict[str, Any]:
    """Run ``twisted-lab load`` against the server, and give its result; pinned, if it is one process."""
    with tempfile.TemporaryDirectory() as runs:
        given = ["-c", str(options.connections), "-d", f"{options.seconds}s", "--warmup", f"{WARMUP}s", "--json"]
        target = f"127.0.0.1:{running.port}"
        command = [*LAB, "load", "echo", target, *given, "--timeout", "60s", "--runs", runs, *words]
        if "--workers" not in words:
            command = pin(command, two_cores()[1])
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE * 4, check=False)  # noqa: S603  # ours
    if done.returncode not in {0, 1, 2} or not done.stdout:
        raise WrongError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def highest(running: Running, options: Namespace, title: str, *words: str) -> dict[str, Any]:
    """Give what the load measured at the highest rate at which it passed, every message answered in time."""
    best: dict[str, Any] = {}
    search = Search(FIRST, options.seconds)
    for _ in range(options.steps):
        if search.rate is None:
            break
        held = False
        for _ in range(min(ATTEMPTS, options.steps)):
            show_progress(f"{title}: {search.rate:,.0f} messages/s")
            result = load(running, options, "-R", str(search.rate), *words)
            held = result["exit"] == 0 and result["rate"] > 0.99 * search.rate
            if held:
                best = result
                break
        search.held(held)
    show_progress("")
    return best


def closed(running: Running, options: Namespace, *words: str) -> dict[str, Any]:
    """Give what the closed loop measured; it is run again if nothing at all came back: the machine stood still."""
    for _ in range(ATTEMPTS):
        result = load(running, options, "--closed", *words)
        if result["rate"] > 0:
            break
    return result


def c_load(running: Running, options: Namespace, program: str) -> dict[str, Any]:
    """Give what the closed loop in C measures."""
    numbers = [running.port, running.pid, SIZE, options.connections, WARMUP, options.seconds]
    command = pin([program, *map(str, numbers)], two_cores()[1])
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE * 4, check=True)  # noqa: S603  # ours
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def counting() -> dict[str, float]:
    """Give what it takes to count a time, in nanoseconds, and to hand on a second's histogram, in microseconds."""
    values = [0.0001 + number % 1000 * 1e-6 for number in range(COUNTED)]
    histogram = make_histogram()
    began = time.perf_counter()
    for value in values:
        histogram.record_value(int(value * 1e6))
    theirs = time.perf_counter() - began
    times = Times()
    began = time.perf_counter()
    for value in values:
        times.record(value)
    ours = time.perf_counter() - began
    began = time.perf_counter()
    times.flush()
    flushed = time.perf_counter() - began
    return {"record_value": theirs / COUNTED * 1e9, "Times": ours / COUNTED * 1e9, "flush": flushed * 1e6}


def measure(options: Namespace) -> int:
    """Measure, print, and give the exit status."""
    found = report.facts("hdrhistogram", connections=options.connections, bytes=SIZE, seconds=options.seconds)
    report.show_facts(found)
    reactors = [name for name in REACTORS if name in {kind.shortName for kind in getReactorTypes()}]
    numbers: dict[str, Any] = {"open": {}, "closed": {}}
    with tempfile.TemporaryDirectory() as directory:
        server = Server("c", "C, epoll", [compile_c("echo", Path(directory))])
        program = compile_c("load", Path(directory))
        with serving([server], two_cores()[0]) as (running,):
            check(running)
            for reactor in reactors:
                for words in ((), ("--workers", "2")) if (os.cpu_count() or 1) > 1 else ((),):
                    name = f"{reactor}, {2 if words else 1} process{'es' if words else ''}"
                    numbers["open"][name] = highest(running, options, name, "--reactor", reactor, *words)
                    numbers["closed"][name] = closed(running, options, "--reactor", reactor, *words)
            numbers["C"] = c_load(running, options, program)
    numbers["counting"] = counting()
    show(numbers)
    return report.finish(options, found, numbers)


def show(numbers: dict[str, Any]) -> None:
    """Print the tables."""
    head = ["offered, messages/s", "highest rate", "latency p50, µs", "p99", "late p99, µs", "reactor p99", "busy"]
    rows = [head]
    for name, result in numbers["open"].items():
        if not result:
            rows.append([name, "none held", *[""] * 5])
            continue
        seconds = result["seconds"]
        micro = [seconds["latency"]["p50"], seconds["latency"]["p99"], seconds["lateness"]["p99"]]
        micro.append(seconds["loop_delay"]["p99"])
        cells = [f"{value * 1e6:,.0f}" for value in micro]
        rows.append([name, f"{result['plan']['rate']:,.0f}", *cells, f"{result['busy']:.0%}"])
    print(report.table(rows), end="\n\n")
    rows = [["closed loop", "messages/s", "of C's", "service p50, µs", "p99", "busy"]]
    limit = numbers["C"]["rate"]
    for name, result in numbers["closed"].items():
        service = result["seconds"]["service"]
        cells = [f"{service[each] * 1e6:,.0f}" for each in ("p50", "p99")]
        rows.append([name, f"{result['rate']:,.0f}", f"{result['rate'] / limit:.2f}", *cells, f"{result['busy']:.0%}"])
    theirs = numbers["C"]
    rows.append(
        ["C", f"{limit:,.0f}", "1.00", f"{theirs['p50']:,.0f}", f"{theirs['p99']:,.0f}", f"{theirs['busy']:.0%}"]
    )
    print(report.table(rows), end="\n\n")
    counted = numbers["counting"]
    print(
        f"to count a time: {counted['record_value']:.0f} ns by HdrHistogram, {counted['Times']:.0f} ns as the load does"
    )
    print(f"to hand on the histogram of {COUNTED:,} times: {counted['flush']:,.0f} µs")


def main() -> None:
    """Read the command line, and run."""
    parser: ArgumentParser = report.make_parser(__doc__)
    parser.add_argument("--connections", type=int, default=32, help="how many (default: 32)")
    parser.add_argument("--seconds", type=float, default=2.0, help="that each load counts (default: 2)")
    parser.add_argument("--steps", type=int, default=40, help="that a search may have at most (default: 40)")
    options = parser.parse_args()
    with suppress(KeyboardInterrupt):
        try:
            sys.exit(measure(options))
        except WrongError as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()
