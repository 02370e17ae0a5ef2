"""What makes one test suite of two runners: order, and a clean reactor after each test."""

from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest
from _pytest.unittest import TestCaseFunction
from twisted.internet import reactor as _reactor
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher
from zope.interface import provider

from tests import processes
from tests.processes import DEADLINE, Running, answering, service

reactor: Any = _reactor


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Run TestCases first: trial's reactor checks fail in them once pytest-twisted has run the reactor.

    After them what has a time limit of its own: it takes longest, and several workers shouldn't wait for it in the end.
    """
    items.sort(key=lambda item: (not isinstance(item, TestCaseFunction), not item.get_closest_marker("timeout")))


@pytest.fixture(autouse=True)
def _clean_reactor(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves timers, descriptors or logged failures behind, as trial does for TestCases."""
    if isinstance(request.node, TestCaseFunction):
        yield
        return
    failures: list[LogEvent] = []

    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        if event.get("log_level") is LogLevel.critical or event.get("isError"):
            failures.append(event)

    globalLogPublisher.addObserver(observe)
    before = _selectables()
    yield
    globalLogPublisher.removeObserver(observe)
    assert not failures, failures
    assert not reactor.getDelayedCalls()
    assert _selectables() <= before


def _selectables() -> set[object]:
    everything: set[object] = {*reactor.getReaders(), *reactor.getWriters()}
    return everything.difference(reactor._internalReaders)  # the waker is made anew at each run


@pytest.fixture
def uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave coverage out of the processes that a test starts: for those that move gigabytes, and count elsewhere."""
    monkeypatch.setattr(processes, "ENVIRONMENT", processes.UNCOUNTED)


@pytest.fixture(scope="module")
def echo() -> Iterator[Running]:
    """Run the tutorial's echo, in a process of its own."""
    with service("echo") as running:
        yield running


@pytest.fixture
def silent() -> Iterator[str]:
    """Run a server that accepts a connection, never answers and never closes; give its address."""
    released = Event()
    with answering(lambda _: released.wait(DEADLINE)) as address:
        yield address
        released.set()
