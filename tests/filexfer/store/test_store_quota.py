"""The user's share of the disk, as the operations on their files use it and give it back."""

import contextlib
import os

from tests.filexfer.store.trees import ABSENT, ANYWAY, TreeTestCase, put, put_small
from twisted_lab.filexfer.conditions import Condition
from twisted_lab.filexfer.errors import ChangedError, ExistsError, FilexferError, IsDirectoryError, QuotaExceededError
from twisted_lab.filexfer.names import Name
from twisted_lab.filexfer.store.quota import Ledger
from twisted_lab.filexfer.store.store import Store


class QuotaTests(TreeTestCase):
    """The user's share: 23 bytes are used to begin with."""

    def setUp(self) -> None:
        """Give the store a share."""
        super().setUp()
        self.ledger = Ledger(self.root, 100)
        self.store = Store(self.root, ledger=self.ledger)

    def check(self, used: int) -> None:
        """See that the ledger is right: that it says what a new one counts."""
        self.assertEqual((self.ledger.used, Ledger(self.root, 100).used), (used, used))

    def test_kept(self) -> None:
        """What is replaced, renamed over and removed is free again, at once; whatever has no content takes nothing."""
        self.check(23)
        put(self.store, ("f",), b"12345678")
        self.check(25)
        self.store.rename(("spare",), ("f",), ANYWAY)
        self.check(17)
        self.store.rename(("f",), ("f",), ANYWAY)
        self.store.make_directory(("new", "x"), parents=True)
        self.store.rename(("d", "b"), ("new", "x"), ANYWAY)
        self.check(17)
        self.store.make_symlink(("f",), "d", ANYWAY)
        self.check(12)
        self.store.remove(("f",))
        self.store.remove(("new", "x", "f"))
        self.check(6)
        put_small(self.store, ("d", "f"), b"1")
        self.check(1)

    def test_links(self) -> None:
        """A file with two names is free when the second one goes."""
        os.link(self.inside / "f", self.inside / "twin")
        self.store.rename(("f",), ("twin",), ANYWAY)
        self.check(23)
        self.store.remove(("f",))
        self.check(23)
        self.store.remove(("twin",))
        self.check(17)

    def test_left_over(self) -> None:
        """What a broken put left over is used, until it is removed with its directory."""
        self.store.make_directory(("new",))
        with contextlib.closing(self.store.receive(("new", "f"), size=50, algorithm="blake3")) as incoming:
            incoming.write([b"half "])
            self.assertRaises(QuotaExceededError, self.store.receive, ("g",), size=30, algorithm="blake3")
        self.check(28)
        self.store.remove(("new",))
        self.check(23)

    def test_the_last_upload(self) -> None:
        """The last put that fits is taken, and none that would exceed the share by a byte (sftpgo#128)."""
        content = b"x" * 78
        for operation in (put, put_small):
            self.assertRaises(QuotaExceededError, operation, self.store, ("new",), content)
            operation(self.store, ("new",), content[1:])
            self.check(100)
            self.assertRaises(QuotaExceededError, operation, self.store, ("more",), b"x")
            operation(self.store, ("empty",), b"")
            self.store.remove(("new",))
        self.check(23)

    def test_many_at_once(self) -> None:
        """Puts that would each fit, but not all together, don't all begin."""
        begun = [self.store.receive((str(number),), size=30, algorithm="blake3") for number in range(2)]
        self.assertRaises(QuotaExceededError, self.store.receive, ("2",), size=30, algorithm="blake3")
        for incoming in begun:
            incoming.close()
        self.check(23)

    def test_unknown_size(self) -> None:
        """A stream whose length isn't known is stopped at the limit, and what came of it is free again."""
        with contextlib.closing(self.store.receive(("new",), size=None, algorithm="blake3")) as incoming:
            incoming.write([b"x" * 77])
            self.assertRaises(QuotaExceededError, incoming.write, [b"x"])
        self.check(23)

    def test_what_fails_costs_nothing(self) -> None:
        """What is refused changes nothing of the account, but for what is left over of a put, to be tried again."""
        put(self.store, ("new",), b"x" * 50)
        etag = self.store.stat(("new",)).etag
        refused: list[tuple[str, Name, Condition]] = [("new", ("f",), ABSENT), ("f", ("new",), Condition(etag=etag))]
        for source, target, condition in refused:
            self.assertRaises(FilexferError, self.store.rename, (source,), target, condition)
        self.assertRaises(IsDirectoryError, put, self.store, ("d",), b"x")
        self.assertRaises(ChangedError, self.store.remove, ("f",), if_match=etag)
        self.assertRaises(ExistsError, put, self.store, ("f",), b"x", ABSENT)
        self.check(73 + 2)
