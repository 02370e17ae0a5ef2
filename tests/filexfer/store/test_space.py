"""Blocks are reserved before the bytes come."""

import ctypes
import errno
import os
import tempfile
from types import SimpleNamespace
from typing import IO

from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.filexfer.store import space

MEBIBYTE = 2**20


class SpaceTests(SynchronousTestCase):
    """`reserve` and `give_back`."""

    def setUp(self) -> None:
        """Make a file with something in it."""
        self.file: IO[bytes] = tempfile.NamedTemporaryFile()  # noqa: SIM115 - closed by the cleanup
        self.addCleanup(self.file.close)
        self.file.write(b"left over")
        self.file.flush()

    def blocks(self) -> int:
        """Give how many bytes of the disk the file has."""
        return os.fstat(self.file.fileno()).st_blocks * 512

    def say(self, number: int, times: int = 10**6) -> list[tuple[int, ...]]:
        """Have the kernel answer that, some times; give the calls."""
        calls: list[tuple[int, ...]] = []
        real = space._fallocate
        assert real is not None

        def fallocate(*arguments: int) -> int:
            calls.append(arguments)
            if len(calls) > times:
                return int(real(*arguments))
            ctypes.set_errno(number)
            return -1

        self.patch(space, "_fallocate", fallocate)
        return calls

    def test_reserved_and_given_back(self) -> None:
        """The disk's blocks are the file's, whose size stays what is there; what isn't used is free again."""
        space.reserve(self.file.fileno(), 9, 4 * MEBIBYTE)
        self.assertGreaterEqual(self.blocks(), 4 * MEBIBYTE)
        self.assertEqual(os.fstat(self.file.fileno()).st_size, 9)
        space.give_back(self.file.fileno(), 9)
        self.assertLess(self.blocks(), MEBIBYTE)
        self.assertEqual(os.pread(self.file.fileno(), 99, 0), b"left over")

    def test_full(self) -> None:
        """More than the disk has is refused at once."""
        with self.assertRaises(OSError) as caught:
            space.reserve(self.file.fileno(), 0, 2**60)
        self.assertIn(caught.exception.errno, (errno.ENOSPC, errno.EFBIG))

    def test_where_the_file_system_can_not(self) -> None:
        """Then it is asked how much is free: the hopeless is refused, the rest may be tried."""
        for number in (errno.ENOSYS, errno.EOPNOTSUPP):
            self.say(number)
            space.reserve(self.file.fileno(), 0, MEBIBYTE)
            self.assertLess(self.blocks(), MEBIBYTE)
            with self.assertRaises(OSError) as caught:
                space.reserve(self.file.fileno(), 0, 2**60)
            self.assertEqual(caught.exception.errno, errno.ENOSPC)

    def test_without_the_function(self) -> None:
        """A C library that hasn't got it is as good as a file system that can't."""
        self.patch(space, "_fallocate", None)
        space.reserve(self.file.fileno(), 0, MEBIBYTE)
        self.patch(space, "os", SimpleNamespace(**{**vars(os), "fstatvfs": self.nothing_free}))
        self.assertRaises(OSError, space.reserve, self.file.fileno(), 0, 1)

    def nothing_free(self, _: int) -> SimpleNamespace:
        """Tell of a full disk."""
        return SimpleNamespace(f_bavail=0, f_frsize=4096)

    def test_interrupted(self) -> None:
        """A signal in between is no error."""
        calls = self.say(errno.EINTR, times=3)
        space.reserve(self.file.fileno(), 0, MEBIBYTE)
        self.assertEqual(len(calls), 4)
        self.assertGreaterEqual(self.blocks(), MEBIBYTE)

    def test_other_errors(self) -> None:
        """The disk's own errors are told as they are."""
        self.say(errno.EIO)
        with self.assertRaises(OSError) as caught:
            space.reserve(self.file.fileno(), 0, MEBIBYTE)
        self.assertEqual(caught.exception.errno, errno.EIO)
