"""``twisted-lab load``: messages at a constant rate, and what became of them."""

import argparse
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted_lab.cli.load_report import Progress, show_measurement
from twisted_lab.cli.measuring import WORKER, keep_line, keeping, make_directory, print_json
from twisted_lab.cli.session import run_in_reactor, stop
from twisted_lab.instruments.circumstances import circumstances
from twisted_lab.instruments.load.crew import Crew, WorkerFailedError
from twisted_lab.instruments.load.interval import Interval
from twisted_lab.instruments.load.measurement import FAIL, PASS, UNKNOWN, Measurement
from twisted_lab.instruments.load.plan import Plan
from twisted_lab.instruments.load.saved import LINES, save, show_interval
from twisted_lab.instruments.load.slo import Bound, Search
from twisted_lab.instruments.run_directory import RunDirectory

#: Messages a second that are offered if nothing is said, and with which a search begins.
RATE = 1000.0
#: Times that a step of a search is tried, for the machine may have been busy with something else.
ATTEMPTS = 3


def run(arguments: argparse.Namespace) -> int:
    """Run a load, or search by many; give 0, 1 if a reply was wrong or the bound doesn't hold, 2 if nobody knows."""
    sys.path.insert(0, "")  # module:attribute may be here, as for twistd
    plan = _plan(arguments)
    bound: Bound | None = arguments.slo
    directory = make_directory(arguments.runs, f"load-{plan.specimen.replace(':', '.')}")
    with keeping(directory):
        (directory.path / LINES).touch()
    one = _Runs(plan, arguments.json, directory)
    if bound is None:
        return run_in_reactor(one.measure_once)
    return run_in_reactor(lambda reactor: one.search(reactor, bound))


class _Runs:
    """What one command runs: a load, or one after another."""

    def __init__(self, plan: Plan, as_json: bool, directory: RunDirectory) -> None:  # noqa: FBT001
        self._plan = plan
        self._json = as_json
        self._directory = directory
        self._progress = Progress(plan)
        self._rate = plan.rate
        self._begun = False

    async def measure_once(self, reactor: Any) -> int:
        """Run it, show it and keep it."""
        began = time.time()
        measurement = await self._measure(reactor, self._plan)
        self._progress.clear()
        if self._json:
            print_json({"event": "result", "run": str(self._directory.path), **measurement.as_json()})
        else:
            sys.stdout.write(show_measurement(measurement))
        with keeping(self._directory):
            save(self._directory, measurement, began, sys.argv)
        if not self._json:
            sys.stdout.write(f"\nThe run is kept in {self._directory.path}\n")
        return self._end(*measurement.verdict)

    async def search(self, reactor: Any, bound: Bound) -> int:
        """Search the highest rate at which the bound holds."""
        search = Search(self._plan.rate or RATE, self._plan.duration)
        steps: list[tuple[Measurement, bool | None]] = []
        # An overloaded server may take long for the rest, and by then it is known that the bound doesn't hold.
        plan = replace(self._plan, timeout=min(self._plan.timeout, max(1.0, 2 * bound.seconds)))
        limit = ""  # why the load itself couldn't go higher
        while search.rate is not None:
            self._rate = search.rate
            for _ in range(ATTEMPTS):
                measurement = await self._measure(reactor, plan.at_rate(search.rate))
                status, sentence = measurement.verdict
                if status != UNKNOWN:
                    break
            if measurement.failure is not None:
                steps.append((measurement, False))
                break
            limit = sentence if status == UNKNOWN else limit
            held = None if status == UNKNOWN else status == PASS and _within(measurement, bound)
            steps.append((measurement, held))
            self._show_step(measurement, bound, held)
            search.held(held is True)
        status, sentence = _judge(search, bound, steps, limit)
        self._progress.clear()
        result = {"rate": search.best, "exit": status, "verdict": sentence}
        if self._json:
            print_json({"event": "result", **result, "run": str(self._directory.path)})
        elif status == PASS:
            sys.stdout.write(f"{sentence}\n")
        kept = {
            "kind": "slo",
            "command": sys.argv,
            "plan": plan.as_json(),
            "bound": {"percent": bound.percent, "seconds": bound.seconds},
            **result,
            "steps": [{"held": held, **measurement.as_json()} for measurement, held in steps],
            "circumstances": circumstances(),
        }
        with keeping(self._directory):
            self._directory.finish(kept)
        if not self._json:
            sys.stdout.write(f"\nThe steps are kept in {self._directory.path}\n")
        return self._end(status, sentence)

    async def _measure(self, reactor: Any, plan: Plan) -> Measurement:
        self._progress.begin(plan)
        crew = Crew(reactor, WORKER, plan, time.monotonic, self._take)
        try:
            return await crew.run()
        except WorkerFailedError as error:
            self._progress.clear()
            if not self._begun:
                self._directory.discard()
            stop(error.status, str(error))

    def _take(self, interval: Interval) -> None:
        self._begun = True
        shown = show_interval(interval, self._rate)
        keep_line(self._directory, LINES, shown)
        if self._json:
            print_json(shown)
        self._progress.show(interval, shown)

    def _show_step(self, measurement: Measurement, bound: Bound, held: bool | None) -> None:  # noqa: FBT001
        self._progress.clear()
        seconds = measurement.percentile("latency", bound.percent)
        if self._json:
            step = {"rate": measurement.plan.rate, "answered": measurement.rate, "seconds": seconds, "held": held}
            print_json({"event": "step", **step})
        else:
            unknown = f"not known: {measurement.verdict[1]}"
            verdict = unknown if held is None else "holds" if held else "doesn't hold"
            offered = f"{measurement.plan.rate:,.0f}"
            sys.stdout.write(f"{offered:>10} messages/s: p{bound.percent:g} {seconds * 1000:,.2f} ms, {verdict}\n")
            sys.stdout.flush()

    def _end(self, status: int, sentence: str) -> int:
        if status != PASS and not self._json:
            sys.stdout.flush()
            sys.stderr.write(f"twisted-lab: {sentence}\n")
        return status


