"""Whatever step fails, and wherever the process dies: what is there is the old or the new, whole, and a rerun works."""

import errno
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.descriptors import descriptors, opened_since
from tests.filexfer.store.faults import ERRORS, Fault, Zygote, fail_with, injected, steps
from tests.filexfer.store.scenarios import SCENARIOS, Scenario, counted
from twisted_lab.filexfer.errors import FilexferError, InputOutputError, NoSpaceError
from twisted_lab.filexfer.store.cleaning import remove_stale
from twisted_lab.filexfer.store.root import Root

EXPECTED = {errno.ENOSPC: NoSpaceError, errno.EIO: InputOutputError}
#: Seconds.
TWO_DAYS = 2 * 86400.0

Scenarios = list[tuple[str, Scenario]]
PUTS = [(name, scenario) for name, scenario in SCENARIOS.items() if name.startswith("put")]
OTHERS = [(name, scenario) for name, scenario in SCENARIOS.items() if not name.startswith("put")]

Tree = dict[str, bytes | str | None]


def visible(top: Path) -> Tree:
    """Give what clients see below `top`: contents, where links lead, None for directories."""
    found: Tree = {}
    for path in top.rglob("*"):
        if not path.name.startswith(".filexfer-"):
            name = str(path.relative_to(top))
            found[name] = str(path.readlink()) if path.is_symlink() else None if path.is_dir() else path.read_bytes()
    return found


def staged(top: Path) -> list[Path]:
    """Give what isn't published."""
    return [*top.rglob(".filexfer-*")]


class FaultTests(SynchronousTestCase):
    """Every step of every scenario."""

    def setUp(self) -> None:
        """Make a place for what the scenarios do."""
        self.top = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.top)

    def fresh(self, scenario: Scenario) -> Path:
        """Give a directory that is prepared for `scenario`."""
        directory = Path(tempfile.mkdtemp(dir=self.top))
        scenario.prepare(directory)
        return directory

    def before_and_after(self, scenario: Scenario) -> tuple[Tree, Tree]:
        """Give what clients see before and after `scenario`."""
        directory = self.fresh(scenario)
        before = visible(directory)
        with Root(directory) as root, injected(Fault()):
            scenario.run(root, counted(root))
        self.assertEqual(staged(directory), [])
        return before, visible(directory)

    def check(self, scenario: Scenario, directory: Path, before: Tree, after: Tree) -> None:
        """See that what is there is whole, and that a rerun, and then the cleaning, leave what should be there."""
        found = visible(directory)
        if scenario.atomic:
            self.assertIn(found, (before, after))
        else:
            for name in before.keys() | after.keys() | found.keys():
                self.assertIn(found.get(name, b"-"), (before.get(name, b"-"), after.get(name, b"-")), name)
        with Root(directory) as root:
            try:
                with injected(Fault()):
                    scenario.run(root, counted(root))
            except FilexferError:
                # It was done already, of a group in part, and can't be done twice.
                if scenario.atomic:
                    self.assertEqual(found, after)
            remove_stale(root, time.time() + TWO_DAYS)
        self.assertEqual(visible(directory), after)
        self.assertEqual(staged(directory), [])

    def fail_at(self, scenario: Scenario, step: int, number: int) -> tuple[Path, Fault, Exception | None]:
        """Run `scenario` with a failing step; nothing may stay open, locked or reserved."""
        directory = self.fresh(scenario)
        fault = Fault(step, partial(fail_with, number))
        error: Exception | None = None
        with Root(directory) as root:
            ledger = counted(root)
            opened = descriptors()
            try:
                with injected(fault):
                    scenario.run(root, ledger)
            except FilexferError as raised:
                error = raised
            self.assertEqual(opened_since(opened), set())
            self.assertEqual(ledger._reserved, 0)
            self.assertEqual(ledger.used, counted(root).used)
        return directory, fault, error

    def fail_every_step(self, scenarios: Scenarios) -> None:
        """For each step and error: the error says so, or it was no matter; the rerun finds nothing in its way."""
        for name, scenario in scenarios:
            before, after = self.before_and_after(scenario)
            for number in ERRORS:
                for step in range(1, len(steps(scenario)) + 1):
                    try:
                        directory, fault, error = self.fail_at(scenario, step, number)
                        self.assertTrue(fault.struck)
                        if error is None:
                            self.assertEqual(visible(directory), after)
                        else:
                            self.assertIsInstance(error, EXPECTED[number])
                        self.check(scenario, directory, before, after)
                    except BaseException as raised:
                        raised.add_note(f"{name}: {errno.errorcode[number]} at step {step}")
                        raise
                    shutil.rmtree(directory)

    def die_at_every_step(self, scenarios: Scenarios) -> None:
        """For each step: the process is gone there, with all its locks; a rerun succeeds."""
        with Zygote() as zygote:
            for name, scenario in scenarios:
                before, after = self.before_and_after(scenario)
                step, died = 0, True
                while died:
                    step += 1
                    directory = self.fresh(scenario)
                    try:
                        died = zygote.run(directory, name, step)
                        self.check(scenario, directory, before, after)
                    except BaseException as raised:
                        raised.add_note(f"{name}: killed at step {step}")
                        raise
                    shutil.rmtree(directory)
                self.assertGreater(step, 5)

    def test_puts_fail(self) -> None:
        """A put of any kind, one at a time, with a failing step."""
        self.fail_every_step(PUTS)

    def test_others_fail(self) -> None:
        """Groups, and what changes names, with a failing step."""
        self.fail_every_step(OTHERS)

    def test_puts_die(self) -> None:
        """A put of any kind, one at a time, in a process that dies."""
        self.die_at_every_step(PUTS)

    def test_others_die(self) -> None:
        """Groups, and what changes names, in a process that dies."""
        self.die_at_every_step(OTHERS)
