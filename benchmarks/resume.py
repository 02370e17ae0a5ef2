"""
How long it takes to finish the transfer of a large file that was killed when 90 % had arrived, and how many bytes.

The client is killed (SIGKILL) at full speed, when so much is in the file at the other end; the same command is run
again, and that run is timed, from the command's start to its end. Rounds are interleaved. What is there then is
compared with the source. The bytes are counted in one more run, through a forwarder on the same
machine, which isn't timed: all that TCP carries, both ways.
"""

import signal
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median

import contents
import report
import whole
from children import FailedError, Spent, Tree, settle, spend
from forwarder import forwarding
from grounds import Ground, ground
from peers import registry
from peers.way import Place, Way
from proc import has_open
from rounds import interleave, show_progress

MIB = 2**20
SHARE = 0.9  # of the file, that has arrived when the client is killed
PATIENCE = 60.0  # seconds that a server gets to see that the client is gone
TRIES = 20  # all has arrived before the client is killed if this process stands still meanwhile
NAME = "file"
CASE = "resume"
BARS = [(f"ours {direction}, memory", f"rsync {direction}, --append-verify") for direction in ("put", "get")]


@dataclass(frozen=True)
class Bytes:
    """What one run moved: bytes that were lacking, and that went to the server and came from it."""

    lacking: int
    sent: int
    received: int


def arrived(directory: Path) -> int:
    """Give how many bytes the file has that is on its way into a directory, whatever it is called meanwhile."""
    sizes = [0]
    with suppress(FileNotFoundError):
        for path in directory.iterdir():
            status = path.stat()
            sizes.append(min(status.st_size, status.st_blocks * 512))
    return max(sizes)


def break_off(way: Way, place: Place, servers: Sequence[Tree], size: int) -> int:
    """Begin a transfer and kill its client; give how many bytes had arrived."""
    at_rest = {tree: tree.processes() for tree in servers}
    for _ in range(TRIES):
        client = Tree(way.client(place), place.scratch / "client.log")
        try:
            while client.process.poll() is None and arrived(way.target(place).parent) < SHARE * size:
                time.sleep(0.0005)
        finally:
            client.end(signal.SIGKILL)
        settle(at_rest)
        had = come_to_rest(servers, way.target(place).parent)
        if client.process.returncode == -signal.SIGKILL and had < size:
            return had
        # All had arrived before: what it did doesn't count.
        for path in way.target(place).parent.iterdir():
            contents.remove(path)
    raise FailedError(f"{way.name} ended before it could be killed\n{client.log.read_text()[-2000:]}")


def come_to_rest(servers: Sequence[Tree], directory: Path) -> int:
    """Wait until the servers have let go of what they had received; give how many bytes have arrived."""
    deadline = time.monotonic() + PATIENCE
    while any(has_open(pid, directory) for tree in servers for pid in tree.processes()):
        if time.monotonic() > deadline:
            raise FailedError(f"a server still writes to {directory}, whose client was killed")
        time.sleep(0.01)
    return arrived(directory)


def finish(place: Ground, way: Way, size: int) -> Spent:
    """Break a transfer off, finish it, and give what finishing took."""
    there, servers = place.prepare(way, NAME)
    with place.target(way, there):
        break_off(way, there, servers, size)
        return spend(way.client(there), there.scratch / "client.log", servers)


def count(place: Ground, way: Way, size: int) -> Bytes:
    """Do the same, and count the bytes that finishing moved."""
    there, servers = place.prepare(way, NAME)
    with place.target(way, there), forwarding(there.port) as counted:
        had = break_off(way, there, servers, size)
        spend(way.client(replace(there, port=counted.port)), there.scratch / "client.log", servers)
        return Bytes(size - had, counted.sent, counted.received)


def parse() -> Namespace:
    """Give the options."""
    parser = report.make_parser(__doc__, "It takes about five minutes, and 5 GiB of memory.")
    whole.add_options(parser, 5)
    parser.add_argument("--size", type=int, default=2048, metavar="MIB", help="of the file (default: 2048)")
    options = parser.parse_args()
    if options.scale == "small":
        options.rounds, options.size = 1, 128
    options.size *= MIB
    if min(options.rounds, options.size) < 1:
        parser.error("--rounds and --size must be at least 1")
    return options


def show(spent: dict[str, list[Spent]], moved: dict[str, Bytes]) -> str:
    """Lay out the table."""
    rows = [["", "s (range)", "CPU s: client", "server", "lacking, MiB", "moved, MiB", "ours is"]]
    for name, runs in spent.items():
        seconds = [run.seconds for run in runs]
        cpu = [median(getattr(run, f"{side}_cpu") for run in runs) for side in ("client", "server")]
        ours = [run.seconds for run in spent[f"ours {'put' if ' put' in name else 'get'}, memory"]]
        octets = moved[name]
        rows.append(
            [
                name + "*" * any(run.disturbed for run in runs),
                report.spread(seconds, 2),
                *(f"{value:.2f}" for value in cpu),
                f"{octets.lacking / MIB:,.1f}",
                f"{(octets.sent + octets.received) / MIB:,.1f}",
                f"{report.median_ratio(seconds, ours):.2f}" if ours != seconds else "",
            ]
        )
    return report.table(rows)


def measure(options: Namespace) -> int:
    """Measure, print, and give the exit status."""
    ways, absent = registry.find([CASE])
    found = report.facts("blake3", rounds=options.rounds, scale=options.scale, size=options.size)
    report.show_facts(found)
    full = options.scale == "full"
    with ground(options.memory) as place:
        show_progress("making what is sent")
        place.make(NAME, options.size)
        todo = {way.name: partial(finish, place, way, options.size) for way in ways}
        spent, failed = interleave(CASE, todo, options.rounds, {}, repeat=full)
        moved = {way.name: count(place, way, options.size) for way in ways if way.name in spent}
    print(f"{show(spent, moved)}\n")
    seconds = {name: [run.seconds for run in runs] for name, runs in spent.items()}
    bars = []
    for ours, peer in BARS:
        if full and peer in seconds:
            ratio = report.median_ratio(seconds[peer], seconds[ours])
            bars.append((f"{ours}: faster than {peer} ({ratio:.2f})", ratio > 1))
    if options.plot:
        report.plot(options.plot, "A transfer killed at 90 %, finished", "seconds", {"all": seconds})
    numbers = {
        "spent": {name: [asdict(run) for run in runs] for name, runs in spent.items()},
        "moved": {name: asdict(octets) for name, octets in moved.items()},
    }
    return report.finish(options, found, numbers, bars, [*registry.missing(absent), *failed])


if __name__ == "__main__":
    sys.exit(whole.run(measure, parse()))
