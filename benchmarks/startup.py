"""
What starting takes: filexfer's help, and a file of one byte put and got, beside curl and rsync; and what is imported.

Whole commands, as a user types them, from their start to their end, against servers that run already; interleaved
round by round. Python that does nothing is there as the part that nobody can save. The import profile is Python's
own, of one run: how many modules a command imports, and the milliseconds of its own that each package takes in that.
"""

import re
import subprocess
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

import report
import whole
from children import FailedError, Spent, spend
from grounds import Ground, ground
from peers import registry
from peers.way import Way, Words, program
from rounds import interleave

NAME = "byte"
LISTED = 10  # packages and modules of each profile that are shown
#: A line of Python's import profile: microseconds of its own, and with what it imports; the module.
PROFILE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| +(\S+)")
WAYS = ("ours put, memory", "ours get, memory", "nginx put", "nginx get", "rsync put", "rsync get")


@dataclass(frozen=True)
class Profile:
    """What a command imports: microseconds of each module's own, and with what it imports itself."""

    own: Mapping[str, int]
    cumulative: Mapping[str, int]

    def packages(self) -> tuple[Counter[str], Counter[str]]:
        """Give, by top-level package, its microseconds and how many modules of it there are."""
        spent: Counter[str] = Counter()
        modules: Counter[str] = Counter()
        for name, microseconds in self.own.items():
            top = name.partition(".")[0]
            package = "Python's own" if top in sys.stdlib_module_names else top
            spent[package] += microseconds
            modules[package] += 1
        return spent, modules

    def show(self, title: str) -> str:
        """Lay it out."""
        spent, modules = self.packages()
        total = f"{title}: {len(self.own)} modules, {spent.total() / 1e3:.0f} ms under the profiler"
        rows = [["package", "modules", "ms of its own"]]
        rows += [[name, str(modules[name]), f"{took / 1e3:.1f}"] for name, took in spent.most_common(LISTED)]
        longest = Counter(self.cumulative).most_common(LISTED)
        lines = [f"  {took / 1e3:7.1f} ms with all that it imports: {name}" for name, took in longest]
        return "\n".join([total, report.table(rows), *lines])


def profile(words: Words, directory: Path) -> Profile:
    """Run a command of ours, and give what it imports."""
    command = [sys.executable, "-X", "importtime", *words]
    ended = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603  # our own
    if ended.returncode != 0:
        raise FailedError(f"{' '.join(words)}\n{ended.stderr[-2000:]}")
    lines = [match.groups() for match in PROFILE.finditer(ended.stderr)]
    return Profile({name: int(own) for own, _, name in lines}, {name: int(whole) for _, whole, name in lines})


def profiles(place: Ground, put: Way) -> dict[str, Profile]:
    """Give what our commands import."""
    there, _ = place.prepare(put, NAME)
    with place.target(put, there):
        made = {"filexfer put": profile(put.client(there), place.root)}
    return {"filexfer --help": profile([program("filexfer"), "--help"], place.root), **made}


def parse() -> Namespace:
    """Give the options."""
    parser = report.make_parser(__doc__, "It takes about a minute.")
    whole.add_options(parser, 20)
    options = parser.parse_args()
    if options.scale == "small":
        options.rounds = 1
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


def measure(options: Namespace) -> int:
    """Measure, print, and give the exit status."""
    ways, absent = registry.find(["big"], ["ours", "nginx", "rsync"])
    chosen = {way.name: way for way in ways if way.name in WAYS}
    found = report.facts(rounds=options.rounds, scale=options.scale)
    report.show_facts(found)
    with ground(options.memory) as place:
        place.make(NAME, 1)
        log = place.root / "log"
        todo: dict[str, Callable[[], Spent]] = {
            "python -c pass": partial(spend, [sys.executable, "-c", "pass"], log),
            "ours --help": partial(spend, [program("filexfer"), "--help"], log),
            **{name: partial(place.transfer, way, NAME) for name, way in chosen.items()},
        }
        spent, failed = interleave("start-up", todo, options.rounds, {}, repeat=options.scale == "full")
        imported = profiles(place, chosen["ours put, memory"])
    milliseconds = {name: [run.seconds * 1e3 for run in runs] for name, runs in spent.items()}
    rows = [["", "ms (range)", "CPU ms: client", "server", "MiB: client"]]
    for name, runs in spent.items():
        cpu = [f"{fmean(getattr(run, f'{side}_cpu') for run in runs) * 1e3:.0f}" for side in ("client", "server")]
        rows.append([name, report.spread(milliseconds[name]), *cpu, f"{max(run.client.largest for run in runs):.0f}"])
    print(f"{report.table(rows)}\n")
    for name, what in imported.items():
        print(f"{what.show(name)}\n")
    if options.plot:
        report.plot(options.plot, "Start-up", "milliseconds", {"whole commands": milliseconds})
    numbers = {
        "spent": {name: [asdict(run) for run in runs] for name, runs in spent.items()},
        "imports": {name: asdict(what) for name, what in imported.items()},
    }
    return report.finish(options, found, numbers, (), [*registry.missing(absent), *failed])


if __name__ == "__main__":
    sys.exit(whole.run(measure, parse()))