def _within(measurement: Measurement, bound: Bound) -> bool:
    return measurement.percentile("latency", bound.percent) <= bound.seconds


def _judge(search: Search, bound: Bound, steps: list[tuple[Measurement, bool | None]], limit: str) -> tuple[int, str]:
    bounded = f"p{bound.percent:g} at most {bound.seconds * 1000:g} ms"
    best = f"{search.best:,.0f} messages/s" if search.best else "no rate that was tried"
    if search.rate is not None:  # a reply was wrong, or a connection was lost
        broken_off = f"at {search.rate:,.0f}/s the search was broken off: {steps[-1][0].failure}"
        return FAIL, f"{bounded} holds at {best}; {broken_off}"
    lowest = min(
        (measurement for measurement, held in steps if not held), key=lambda each: each.plan.rate or 0, default=None
    )
    if lowest is not None and lowest.verdict[0] == UNKNOWN:
        return UNKNOWN, f"{bounded} holds at {best}, and may do so at more, but {limit}"
    if search.best is None:
        return FAIL, f"{bounded} doesn't hold at any rate"
    return PASS, f"the highest rate with {bounded}: {best}"


def _plan(arguments: argparse.Namespace) -> Plan:
    if arguments.closed and (arguments.rate or arguments.slo):
        stop(os.EX_USAGE, "--closed has no rate: each connection sends when its last message is answered")
    content = None
    if arguments.content is not None:
        content = _read(arguments.content)
    if arguments.workers > arguments.connections:
        stop(os.EX_USAGE, f"{arguments.workers} workers need a connection each: -c {arguments.workers} or more")
    return Plan(
        specimen=arguments.specimen,
        target=arguments.target or _default_target(arguments.specimen),
        connections=arguments.connections,
        rate=None if arguments.closed else arguments.rate or RATE,
        duration=arguments.duration,
        warmup=arguments.warmup,
        size=len(content) if content is not None else arguments.size,
        content=content.hex() if content is not None else None,
        seed=arguments.seed,
        connect_rate=arguments.connect_rate,
        timeout=arguments.timeout,
        connect_timeout=arguments.timeout,
        workers=arguments.workers,
        reactor=arguments.reactor,
    )


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(2**24 + 1)
    except OSError as error:
        stop(os.EX_NOINPUT, f"can't read {path}: {error.strerror}")
    if not 1 <= len(content) <= 2**24:
        stop(os.EX_DATAERR, f"{path} must have 1 B … 16 MiB")
    return content


def _default_target(specimen: str) -> str:
    from twisted_lab.instruments.load.drivers import find

    try:
        port = find(specimen).default_port
    except LookupError as error:
        stop(os.EX_USAGE, str(error))
    if not port:
        stop(os.EX_USAGE, f"where is it? {specimen} has no port of its own: twisted-lab load {specimen} HOST:PORT")
    return f"127.0.0.1:{port}"
