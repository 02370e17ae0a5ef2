"""An examination: all cases that apply to a target, one after the other, each with a server of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from twisted_lab.instruments.conform import (  # noqa: F401  # they enter their cases in the list
    close_cases,
    framing_cases,
    hostile_cases,
    isolation_cases,
    pressure_cases,
    receiver_cases,
    resource_cases,
)
from twisted_lab.instruments.conform.case import CASES, GROUPS, Case
from twisted_lab.instruments.conform.drawn import drawn
from twisted_lab.instruments.conform.framing import UndecodableError
from twisted_lab.instruments.conform.learning import learn
from twisted_lab.instruments.conform.targets import Target
from twisted_lab.instruments.conform.verdict import BrokenRuleError, Finding, UnknownError, Verdict


@dataclass(frozen=True)
class Result:
    """A case, and what it found."""

    case: Case
    finding: Finding


def cases(only: Sequence[str] = ()) -> list[Case]:
    """Give all cases in the order of their ids, or those of these ids, or of these groups; `LookupError` for others."""
    every = sorted(CASES, key=lambda case: ([*GROUPS].index(case.id[0]), int(case.id[1:])))
    known = {case.id for case in every} | {*GROUPS} | {*GROUPS.values()}
    for name in only:
        if name not in known:
            raise LookupError(f"there is no case {name!r}: --list shows them")
    return [case for case in every if not only or {case.id, case.id[0], case.group} & {*only}]


def examine(target: Target, chosen: Sequence[Case], seed: int = 0, save: Path | None = None) -> Iterator[Result]:
    """
    Run cases, and give what each found, as it is found; those that don't apply to the target are left out.

    `save`: where F5 keeps the smallest conversation that fails, as a file of pytest's. `OSError` if the target can't
    be reached before the first case, `LookupError` if it makes no factory.
    """
    target = learn(target)
    has = _has(target)
    for case in chosen:
        if {*case.needs} <= has:
            yield Result(case, _run(case, target, seed, save))


def _run(case: Case, target: Target, seed: int, save: Path | None) -> Finding:
    try:
        if case is drawn:
            return case.run(target, seed, save)  # type: ignore[call-arg]  # it opens its subjects itself
        if case.group == "receiver":
            return case.run(target.receiver)
        with target.open() as subject:
            return case.run(subject)
    except BrokenRuleError as error:
        return Finding(Verdict.FAIL, detail=str(error))
    except UndecodableError as error:
        return Finding(Verdict.FAIL, detail=f"what came back can't be read: {error}")
    except UnknownError as error:
        return Finding(Verdict.UNKNOWN, detail=str(error))
    except ConnectionError as error:
        return Finding(Verdict.FAIL, detail=f"a client can't connect: {error.strerror or error}")
    except Exception as error:  # noqa: BLE001  # what came out of the code that is examined says nothing of the case
        return Finding(Verdict.UNKNOWN, detail=f"it couldn't be run: {type(error).__name__}: {error}")


def can_draw() -> bool:
    """Tell whether Hypothesis is installed: without it there is no F5."""
    return find_spec("hypothesis") is not None


def _has(target: Target) -> set[str]:
    """Give what the target has of what cases need."""
    framing = target.framing
    has = {"hypothesis"} if can_draw() else set()
    has |= {"memory"} if target.in_memory else set()
    has |= set() if target.faults else {"direct"}  # a fault takes bytes that the server doesn't
    has |= {"framed"} if framing.framed else set()
    has |= {"empty"} if framing.empty else set()
    has |= {"limit"} if framing.limit is not None else set()
    has |= {"garbage"} if framing.garbage else set()
    has |= target.receiver.has if target.receiver is not None else set()
    return has | ({"replies"} if framing.answers is None or any(framing.answers) else set())
