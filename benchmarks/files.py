"""
How long it takes to move one large file, and many small ones: filexfer beside what a user would take instead.

Whole commands, as a user types them, on 127.0.0.1: a run begins when the client's command does and ends when it has
ended, and with it the server where that is for one transfer only. After each run what arrived is compared with what
was sent, and removed; neither is timed. Rounds are interleaved, each in an order of its own, so that what else the
machine does meets all alike; a ratio is the median of the rounds' ratios. A run while other programs used the
machine is repeated, twice at most; if they went on, a * says so.
"""

import random
import signal
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import report
from children import FailedError, Spent
from grounds import Ground, WrongError, ground
from peers import registry
from peers.way import DIRECTIONS, Way

MIB = 2**20
FOREIGN = 0.05  # of the machine's CPU time, that other programs may use in a run that counts
REPEATS = 2  # of a run that doesn't count
MEMORY_BAR = 100  # MiB of either side
MEMORY = "memory"  # a variant of ours, and what others are compared with

#: What is sent in each case, and whether to a disk.
CASES = {
    "big": ("file", False),
    "small": ("tree", False),
    "tls": ("file", False),
    "disk": ("file", True),
    "disk-small": ("tree", True),
}
#: At least how many times as fast ours has to be: case, ours, its peer's name.
BARS = [
    ("big", "ours put, memory", "nginx put", 1.4),
    ("big", "ours put, memory", "nginx get", 1.4),
    ("big", "ours get, memory", "nginx get", 1.4),
    ("big", "ours put, memory", "rsync put", 1.4),
    ("big", "ours get, memory", "rsync get", 1.4),
    ("big", "ours put, memory", "socat put", 1.0),
    ("big", "ours get, memory", "socat get", 1.0),
    ("small", "ours put, memory", "rsync put", 1.2),
    ("tls", "ours put, memory, TLS", "nginx put, TLS", 1.0),
    ("tls", "ours put, memory, TLS", "nginx get, TLS", 1.0),
    ("tls", "ours get, memory, TLS", "nginx get, TLS", 1.0),
]


@dataclass(frozen=True)
class Results:
    """What the runs of a case took, one a round, by the way's name."""

    case: str
    octets: int
    files: int
    runs: Mapping[str, list[Spent]]

    def seconds(self, name: str) -> list[float]:
        """Give the seconds of each round."""
        return [spent.seconds for spent in self.runs[name]]

    def disturbed(self, name: str) -> bool:
        """Whether other programs used the machine in a run that counts."""
        return any(spent.foreign > FOREIGN for spent in self.runs[name])

    def table(self) -> str:
        """Lay out all of it."""
        rate = "MB/s" if self.files == 1 else "files/s"
        head = [self.case, "s (range)", rate, "CPU s: client", "server", "MiB: client", "server", "ours is"]
        rows = [head]
        for name, runs in self.runs.items():
            each = (self.octets / 1e6 if self.files == 1 else self.files) / median(self.seconds(name))
            cpu = [report.spread([getattr(spent, f"{side}_cpu") for spent in runs], 2) for side in ("client", "server")]
            memory = [show_memory(runs, side) for side in ("client", "server")]
            rows.append(
                [name, report.spread(self.seconds(name), 2), f"{each:,.0f}", *cpu, *memory, self._compare(name)]
            )
        return report.table(rows)

    def _compare(self, name: str) -> str:
        """Give how many times as fast as that ours is, in the same direction, at durability memory."""
        (direction,) = (word for word in DIRECTIONS if f" {word}" in name)
        for ours in self.runs:
            if ours.startswith(f"ours {direction}, {MEMORY}"):
                return f"{report.median_ratio(self.seconds(name), self.seconds(ours)):.2f}" if name != ours else ""
        return ""

    def bars(self) -> Mapping[str, bool]:
        """Give the bars of this case, and whether each is met."""
        met = {}
        for case, ours, peer, least in BARS:
            if case == self.case and ours in self.runs and peer in self.runs:
                ratio = report.median_ratio(self.seconds(peer), self.seconds(ours))
                met[f"{case}: {ours}: at least {least} times as fast as {peer} ({ratio:.2f})"] = ratio >= least
        peaks = [
            memory.together
            for name, runs in self.runs.items()
            if name.startswith("ours")
            for spent in runs
            for memory in (spent.client, spent.server)
        ]
        if peaks:
            met[f"{self.case}: ours: under {MEMORY_BAR} MiB on either side ({max(peaks):.0f})"] = (
                max(peaks) < MEMORY_BAR
            )
        return met


