"""
How long it takes to move one large file, and many small ones: filexfer beside what a user would take instead.

Whole commands, as a user types them, on 127.0.0.1: a run begins when the client's command does and ends when it has
ended, and with it the server where that is for one transfer only. After each run what arrived is compared with what
was sent, and removed; neither is timed. Rounds are interleaved, each in an order of its own, so that what else the
machine does meets all alike; a ratio is the median of the rounds' ratios. A run while other programs used the
machine is repeated, twice at most; if they went on, a * says so.
"""

import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import report
import whole
from files_results import Results
from grounds import Ground, ground
from peers import registry
from peers.way import Way
from rounds import interleave, show_progress

MIB = 2**20
DISK_ROUNDS = 2

#: What is sent in each case, and whether to a disk.
CASES = {
    "big": ("file", False),
    "small": ("tree", False),
    "tls": ("file", False),
    "disk": ("file", True),
    "disk-small": ("tree", True),
}


def measure_all(options: Namespace, ways: Sequence[Way]) -> tuple[list[Results], list[str]]:
    """Measure each case, print its table, and give the results, and lines about what failed."""
    results, lines = [], []
    with ExitStack() as stack:
        grounds: dict[bool, Ground] = {}
        made = set()
        for case in options.cases:
            content, on_disk = CASES[case]
            taking = [way for way in ways if case in way.cases]
            if not taking:
                continue
            if on_disk not in grounds:
                grounds[on_disk] = stack.enter_context(ground(options.disk if on_disk else options.memory))
            place = grounds[on_disk]
            if (content, on_disk) not in made:
                made.add((content, on_disk))
                show_progress(f"{case}: making what is sent")
                if content == "file":
                    place.make(content, options.size)
                else:
                    place.make_tree(content, options.count)
            rounds = min(options.rounds, DISK_ROUNDS) if on_disk else options.rounds
            todo = {way.name: partial(place.transfer, way, content) for way in taking}
            most = {way.name: way.most_rounds for way in taking}
            runs, failed = interleave(case, todo, rounds, most, repeat=options.scale == "full")
            lines += failed
            octets, files = (options.size, 1) if content == "file" else (options.count * 4096, options.count)
            results.append(Results(case, octets, files, runs))
            print(f"{results[-1].table()}\n", flush=True)
    return results, lines


def parse() -> Namespace:
    """Give the options."""
    parser = report.make_parser(__doc__, "It takes about a quarter of an hour, 5 GiB of memory and 5 GiB of disk.")
    peers = list(dict.fromkeys(way.peer for way in registry.ways() if way.cases & set(CASES)))
    for name, choices, default in ("cases", list(CASES), list(CASES)), ("peers", peers, []):
        kind, text = partial(split, choices), f"only these of {', '.join(choices)}"
        parser.add_argument(f"--{name}", type=kind, default=default, metavar="A,B", help=text)
    whole.add_options(parser, 5)
    parser.add_argument("--size", type=int, default=2048, metavar="MIB", help="of the large file (default: 2048)")
    parser.add_argument("--count", type=int, default=10_000, help="how many small files (default: 10000)")
    parser.add_argument("--disk", type=Path, default="/var/tmp", metavar="DIR", help="on a disk (default: /var/tmp)")  # noqa: S108  # the same
    options = parser.parse_args()
    options.size *= MIB
    if options.scale == "small":
        options.rounds, options.size, options.count = 1, 4 * MIB, 100
    if min(options.rounds, options.size, options.count) < 1:
        parser.error("--rounds, --size and --count must be at least 1")
    return options


def split(choices: Collection[str], text: str) -> list[str]:
    """Read a list of some of these, with commas."""
    chosen = text.split(",")
    if wrong := [word for word in chosen if word not in choices]:
        raise ArgumentTypeError(f"{wrong[0]!r} is none of {', '.join(choices)}")
    return chosen


def measure(options: Namespace) -> int:
    """Measure, print, and give the exit status."""
    ways, absent = registry.find(options.cases, options.peers)
    found = report.facts("blake3", rounds=options.rounds, scale=options.scale, size=options.size, count=options.count)
    report.show_facts(found)
    results, failed = measure_all(options, ways)
    if any(result.disturbed(name) for result in results for name in result.runs):
        print("*: other programs used the machine in a run that had to be counted")
    bars: dict[str, bool] = {}
    if options.scale == "full":
        for result in results:
            bars |= result.bars()
    numbers = {result.case: result.numbers() for result in results}
    if options.plot:
        panels = {result.case: {name: result.seconds(name) for name in result.runs} for result in results}
        report.plot(options.plot, "Files moved over loopback", "seconds", panels)
    return report.finish(options, found, {"cases": numbers}, bars.items(), [*registry.missing(absent), *failed])


if __name__ == "__main__":
    sys.exit(whole.run(measure, parse()))
