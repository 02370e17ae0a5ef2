"""A file on its way out: what is given and hashed, and that no change goes unseen."""

import contextlib
import errno
import os
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.filexfer.store.trees import ANYWAY, TreeTestCase, put, sha256
from twisted_lab.filexfer.errors import (
    ChangedError,
    InputOutputError,
    IsDirectoryError,
    NotRegularFileError,
    SourceChangedError,
    UnsupportedError,
)
from twisted_lab.filexfer.store.outgoing import Outgoing

CONTENT = bytes(range(256)) * 8


class OutgoingTestCase(TreeTestCase):
    """A file to be sent."""

    def setUp(self) -> None:
        """Make the file."""
        super().setUp()
        self.path = self.inside / "f"
        self.path.write_bytes(CONTENT)

    @contextmanager
    def outgoing(self, offset: int = 0, count: int | None = None) -> Iterator[Outgoing]:
        """Open it."""
        with contextlib.closing(open_path(self.path, offset, count)) as outgoing:
            yield outgoing


class ContentTests(OutgoingTestCase):
    """What is given."""

    def test_read(self) -> None:
        """All bytes are given, in pieces of any size, then none, and the digest is theirs."""
        for most in (1, 7, len(CONTENT), len(CONTENT) + 1, 2**30):
            with self.outgoing() as outgoing:
                pieces = [*iter(lambda most=most, outgoing=outgoing: outgoing.read(most), b"")]  # type: ignore[misc]
                self.assertEqual(outgoing.read(1), b"")
                self.assertEqual(outgoing.finish(), sha256(CONTENT))
            self.assertEqual(b"".join(pieces), CONTENT)
            self.assertLessEqual(max(map(len, pieces)), most)

    def test_hash(self) -> None:
        """To be hashed only, the bytes are read in pieces of any size too."""
        for most in (1, 7, len(CONTENT) - 1, len(CONTENT), 2**30):
            with self.outgoing() as outgoing:
                steps = 1
                while outgoing.hash(most):
                    steps += 1
                self.assertFalse(outgoing.hash(most))
                self.assertEqual((steps, outgoing.finish()), (-(-len(CONTENT) // most), sha256(CONTENT)))

    def test_hash_much(self) -> None:
        """More than is read at once is hashed in one call, in the memory of one piece."""
        self.path.write_bytes(b"")
        os.truncate(self.path, 2**23)
        expected = sha256(bytes(2**23))
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        with self.outgoing() as outgoing:
            self.assertFalse(outgoing.hash(2**23))
            self.assertEqual(outgoing.finish(), expected)
        self.assertLess(tracemalloc.get_traced_memory()[1], 2**20)

    def test_part(self) -> None:
        """A part is given as it was asked for, cut at the end of the file."""
        for offset, count, expected in (
            (0, 10, CONTENT[:10]),
            (100, None, CONTENT[100:]),
            (100, 50, CONTENT[100:150]),
            (2000, 2**53 - 1, CONTENT[2000:]),
            (2048, None, b""),
            (5, 0, b""),
        ):
            with self.outgoing(offset, count) as outgoing:
                self.assertEqual((outgoing.offset, outgoing.length), (offset, len(expected)))
                self.assertEqual(outgoing.status.size, len(CONTENT))
                self.assertEqual(outgoing.read(2**30), expected)
                self.assertEqual(outgoing.finish(), sha256(expected))

    def test_hash_then_read(self) -> None:
        """What the other side has is hashed, the rest given, and the digest is of both."""
        with self.outgoing() as outgoing:
            self.assertTrue(outgoing.hash(1000))
            self.assertEqual(outgoing.digest, sha256(CONTENT[:1000]))
            self.assertEqual(outgoing.read(2**30), CONTENT[1000:])
            self.assertEqual(outgoing.finish(), sha256(CONTENT))

    def test_sent_by_the_kernel(self) -> None:
        """Who sends from the descriptor itself, where and as much as is said, sends what is hashed."""
        with self.outgoing(100, 50) as outgoing:
            self.assertEqual(os.pread(outgoing.descriptor, outgoing.length, outgoing.offset), CONTENT[100:150])
            self.assertFalse(outgoing.hash(outgoing.length))
            self.assertEqual(outgoing.finish(), sha256(CONTENT[100:150]))


class ChangeTests(OutgoingTestCase):
    """Files that don't stay what they were."""

    def test_changes(self) -> None:
        """A file that is written to, appended to, replaced or removed while it is sent has no digest."""
        for change in (
            lambda: self.path.write_bytes(CONTENT[:-1] + b"!"),
            lambda: self.path.write_bytes(CONTENT * 2),
            lambda: put(self.store, ("f",), CONTENT),
            lambda: self.store.rename(("spare",), ("f",), ANYWAY),
            lambda: self.store.remove(("f",)),
            self.write_and_set_the_time_back,
        ):
            self.path.write_bytes(CONTENT)
            (self.inside / "spare").write_text("spare")
            with self.outgoing() as outgoing:
                self.assertEqual(outgoing.read(2**30), CONTENT)
                time.sleep(0.02)  # a tick of the file system's clock, by which changes are told apart
                change()
                self.assertRaises(SourceChangedError, outgoing.finish)

    def write_and_set_the_time_back(self) -> None:
        """Change the content, and neither size nor time."""
        facts = self.path.stat()
        self.path.write_bytes(CONTENT[::-1])
        os.utime(self.path, ns=(facts.st_atime_ns, facts.st_mtime_ns))

    def test_shorter(self) -> None:
        """A file that becomes shorter is found out at once, not when it should have been all; there is no hang."""
        for most in (1, 2**30):
            for cut in (0, 1000):
                self.path.write_bytes(CONTENT)
                with self.outgoing() as reading, self.outgoing() as hashing:
                    self.assertEqual(len(reading.read(1500)), 1500)
                    hashing.hash(1500)
                    os.truncate(self.path, cut)
                    self.assertRaises(SourceChangedError, reading.read, most)
                    self.assertRaises(SourceChangedError, hashing.hash, most)

    def test_shorter_than_the_offset(self) -> None:
        """What is to be read from behind the end of the file isn't that file."""
        error = self.assertRaises(ChangedError, open_path, self.path, 2049)
        self.assertIn("2048", str(error))


class RefusalTests(OutgoingTestCase):
    """What can't be sent; that nothing is left open is seen at the end of each test."""

    def test_no_file(self) -> None:
        """A directory and a FIFO have nothing to send."""
        os.mkfifo(self.inside / "fifo")
        self.assertRaises(IsDirectoryError, open_path, self.inside)
        self.assertRaises(NotRegularFileError, open_path, self.inside / "fifo")

    def test_no_algorithm(self) -> None:
        """A digest that nobody knows is refused before anything is read."""
        descriptor = os.open(self.path, os.O_RDONLY)
        self.assertRaises(UnsupportedError, Outgoing, descriptor, "f", "md5")

    def test_disk_fails(self) -> None:
        """A disk that can't be read is called that, by the file's name."""

        def fail(*_: object) -> int:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        with self.outgoing() as outgoing:
            self.patch(os, "pread", fail)
            self.patch(os, "preadv", fail)
            for operation in (outgoing.read, outgoing.hash):
                self.assertEqual(str(self.assertRaises(InputOutputError, operation, 5)), "f: Input/output error")

    def test_closed_twice(self) -> None:
        """To close it again closes nothing, not even what has its descriptor's number by then."""
        outgoing = open_path(self.path)
        outgoing.close()
        again = os.open(self.path, os.O_RDONLY)
        self.assertEqual(again, outgoing.descriptor)
        outgoing.close()
        os.close(again)


def open_path(path: Path, offset: int = 0, count: int | None = None) -> Outgoing:
    """Open `path` as whoever sends it does."""
    return Outgoing(os.open(path, os.O_RDONLY | os.O_NONBLOCK), path.name, "sha-256", offset, count)