def show_memory(runs: Sequence[Spent], side: str) -> str:
    """Give the highest peak of the largest process, and of all of that side together where there are several."""
    memories = [getattr(spent, side) for spent in runs]
    largest, together = (max(getattr(memory, kind) for memory in memories) for kind in ("largest", "together"))
    return f"{largest:.0f}" + (f" (all {together:.0f})" if together > largest + 0.5 else "")


def measure(case: str, ways: Sequence[Way], place: Ground, rounds: int) -> dict[str, list[Spent]]:
    """Run all rounds of a case; give what each run took, by the way's name."""
    name, _ = CASES[case]
    runs: dict[str, list[Spent]] = {way.name: [] for way in ways}
    repeats = len(ways) * rounds // 2
    for number in range(rounds):
        for way in random.sample(ways, len(ways)):
            if number >= way.most_rounds:
                continue
            show_progress(f"{case}, round {number + 1} of {rounds}: {way.name}")
            tried = [place.transfer(way, name)]
            while tried[-1].foreign > FOREIGN and len(tried) <= REPEATS and repeats > 0:
                repeats -= 1
                tried.append(place.transfer(way, name))
            runs[way.name].append(min(tried, key=lambda spent: spent.foreign))
    show_progress("")
    return runs


def show_progress(text: str) -> None:
    """Show what is being done, to a person who waits."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def measure_all(options: Namespace, ways: Sequence[Way]) -> list[Results]:
    """Measure each case, print its table, and give the results."""
    results = []
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
            runs = measure(case, taking, place, min(options.rounds, options.disk_rounds) if on_disk else options.rounds)
            octets, files = (options.size, 1) if content == "file" else (options.count * 4096, options.count)
            results.append(Results(case, octets, files, runs))
            print(f"{results[-1].table()}\n", flush=True)
    return results


def parse() -> Namespace:
    """Give the options."""
    parser = report.make_parser(__doc__, "It takes about a quarter of an hour, 5 GiB of memory and 5 GiB of disk.")
    parser.add_argument("--cases", type=split_cases, default=list(CASES), help=f"only these of {','.join(CASES)}")
    parser.add_argument("--peers", type=split_peers, default=[], help="only these, such as ours,rsync,nginx")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is run (default: 5; on disk twice)")
    parser.add_argument("--size", type=int, default=2048, metavar="MIB", help="of the large file (default: 2048)")
    parser.add_argument("--count", type=int, default=10_000, help="how many small files (default: 10000)")
    parser.add_argument("--memory", type=Path, default="/dev/shm", metavar="DIR", help="on tmpfs (default: /dev/shm)")  # noqa: S108  # a directory is made in it
    parser.add_argument("--disk", type=Path, default="/var/tmp", metavar="DIR", help="on a disk (default: /var/tmp)")  # noqa: S108  # the same
    parser.add_argument("--scale", choices=["full", "small"], default="full", help="small: for a try; no bar is judged")
    options = parser.parse_args()
    options.disk_rounds = 2
    options.size *= MIB
    if options.scale == "small":
        options.rounds, options.size, options.count = 1, 4 * MIB, 200
    if min(options.rounds, options.size, options.count) < 1:
        parser.error("--rounds, --size and --count must be at least 1")
    return options


def split_cases(text: str) -> list[str]:
    """Read --cases."""
    cases = text.split(",")
    if wrong := set(cases) - set(CASES):
        raise ValueError(wrong)
    return cases


def split_peers(text: str) -> list[str]:
    """Read --peers."""
    peers = text.split(",")
    if wrong := set(peers) - {way.peer for way in registry.ways()}:
        raise ValueError(wrong)
    return peers


def main() -> int:
    """Measure, print, and give the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was begun is ended
    options = parse()
    ways, absent = registry.find(options.cases, options.peers)
    found = report.facts("blake3", rounds=options.rounds, scale=options.scale, size=options.size, count=options.count)
    report.show_facts(found)
    try:
        results = measure_all(options, ways)
    except (FailedError, WrongError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        return 130
    if any(result.disturbed(name) for result in results for name in result.runs):
        print("*: other programs used the machine in a run that had to be counted")
    bars: dict[str, bool] = {}
    if options.scale == "full":
        for result in results:
            bars |= result.bars()
    numbers = {
        result.case: {name: [asdict(spent) for spent in runs] for name, runs in result.runs.items()}
        for result in results
    }
    if options.plot:
        panels = {result.case: {name: result.seconds(name) for name in result.runs} for result in results}
        report.plot(options.plot, "Files moved over loopback", "seconds", panels)
    lines = [report.missing(need.name, need.how) for need in sorted(absent, key=lambda need: need.name)]
    return report.finish(options, found, {"cases": numbers}, bars.items(), lines)


if __name__ == "__main__":
    sys.exit(main())
