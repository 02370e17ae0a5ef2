"""One run of an experiment: its verdict, and what is kept."""

from pathlib import Path

import psutil
import pytest

from tests.experiments.fakes import FAILING, HOLDING, PICTURE, experiment
from twisted_lab.experiments.errors import CannotRunError
from twisted_lab.experiments.experiment import Claim, Picture
from twisted_lab.experiments.performance import FAILS, HOLDS, UNKNOWN, perform
from twisted_lab.instruments.circumstances import circumstances
from twisted_lab.instruments.run_directory import RunDirectory


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        ([HOLDING, PICTURE, HOLDING], HOLDS),
        ([HOLDING, FAILING, HOLDING], FAILS),
        ([HOLDING, CannotRunError("there is none")], UNKNOWN),
        ([HOLDING, psutil.NoSuchProcess(1)], UNKNOWN),
        ([TimeoutError("timed out")], UNKNOWN),
        ([FAILING, TimeoutError("timed out")], FAILS),
        ([PICTURE], UNKNOWN),
    ],
)
def test_verdict(tmp_path: Path, findings: list[Claim | Picture | Exception], verdict: str) -> None:
    """One claim that doesn't hold is enough to fail; what was disturbed, or found nothing, is unknown."""
    directory = RunDirectory.create(tmp_path, "experiment-02")
    performance = perform(experiment(*findings), directory, lambda _: None)
    assert performance.verdict == verdict
    assert directory.read_json("run.json")["verdict"] == verdict


def test_what_is_kept(tmp_path: Path) -> None:
    """The run's directory holds the pictures, and all that was asked, predicted and observed, and where it ran."""
    shown: list[object] = []
    directory = RunDirectory.create(tmp_path, "experiment-02")
    perform(experiment(HOLDING, PICTURE, CannotRunError("there is none")), directory, shown.append)
    assert shown == [HOLDING, PICTURE]
    assert {path.name for path in directory.path.iterdir()} == {"run.json", "timeline.svg"}
    kept = directory.read_json("run.json")
    assert kept.pop("seconds") >= 0
    assert kept == {
        "experiment": 2,
        "title": "a fake",
        "question": "What is found?",
        "prediction": "What it is told to find.",
        "verdict": UNKNOWN,
        "why": "there is none",
        "claims": [{"predicted": "the first is larger", "observed": "3 against 2", "holds": True}],
        "pictures": ["timeline.svg"],
        "circumstances": circumstances(),
    }
