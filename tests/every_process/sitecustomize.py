"""
Found by each Python that pytest's tests start.

While the suite runs on a reactor of its choice (see tests/reactors.py), whoever imports the reactor without having
installed one (the commands, and twistd without ``--reactor``) gets that one instead of the platform's default.

While coverage is measured, a process that ends itself with a signal, as twistd does after a clean stop, keeps what was
counted in it.
"""

import os
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

REACTOR = "twisted.internet.reactor"


class ReactorFinder(MetaPathFinder, Loader):
    """Stands before the module that installs the default."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Take the reactor's module, and no other."""
        return ModuleSpec(fullname, self) if fullname == REACTOR else None

    def exec_module(self, module: ModuleType) -> None:
        """Put the reactor in the module's place, as Twisted's own module does."""
        from twisted.application.reactors import installReactor  # noqa: PLC0415  # most processes need none

        del sys.modules[REACTOR]
        installReactor(os.environ["TESTS_REACTOR"])


def save_before_the_signal(pid: int, number: int) -> None:
    """Do what `os.kill` does; what kills this process lets nothing run at its exit."""
    current = coverage.Coverage.current()
    if pid == os.getpid() and current is not None:
        current.save()
    kill(pid, number)


if "TESTS_REACTOR" in os.environ:
    sys.meta_path.insert(0, ReactorFinder())
if "COVERAGE_PROCESS_CONFIG" in os.environ:
    import coverage

    kill = os.kill
    os.kill = save_before_the_signal
