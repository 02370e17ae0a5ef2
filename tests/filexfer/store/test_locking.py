"""Conditions are judged under the lock of the directory, one at a time."""

import fcntl
import os
from types import SimpleNamespace

from tests.filexfer.store.trees import TreeTestCase
from twisted_lab.filexfer.conditions import ANYWAY, Condition
from twisted_lab.filexfer.errors import BusyError, ChangedError, ExistsError
from twisted_lab.filexfer.store import locking
from twisted_lab.filexfer.store.locking import check_condition, locked, open_readable


class LockTests(TreeTestCase):
    """`locked`."""

    def open(self, name: str) -> int:
        """Give a descriptor of a directory, as an operation has one."""
        with self.root.open_directory(tuple(name.split("/"))) as directory:
            descriptor = open_readable(directory)
        self._opened.append(descriptor)
        return descriptor

    def setUp(self) -> None:
        """Remember what is to be closed."""
        super().setUp()
        self._opened: list[int] = []

    def tearDown(self) -> None:
        """Close it, before it is counted."""
        for descriptor in self._opened:
            os.close(descriptor)
        super().tearDown()

    def is_free(self, descriptor: int) -> bool:
        """Tell whether another could lock that directory now."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        return True

    def test_held_and_given_back(self) -> None:
        """Both directories are locked for the time of the with, and free after it, whatever happened in it."""
        mine, other = [self.open("d"), self.open("d/b")], [self.open("d"), self.open("d/b")]
        with locked(*mine):
            self.assertEqual([self.is_free(descriptor) for descriptor in other], [False, False])
        self.assertEqual([self.is_free(descriptor) for descriptor in other], [True, True])
        with self.assertRaises(ZeroDivisionError), locked(*mine):
            _ = 1 / 0
        self.assertEqual([self.is_free(descriptor) for descriptor in other], [True, True])

    def test_one_directory_twice(self) -> None:
        """A rename within one directory names it twice, and doesn't wait for itself."""
        with locked(self.open("d"), self.open("d")):
            pass

    def test_crosswise(self) -> None:
        """Two directories are locked in one order, whichever is named first; so nobody has what the other waits for."""
        first, second = self.open("d"), self.open("d/b")
        order: list[int] = []

        def flock(descriptor: int, operation: int) -> None:
            if not operation & fcntl.LOCK_UN:
                order.append(descriptor)
            fcntl.flock(descriptor, operation)

        self.patch(locking, "fcntl", SimpleNamespace(**{**vars(fcntl), "flock": flock}))
        with locked(first, second):
            pass
        with locked(second, first):
            pass
        self.assertEqual(len(order), 4)
        self.assertEqual(order[:2], order[2:])

    def test_another_program_keeps_it(self) -> None:
        """A lock that another program doesn't give back keeps nobody waiting for ever."""
        mine, other = self.open("d"), self.open("d")
        fcntl.flock(other, fcntl.LOCK_EX)
        seconds = iter(range(100))
        self.patch(locking, "time", SimpleNamespace(monotonic=lambda: next(seconds), sleep=lambda _: None))
        with self.assertRaises(BusyError), locked(mine):
            self.fail("it was locked")
        self.assertLess(next(seconds), 20)

    def test_condition(self) -> None:
        """What must hold is looked at there and then; what is there is given."""
        directory = self.open("d")
        found = check_condition(directory, b"f", ANYWAY, "d/f")
        assert found is not None
        self.assertEqual(found.st_size, len("inside"))
        etag = self.root.stat(("d", "f")).etag
        self.assertEqual(check_condition(directory, b"f", Condition(etag=etag), "d/f"), found)
        self.assertIs(check_condition(directory, b"g", Condition(absent=True), "d/g"), None)
        self.assertRaises(ExistsError, check_condition, directory, b"f", Condition(absent=True), "d/f")
        self.assertRaises(ChangedError, check_condition, directory, b"f", Condition(etag="0" * 16), "d/f")
        self.assertRaises(ChangedError, check_condition, directory, b"g", Condition(etag=etag), "d/g")
