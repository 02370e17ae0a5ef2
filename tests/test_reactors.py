"""Whichever reactor the suite runs on, all of it runs on that one."""

import sys

import pytest
from twisted.application.reactors import Reactor, getReactorTypes
from twisted.internet import reactor

from tests.processes import command, service

WHICH = "from twisted.internet import reactor; print(type(reactor))"


def test_every_process_runs_on_it(request: pytest.FixtureRequest) -> None:
    """The tests' own process, a program of theirs and twistd run on the reactor that was asked for."""
    name = request.config.getoption("reactor")
    if name != "default":
        (asked_for,) = [plugin for plugin in getReactorTypes() if plugin.shortName == name]
        assert isinstance(asked_for, Reactor)
        assert type(reactor).__module__ == asked_for.moduleName
    assert command(sys.executable, "-c", WHICH).stdout.decode() == f"{type(reactor)}\n"
    with service("echo") as running:
        running.wait_for(f" reactor class: {type(reactor).__module__}.{type(reactor).__qualname__}.\n")
