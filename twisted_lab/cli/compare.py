"""``twisted-lab compare``: servers under the same load in turn, or two runs that are kept."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from twisted_lab.cli.measuring import WORKER, StatusLine, keep_line, keeping, make_directory, print_json
from twisted_lab.cli.session import run_in_reactor, stop
from twisted_lab.cli.tables import table
from twisted_lab.instruments.compare.arena import Arena
from twisted_lab.instruments.compare.columns import cost, notes, speed
from twisted_lab.instruments.compare.comparison import Comparison, Sample, counted
from twisted_lab.instruments.compare.contestants import Contestant, everything, find
from twisted_lab.instruments.compare.saved import describe, save
from twisted_lab.instruments.load.plan import Plan
from twisted_lab.instruments.run_directory import RunDirectory
from twisted_lab.models import NAMES as MODELS

#: Seconds for which a server may leave messages unanswered, in the end.
TIMEOUT = 1.0
#: Seconds that a connection may take, and the first answer: nothing of that is measured, and the machine may be busy.
CONNECT_TIMEOUT = 60.0


def run(arguments: argparse.Namespace) -> int:
    """Compare; give 0, or 1 if a contestant failed."""
    sys.path.insert(0, "")  # module:attribute may be here, as for twistd
    names: list[str] = arguments.names
    kept = [name for name in names if _is_kept(name)]
    if kept:
        if len(kept) != 2 or len(names) != 2:
            stop(os.EX_USAGE, "two runs that are kept can be compared, and nothing else with them")
        from twisted_lab.cli.compare_runs import compare_runs

        return compare_runs(*map(Path, names), as_json=arguments.json, seed=arguments.seed)
    contestants = _contestants(names, everyone=arguments.all)
    plan = Plan(
        specimen="",
        target="",
        rate=arguments.rate,
        duration=arguments.duration,
        warmup=arguments.warmup,
        size=arguments.size,
        seed=arguments.seed,
        timeout=TIMEOUT,
        connect_timeout=CONNECT_TIMEOUT,
        workers=arguments.workers,
        reactor=arguments.reactor,
    )
    directory = make_directory(arguments.runs, "compare")
    judged = "rate" if plan.rate is None else "p99"
    comparison = Comparison([each.name for each in contestants], arguments.connections, judged, arguments.seed)
    status = run_in_reactor(_Comparing(comparison, contestants, plan, arguments, directory).run)
    if status != os.EX_OK:
        return status
    if arguments.json:
        print_json({"event": "result", "run": str(directory.path), **comparison.as_json()})
    else:
        _show(comparison, plan)
    with keeping(directory):
        files = save(directory, comparison, plan, sys.argv, {each.name: each.command for each in contestants})
    if not arguments.json:
        sys.stdout.write(f"\nThe comparison is kept in {directory.path}: {', '.join(files)}\n")
    for failure in dict.fromkeys(comparison.failures):
        sys.stderr.write(f"twisted-lab: {failure}\n")
    return 1 if comparison.failures else os.EX_OK


class _Comparing:
    """The rounds: each contestant at each number of connections, in an order that is drawn anew for each round."""

    def __init__(  # each of them a thing of its own
        self,
        comparison: Comparison,
        contestants: Sequence[Contestant],
        plan: Plan,
        arguments: argparse.Namespace,
        directory: RunDirectory,
    ) -> None:
        self._directory = directory
        self._comparison = comparison
        self._contestants = contestants
        self._plan = plan
        self._rounds: int = arguments.rounds
        self._json: bool = arguments.json
        self._line = StatusLine()

    async def run(self, reactor: Any) -> int:
        random = Random(self._comparison.seed)  # noqa: S311  # for an order
        arena = Arena(reactor, WORKER, self._plan)
        cases = [(each, count) for each in self._contestants for count in self._comparison.connections]
        syscalls = {}
        for number in range(self._rounds):
            for done, (contestant, count) in enumerate(random.sample(cases, len(cases))):
                doing = f"{contestant.name}, {counted(count)}"
                if number == 0 and self._rounds > 1:
                    self._line.show(f"counting system calls, {done + 1} of {len(cases)}: {doing}")
                    syscalls[contestant.name, count] = await arena.count_syscalls(contestant, count)
                self._line.show(f"round {number + 1} of {self._rounds}, {done + 1} of {len(cases)}: {doing}")
                sample = await arena.measure(contestant, count, number)
                calls = syscalls.get((contestant.name, count))
                if calls is not None and sample.numbers:
                    sample.numbers["syscalls"] = calls
                self._take(sample)
        self._line.clear()
        return os.EX_OK

    def _take(self, sample: Sample) -> None:
        self._comparison.add(sample)
        keep_line(self._directory, "samples.jsonl", sample.as_json())
        if self._json:
            print_json({"event": "sample", **sample.as_json()})


def _is_kept(name: str) -> bool:
    """Tell whether a name is a run's directory: one may well be called as a contestant is."""
    path = Path(name)
    if name in MODELS or not path.is_dir():
        return False
    if (path / "run.json").is_file():
        return True
    try:
        find(name)
    except LookupError:
        return True  # and it will be told what is wrong with it
    return False


def _contestants(names: Sequence[str], *, everyone: bool) -> list[Contestant]:
    if everyone == bool(names):
        stop(os.EX_USAGE, "name what to compare, two or more: models, specimens or runs; or all models, by --all")
    try:
        found = everything() if everyone else [find(name) for name in dict.fromkeys(names)]
    except LookupError as error:
        stop(os.EX_USAGE, str(error))
    for each in found:
        if each.missing:
            sys.stderr.write(f"twisted-lab: {each.name} is left out: {each.missing}\n")
    found = [each for each in found if not each.missing]
    if len(found) < 2:
        stop(os.EX_USAGE, "there must be two at least")
    return found


def _show(comparison: Comparison, plan: Plan) -> None:
    sys.stdout.write(f"{describe(comparison, plan)}\n")
    for count in comparison.connections:
        sys.stdout.write(f"\n{counted(count)}\n\n")
        sys.stdout.write(f"{table(speed(comparison, count))}\n\n{table(cost(comparison, count))}\n")
        sys.stdout.write("".join(f"{note}\n" for note in notes(comparison.rows(count))))
