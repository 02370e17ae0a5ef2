"""
Experiments, in the tutorial's order: one file each, with a question, a prediction, a run, and what the run must show.

``twisted-lab experiment NN`` runs one. `find` knows them by the names of their files, ``eNN_NAME.py``.
"""

from importlib import import_module
from pkgutil import iter_modules

from twisted_lab.experiments.experiment import Experiment


def numbers() -> list[int]:
    """Give the numbers of all experiments, in order."""
    return sorted(_modules())


def find(number: int) -> Experiment:
    """Give an experiment; `LookupError` if there is none of that number."""
    modules = _modules()
    if number not in modules:
        raise LookupError(f"there is no experiment {number:02}: twisted-lab experiments lists them")
    found: Experiment = import_module(f"{__name__}.{modules[number]}").EXPERIMENT
    return found


def _modules() -> dict[int, str]:
    names = [module.name for module in iter_modules(__path__)]
    return {int(name[1:3]): name for name in names if name[0] == "e" and name[1:3].isdecimal()}
