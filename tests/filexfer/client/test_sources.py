"""A file that is put: hashed ahead, while nobody knows yet how much of it the server has."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.filexfer.store.trees import sha256
from twisted_lab.filexfer.client.sources import FileSource
from twisted_lab.filexfer.errors import SourceChangedError

CONTENT = bytes(range(256)) * 4


class FileSourceTests(SynchronousTestCase):
    """A file of a kibibyte."""

    def setUp(self) -> None:
        """Write it."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name) / "file"
        self.path.write_bytes(CONTENT)

    def open(self) -> FileSource:
        """Open it."""
        source = FileSource(self.path, "sha-256")
        source.open()
        self.addCleanup(source.close)
        return source

    @given(st.lists(st.integers(1, 100), max_size=100), st.integers(0, len(CONTENT)))
    def test_any_place(self, steps: list[int], offset: int) -> None:
        """However far it was hashed ahead: the digest of any beginning of it can be had, then the rest, and its own."""
        source = self.open()
        for step in steps:
            source.hash_ahead(step)
        place = source.go_back(offset)
        self.assertLessEqual(place, offset)
        self.assertEqual(source.pass_over(offset - place), sha256(CONTENT[:offset]))
        self.assertEqual(b"".join(iter(lambda: source.read(300), b"")), CONTENT[offset:])
        self.assertEqual(source.finish(), sha256(CONTENT))

    def test_from_the_beginning(self) -> None:
        """If the server has something else, all of it is sent."""
        source = self.open()
        source.hash_ahead(100)
        source.pass_over(source.go_back(100))
        self.assertEqual(source.go_back(0), 0)
        self.assertEqual(source.read(9999), CONTENT)
        self.assertEqual(source.finish(), sha256(CONTENT))

    def test_changed(self) -> None:
        """A file that changes after it was hashed ahead is found out at the end."""
        source = self.open()
        source.hash_ahead(100)
        source.go_back(0)
        self.path.write_bytes(CONTENT[::-1])
        source.read(9999)
        self.assertRaises(SourceChangedError, source.finish)
