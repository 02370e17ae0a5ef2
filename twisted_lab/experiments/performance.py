"""One run of an experiment: what it found, and the verdict; kept in a run directory."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import psutil

from twisted_lab.experiments.errors import CannotRunError, NotKeptError
from twisted_lab.experiments.experiment import Claim, Experiment, Picture
from twisted_lab.instruments.circumstances import circumstances
from twisted_lab.instruments.run_directory import RunDirectory

HOLDS, FAILS, UNKNOWN = "holds", "fails", "unknown"


@dataclass
class Performance:
    """What was found, in how many seconds, and if it was broken off, why."""

    experiment: Experiment
    claims: list[Claim] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    seconds: float = 0.0
    why: str = ""

    @property
    def verdict(self) -> str:
        """HOLDS if all claims do, FAILS if one doesn't; UNKNOWN if there is none, or the experiment was disturbed."""
        if not all(claim.holds for claim in self.claims):
            return FAILS
        return UNKNOWN if self.why or not self.claims else HOLDS

    def as_json(self) -> dict[str, Any]:
        """Give what is kept as ``run.json``."""
        return {
            "experiment": self.experiment.number,
            "title": self.experiment.title,
            "question": self.experiment.question,
            "prediction": self.experiment.prediction,
            "verdict": self.verdict,
            **({"why": self.why} if self.why else {}),
            "claims": [
                {name: value for name, value in asdict(claim).items() if name != "hint"} for claim in self.claims
            ],
            "pictures": [f"{picture.name}.svg" for picture in self.pictures],
            "seconds": round(self.seconds, 3),
            "circumstances": circumstances(),
        }


def perform(experiment: Experiment, directory: RunDirectory, show: Callable[[Claim | Picture], object]) -> Performance:
    """
    Run an experiment, keep what it finds, and call `show` with each finding when it is there.

    `NotKeptError` if that can't be kept.
    """
    performance = Performance(experiment)
    began = time.monotonic()
    with closing(experiment.run()) as findings:  # type: ignore[type-var]  # each is a generator
        while True:
            try:
                found = next(findings, None)
            except CannotRunError as error:
                performance.why = str(error)
                break
            except (OSError, psutil.Error, subprocess.SubprocessError) as error:
                performance.why = f"it was disturbed: {error}"
                break
            if found is None:
                break
            if isinstance(found, Claim):
                performance.claims.append(found)
            else:
                performance.pictures.append(found)
                with _keeping():
                    (directory.path / f"{found.name}.svg").write_text(found.svg, "utf-8")
            show(found)
    performance.seconds = time.monotonic() - began
    with _keeping():
        directory.finish(performance.as_json())
    return performance


@contextmanager
def _keeping() -> Iterator[None]:
    """Tell what goes wrong when something is kept from what goes wrong when it is shown."""
    try:
        yield
    except OSError as error:
        raise NotKeptError(error.strerror) from error
