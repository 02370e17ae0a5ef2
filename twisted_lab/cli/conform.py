"""``twisted-lab conform``: numbered cases that a server should pass."""

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from twisted_lab.cli.session import stop
from twisted_lab.cli.text import Printable
from twisted_lab.instruments.conform import targets
from twisted_lab.instruments.conform.case import Case
from twisted_lab.instruments.conform.drawn import drawn
from twisted_lab.instruments.conform.examination import Result, can_draw, cases, examine
from twisted_lab.instruments.conform.junit import as_xml
from twisted_lab.instruments.conform.targets import Target
from twisted_lab.instruments.conform.verdict import Verdict

PASS, FAIL, UNKNOWN = 0, 1, 2


def run(arguments: argparse.Namespace) -> int:
    """Examine; give 0, 1 if a case failed, 2 if all that is wrong is that nobody knows."""
    sys.path.insert(0, "")  # module:attribute may be here, as for twistd
    try:
        chosen = cases(arguments.only)
    except LookupError as error:
        stop(os.EX_USAGE, str(error))
    if arguments.list:
        return _list(chosen, as_json=arguments.json)
    try:
        if arguments.target is None:
            stop(os.EX_USAGE, "what is to be examined? module:Factory, a specimen, or HOST:PORT with --codec")
        target = targets.find(arguments.target, arguments.codec, arguments.fault, arguments.limit)
    except LookupError as error:
        stop(os.EX_USAGE, str(error))
    except OSError as error:
        _unreachable(arguments.target, error)
    results = _examine(target, chosen, arguments)
    if drawn in chosen and not can_draw():
        sys.stderr.write("twisted-lab: F5 is left out: pip install 'twisted-lab[conform]'\n")
    compared = [case for case in chosen if "replies" in case.needs]
    if compared and not any(result.case in compared for result in results):
        sys.stderr.write(f"twisted-lab: {target.name} answers no request, so what compares replies is left out\n")
    if not results:
        stop(UNKNOWN, f"none of these cases applies to {target.name}")
    if arguments.junit is not None:
        _write(arguments.junit, as_xml(target.name, results, strict=arguments.strict))
    return _sum_up(results, strict=arguments.strict, as_json=arguments.json)


def _examine(target: Target, chosen: list[Case], arguments: argparse.Namespace) -> list[Result]:
    results = []
    interrupts = _note_interrupts()
    try:
        for result in examine(target, chosen, arguments.seed, arguments.save):
            if interrupts:
                raise KeyboardInterrupt
            results.append(result)
            _show(result, as_json=arguments.json)
    except LookupError as error:
        stop(os.EX_USAGE, str(error))
    except BrokenPipeError:  # who reads what we write has seen enough
        raise
    except OSError as error:
        _unreachable(target.name, error)
    return results


def _unreachable(name: str, error: OSError) -> NoReturn:
    stop(os.EX_UNAVAILABLE, f"can't connect to {name}: {error.strerror or error}")


def _note_interrupts() -> list[int]:
    """Give what has something in it once Ctrl-C was pressed: a Deferred may keep what is raised then to itself."""
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        signal.default_int_handler(number, frame)

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, note)
    return came


def _list(chosen: list[Case], *, as_json: bool) -> int:
    for case in chosen:
        if as_json:
            entry = {"id": case.id, "group": case.group, "title": case.title, "expects": case.expects}
            sys.stdout.write(json.dumps({**entry, "needs": [*case.needs]}) + "\n")
        else:
            sys.stdout.write(f"{case.id:4} {case.group:10} {case.title}\n{'':16}expected: {case.expects}\n")
    return PASS


def _show(result: Result, *, as_json: bool) -> None:
    case, finding = result.case, result.finding
    if as_json:
        verdicts = {"behaviour": finding.behaviour.value, "close": finding.close.value}
        entry = {"id": case.id, "title": case.title, "verdict": finding.verdict.value, **verdicts}
        sys.stdout.write(json.dumps({**entry, "detail": finding.detail}) + "\n")
    else:
        sys.stdout.write(f"{case.id:4} {finding.verdict.value:10}  {case.title}\n")
        if finding.verdict is not Verdict.PASS:
            detail = Printable().feed(finding.detail.encode(errors="backslashreplace"), final=True)
            sys.stdout.write(f"{'':17}expected: {case.expects}\n{'':17}{detail}\n")
    sys.stdout.flush()


def _sum_up(results: list[Result], *, strict: bool, as_json: bool) -> int:
    counts = {verdict: sum(result.finding.verdict is verdict for result in results) for verdict in Verdict}
    failed = counts[Verdict.FAIL] + (counts[Verdict.NON_STRICT] if strict else 0)
    if not as_json:
        said = ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count)
        sys.stdout.write(f"{len(results)} cases: {said}\n")
    if failed:
        return FAIL
    return UNKNOWN if counts[Verdict.UNKNOWN] else PASS


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        stop(os.EX_CANTCREAT, f"can't write {path}: {error.strerror}")
