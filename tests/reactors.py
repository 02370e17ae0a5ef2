"""
The whole suite on a reactor of one's choice: ``python -m pytest --reactor NAME``, NAME as ``twistd`` knows it.

A plugin that pytest loads before pytest-twisted, whose option it is. The tests' own process runs on that reactor, and
so does every Python process that they start: ``twistd``, the commands, what a page of docs/ shows.
"""

import os
from pathlib import Path

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.application.reactors import getReactorTypes, installReactor

EVERY_PROCESS = Path(__file__).parent / "every_process"


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Install it before tests/conftest.py imports it, and in each process that inherits our environment."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(EVERY_PROCESS), *filter(None, [os.environ.get("PYTHONPATH")])])
    name = early_config.known_args_namespace.reactor
    if name != "default":
        installReactor(name)
        os.environ["TESTS_REACTOR"] = name


def use_installed() -> None:
    """Hand pytest-twisted the reactor that is installed."""
    pytest_twisted._install_reactor(reactor_installer=lambda: None, reactor_type=object)


names = {plugin.shortName for plugin in getReactorTypes()} - {"default"}
pytest_twisted.reactor_installers.update(dict.fromkeys(names, use_installed))
