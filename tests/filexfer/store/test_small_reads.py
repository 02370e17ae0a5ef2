"""Small files on their way out: whole, in one state, and never from outside."""

import os
from pathlib import Path

from tests.filexfer.store.trees import TreeTestCase, sha256
from twisted_lab.filexfer.errors import (
    BadNameError,
    ChangedError,
    IsDirectoryError,
    NotDirectoryError,
    NotFoundError,
    NotRegularFileError,
    TooLargeError,
)
from twisted_lab.filexfer.small_file import SmallFile
from twisted_lab.filexfer.store.small_reads import SmallReads

MOST = 100


class SmallReadsTests(TreeTestCase):
    """`SmallReads`."""

    def setUp(self) -> None:
        """Begin to read."""
        super().setUp()
        self.reads = SmallReads(self.root, "sha-256")
        self.addCleanup(self.reads.close)

    def make(self, path: str, content: bytes = b"content") -> Path:
        """Make a file."""
        made = self.inside / path
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_bytes(content)
        return made

    def test_read(self) -> None:
        """A file is given with its facts and digest, in whatever directory it is; an empty one too."""
        for path, content in (("s/a", b"one"), ("s/b", b""), ("e/f/c", bytes(MOST)), ("s/g", b"two"), ("h", b"six")):
            made = self.make(path, content)
            made.chmod(0o640)
            name = tuple(path.split("/"))
            status = self.root.stat(name)
            expected = SmallFile(name, content, sha256(content), status.mtime_ns, 0o640, status.etag)
            self.assertEqual(self.reads.read(name, MOST, status.etag), expected)

    def test_refused(self) -> None:
        """What isn't a regular file, isn't there, is too large or isn't what it was taken for isn't read."""
        self.make("s/large", bytes(MOST + 1))
        self.make("s/f")
        (self.inside / "s" / "link").symlink_to("f")
        (self.inside / "to").symlink_to("s")
        os.mkfifo(self.inside / "s" / "pipe")
        for name, error in (
            (("s", "large"), TooLargeError),
            (("s", "link"), NotRegularFileError),
            (("s", "pipe"), NotRegularFileError),
            (("to", "f"), NotDirectoryError),
            (("s",), IsDirectoryError),
            (("s", "none"), NotFoundError),
            (("none", "f"), NotFoundError),
            (("s", "..", "s", "f"), BadNameError),
            ((), BadNameError),
        ):
            self.assertRaises(error, self.reads.read, name, MOST)
        self.assertRaises(ChangedError, self.reads.read, ("s", "f"), MOST, "other")
        self.assertEqual(self.reads.read(("s", "f"), MOST).content, b"content")

    def test_changes_meanwhile(self) -> None:
        """A file that changes while it is read isn't given."""
        path = self.make("f")
        read = os.read

        def changing(descriptor: int, count: int) -> bytes:
            data = read(descriptor, count)
            path.write_bytes(b"CONTENT and more")
            return data

        self.patch(os, "read", changing)
        self.assertRaises(ChangedError, self.reads.read, ("f",), MOST)

    def test_directory_swapped(self) -> None:
        """A directory that is swapped for a link out isn't left: what is read is in the one that was opened, if any."""
        self.make("s/f")
        self.make("s/g", b"mine")
        self.reads.read(("s", "f"), MOST)
        (self.inside / "s").rename(self.inside / "moved")
        (self.inside / "s").symlink_to("/etc")
        self.assertEqual(self.reads.read(("s", "g"), MOST).content, b"mine")
        self.assertRaises(NotFoundError, self.reads.read, ("s", "passwd"), MOST)
