"""Whatever step of a sync fails, and wherever it dies: each file is the old or the new, whole, and a rerun works."""

import errno
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.descriptors import descriptors, opened_since
from tests.filexfer.store.faults import ERRORS, Fault, Zygote, fail_with
from tests.filexfer.store.test_faults import EXPECTED, TWO_DAYS, Tree, staged, visible
from tests.filexfer.trees import sync_faults
from tests.filexfer.trees.fakes import Notes
from tests.filexfer.trees.sync_faults import place, prepare, sync
from twisted_lab.filexfer.errors import DisconnectedError, FilexferError, NoSpaceError
from twisted_lab.filexfer.store.cleaning import remove_stale
from twisted_lab.filexfer.store.root import Root


def times(top: Path) -> dict[str, int]:
    """Give the mtimes of the files below `top`."""
    return {name: (top / name).stat().st_mtime_ns for name, content in visible(top).items() if content is not None}


class SyncFaultTests(SynchronousTestCase):
    """Every step of a sync, of the client's store and of the server's."""

    def setUp(self) -> None:
        """Make a place for the trees, and look at both sides before a sync."""
        self.places = place()
        self.addCleanup(shutil.rmtree, self.places)
        top = self.fresh()
        self.source, self.before = visible(top / "source"), visible(top / "target")
        self.assertNotEqual(staged(top / "target"), [])

    def fresh(self) -> Path:
        """Give a directory with both sides in it, as they are before a sync."""
        top = Path(tempfile.mkdtemp(dir=self.places))
        prepare(top)
        return top

    def check(self, top: Path, way: str) -> None:
        """See that each file of the target is the old or the new, and that a rerun does what is left to be done."""
        found = visible(top / "target")
        for name in self.before.keys() | self.source.keys() | found.keys():
            self.assertIn(found.get(name, b"-"), (self.before.get(name, b"-"), self.source.get(name, b"-")), name)
        self.rerun(top, way)
        with Root(top / "target") as root:
            # Small files aren't resumed: what is left of them is removed when it is old.
            remove_stale(root, time.time() + TWO_DAYS)
        self.assertEqual(staged(top), [])

    def rerun(self, top: Path, way: str) -> None:
        """Sync without a fault: that succeeds, and both sides are the same then."""
        notes = Notes()
        sync(top, way, Fault(), notes)
        self.assertEqual(notes.errors, {})
        self.assert_same(top)

    def assert_same(self, top: Path) -> None:
        """See that the target is as the source, and the source as it was."""
        expected: Tree = self.source
        self.assertEqual(visible(top / "source"), expected)
        self.assertEqual(visible(top / "target"), expected)
        self.assertEqual(times(top / "target"), times(top / "source"))

    def fail_at(self, top: Path, way: str, fault: Fault) -> list[FilexferError]:
        """Sync with a failing step, and give what went wrong; nothing may stay open."""
        opened = descriptors()
        notes = Notes()
        errors: list[FilexferError] = []
        try:
            sync(top, way, fault, notes)
        except FilexferError as error:
            errors.append(error)
        self.assertEqual(opened_since(opened), set())
        self.assertEqual(self.flushLoggedErrors(), [])
        return [*notes.errors.values(), *errors]

    def check_errors(self, errors: list[FilexferError], number: int, way: str, failed: str) -> None:
        """See that the first error is the cause; of a full disk the last too, which ends the sync."""
        # In the middle of a file's content the server can't say why it doesn't go on.
        unsaid = (DisconnectedError,) if (way, failed) == ("sync, down", "pread") else ()
        self.assertIsInstance(errors[0], (EXPECTED[number], *unsaid))
        if number == errno.ENOSPC:
            self.assertIsInstance(errors[-1], (NoSpaceError, *unsaid))

    def fail_every_step(self, way: str) -> None:
        """For each step and error: the sync says what failed, or it was no matter."""
        for number in ERRORS:
            step, struck = 0, True
            while struck:
                step += 1
                top = self.fresh()
                fault = Fault(step, partial(fail_with, number))
                try:
                    errors = self.fail_at(top, way, fault)
                    struck = fault.struck
                    if errors:
                        self.check_errors(errors, number, way, fault.taken[step - 1])
                    if not errors:
                        self.assert_same(top)
                    self.check(top, way)
                except BaseException as raised:
                    raised.add_note(f"{way}: {errno.errorcode[number]} at step {step}, {fault.taken[step - 1 :][:1]}")
                    raise
                shutil.rmtree(top)
            self.assertGreater(step, 100)

    def die_at_every_step(self, way: str) -> None:
        """For each step: client and server are gone there, with all their locks."""
        with Zygote(sync_faults.__name__) as zygote:
            step, died = 0, True
            while died:
                step += 1
                top = self.fresh()
                try:
                    died = zygote.run(top, way, step)
                    self.check(top, way)
                except BaseException as raised:
                    raised.add_note(f"{way}: killed at step {step}")
                    raise
                shutil.rmtree(top)
            self.assertGreater(step, 100)

    def test_up_fails(self) -> None:
        """A sync to the server, with a failing step."""
        self.fail_every_step("sync, up")

    def test_down_fails(self) -> None:
        """A sync from the server, with a failing step."""
        self.fail_every_step("sync, down")

    def test_up_dies(self) -> None:
        """A sync to the server, which dies, and the client with it."""
        self.die_at_every_step("sync, up")

    def test_down_dies(self) -> None:
        """A sync from the server, which dies, and the client with it."""
        self.die_at_every_step("sync, down")
