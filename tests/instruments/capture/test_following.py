"""A file is followed: what is written later comes later, and a file that is replaced is left for the next."""

import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.instruments.capture.following import follow


class FollowTests(SynchronousTestCase):
    """`follow`."""

    def test_what_comes_later(self) -> None:
        """Bytes come as they are written; what was written just before the file was replaced isn't lost."""
        path = Path(self.enterContext(tempfile.TemporaryDirectory())) / "it.pcapng"
        path.write_bytes(b"one ")

        def append() -> None:
            with path.open("ab") as file:
                file.write(b"two ")

        def replace() -> None:
            with path.open("ab") as file:
                file.write(b"three ")
            path.rename(f"{path}.1")

        steps = [append, replace, lambda: path.write_bytes(b"four "), append]
        pieces = follow(path, lambda _: steps.pop(0)())
        self.assertEqual([next(pieces) for _ in range(6)], [b"one ", b"two ", b"three ", b"", b"four ", b"two "])
