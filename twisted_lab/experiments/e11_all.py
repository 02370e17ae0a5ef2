"""Experiment 11: all models at one offered rate."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

from twisted_lab.experiments import bars
from twisted_lab.experiments.errors import CannotRunError
from twisted_lab.experiments.experiment import Claim, Experiment, Picture, times
from twisted_lab.instruments.compare.contestants import everything

#: Messages a second, over so many connections: all of them can do that.
RATE, CONNECTIONS = 1000, 16
#: The share of them that is as good as all, in so short a time; and how often one gets another chance, beside those
#: that it is compared with: this machine may have had other things to do.
ALL, CHANCES = 0.9, 5
#: Seconds in which it must be over.
DEADLINE = 120.0
_LAB = "from twisted_lab.cli.main import main; main()"


def run() -> Iterator[Claim | Picture]:
    """Offer each model the same, and see what it takes."""
    samples = measure([each.name for each in everything() if not (each.missing or each.one_at_a_time)])
    for _ in range(CHANCES):
        short = [name for name, numbers in samples.items() if numbers["rate"] < ALL * RATE]
        if short:
            samples |= measure(list(dict.fromkeys([*short, "selectors", "twisted"])))
    waits = {name: 1000 * numbers["p50"] for name, numbers in samples.items()}
    title = "Half of the messages are answered within this time"
    yield Picture("waits", title, bars.draw_text(waits, "ms"), bars.draw_svg(waits, "ms", title))
    spent = {name: 1e6 * numbers["cpu"] for name, numbers in samples.items()}
    title = "Processor time for a message"
    yield Picture("cpu", title, bars.draw_text(spent, "µs"), bars.draw_svg(spent, "µs", title))
    slowest = min(samples, key=lambda name: samples[name]["rate"])
    yield Claim(
        "each of them answers what is offered: at this rate the model decides nothing",
        f"{samples[slowest]['rate']:,.0f} of {RATE:,} messages a second, {slowest}; the others at least as many",
        samples[slowest]["rate"] >= ALL * RATE,
    )
    best = min(waits, key=lambda name: waits[name])
    ratio = times(waits["polling"], waits[best])
    yield Claim(
        "who sleeps between two rounds, polling, lets half of the clients wait at least 3 times as long as the best of "
        "those that the kernel wakes",
        f"{waits['polling']:.2f} ms against {waits[best]:.2f} ms, {best}: {ratio:.1f} times as long",
        ratio >= 3,
    )
    counts = {name: int(numbers["threads"]) for name, numbers in samples.items()}
    alone = [name for name, count in counts.items() if count == 1]
    yield Claim(
        "the servers of threads have one for each client; those that ask the kernel for all clients at once have one",
        f"{counts['threads']} threads with {CONNECTIONS} clients; one: {', '.join(alone)}",
        counts["threads"] == counts["socketserver_threads"] == CONNECTIONS + 1 and {"selectors", "twisted"} <= {*alone},
    )
    forked, one = samples["processes"], samples["selectors"]
    each, other = forked["memory_per_connection"], max(0.0, one["memory_per_connection"])
    yield Claim(
        "a client that costs a process takes 5 times the memory, of its own, that one takes which costs an object",
        f"{each / 1024:.0f} KiB against {other / 1024:.1f} KiB, with {forked['processes']:.0f} processes against "
        f"{one['processes']:.0f}",
        each >= 5 * other,
    )


def measure(names: list[str]) -> dict[str, Mapping[str, float]]:
    """Compare these, one round of each; give their numbers by name. `CannotRunError` if there are none."""
    with tempfile.TemporaryDirectory() as runs:
        options = ["-c", str(CONNECTIONS), "-R", str(RATE), "--rounds", "1", "-d", "600ms", "--warmup", "200ms"]
        words = [sys.executable, "-c", _LAB, "compare", *names, *options, "--json", "--runs", runs]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603  # ours
            try:
                printed, complaint = process.communicate(timeout=DEADLINE)
            finally:
                process.terminate()  # it ends what it has started
    found: list[dict[str, Any]] = [json.loads(line) for line in printed.splitlines()]
    samples = {line["contestant"]: line["numbers"] for line in found if line["event"] == "sample" and line["numbers"]}
    if {*samples} != {*names} or any("cpu" not in numbers for numbers in samples.values()):
        last = complaint.strip().rpartition("\n")[2].removeprefix("twisted-lab: ")
        raise CannotRunError(f"not all of them were measured: {last or 'nobody says why'}")
    return {name: samples[name] for name in names}


EXPERIMENT = Experiment(
    11,
    "all models at one offered rate",
    "Every model but those of one client at a time gets the same messages. How do they differ?",
    "Not in what they answer, at a rate that all can do; but in how long a client waits, what a message costs, and how "
    "much memory it takes.",
    run,
)
