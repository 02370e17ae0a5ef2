"""A comparison in its run directory: numbers, pictures, and the report."""

import shlex
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from twisted_lab.instruments import html_report as html
from twisted_lab.instruments.circumstances import circumstances
from twisted_lab.instruments.compare.columns import cost, notes, speed
from twisted_lab.instruments.compare.comparison import Comparison, counted
from twisted_lab.instruments.load.plan import Plan
from twisted_lab.instruments.run_directory import RunDirectory

CAPTIONS = {
    "rates": "Messages a second against connections: medians of the rounds, and the rounds' range; grey: the others.",
    "latencies": "Time until the reply was there: medians of the rounds.",
}


def save(
    directory: RunDirectory,
    comparison: Comparison,
    plan: Plan,
    words: Sequence[str],
    commands: Mapping[str, Sequence[str]],
) -> list[str]:
    """
    Write ``run.json``, ``report.html``, and ``rates`` and ``latencies`` as SVG and PNG; give the files' names.

    `words`: the command of the comparison; `commands`: those of the contestants.
    """
    files = ["report.html"]
    pictures: list[str] = []
    if find_spec("matplotlib") is None:
        pictures.append(html.paragraph(html.NO_PICTURES))
    else:
        from twisted_lab.instruments import figures  # noqa: PLC0415  # only with the extra
        from twisted_lab.instruments.compare import plots  # noqa: PLC0415

        drawn = {"rates": plots.draw_rates(comparison), "latencies": plots.draw_latencies(comparison)}
        for name, figure in drawn.items():
            for form in ("svg", "png"):
                (directory.path / f"{name}.{form}").write_bytes(figures.render(figure, form))
                files.append(f"{name}.{form}")
            pictures.append(
                html.picture((directory.path / f"{name}.svg").read_bytes(), f"{name}, medians of the rounds")
            )
    where = circumstances()
    report = _report(comparison, plan, pictures, where, [shlex.join(words), *map(shlex.join, commands.values())])
    (directory.path / "report.html").write_text(report)
    run = {"kind": "compare", "command": [*words], "plan": plan.as_json(), **comparison.as_json()}
    directory.finish({**run, "circumstances": where})
    return files


def _report(
    comparison: Comparison, plan: Plan, pictures: Sequence[str], where: Mapping[str, Any], commands: Sequence[str]
) -> str:
    parts = [html.paragraph(describe(comparison, plan))]
    for count in comparison.connections:
        parts += [
            html.heading(counted(count)),
            html.table(speed(comparison, count)),
            html.table(cost(comparison, count)),
            html.listing(notes(comparison.rows(count))),
        ]
    parts += [html.heading("Pictures"), *pictures, html.heading("What the figures depend on")]
    parts += [html.facts({**where, "seed": comparison.seed}), html.heading("Commands")]
    return html.page("Servers compared", [*parts, html.preformatted("\n".join(commands))])


def describe(comparison: Comparison, plan: Plan) -> str:
    """Give in words what was done."""
    rounds = 1 + max((sample.round for sample in comparison.samples), default=0)
    pace = "closed loop" if plan.rate is None else f"{plan.rate:,.6g} messages/s offered"
    times = "service times" if plan.rate is None else "latencies from when a message was due"
    processes = f"{plan.workers} process{'es' if plan.workers > 1 else ''} on the {plan.reactor} reactor"
    return (
        f"{plan.size:,} B a message, {pace}, {plan.duration:g} s after {plan.warmup:g} s of warm-up, {rounds} "
        f"round{'s' if rounds > 1 else ''} in turn, the load in {processes}, on cores of its own; medians and 95 % "
        f"intervals by bootstrap; p50, p99 and p99.9 are {times}"
    )
