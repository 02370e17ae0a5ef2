"""Rename without replacing, in one step or in two."""

import errno
import os

from tests.filexfer.store.trees import ABSENT, TreeTestCase, read
from twisted_lab.filexfer.errors import BadNameError, ExistsError
from twisted_lab.filexfer.store import exclusive


class ExclusiveTests(TreeTestCase):
    """`rename_exclusively`, by way of `Store.rename`."""

    def test_nothing_is_replaced(self) -> None:
        """A file, a directory and a link that leads nowhere each keep their name."""
        (self.inside / "link").symlink_to("nowhere")
        for name in ("f", "d", "link"):
            self.assertRaises(ExistsError, self.store.rename, ("spare",), (name,), ABSENT)
        self.store.rename(("spare",), ("d", "spare"), ABSENT)
        self.assertEqual(read(self.root, ("d", "spare")), b"spare")

    def test_where_the_kernel_can_not(self) -> None:
        """Without renameat2, or on a file system that doesn't know the flag, files still replace nothing."""
        for number in (errno.ENOSYS, errno.EINVAL):

            def fail(*_: object, number: int = number) -> None:
                raise OSError(number, os.strerror(number))

            self.patch(exclusive, "_renameat2", fail)
            self.assertRaises(ExistsError, self.store.rename, ("spare",), ("f",), ABSENT)
            self.store.rename(("spare",), ("d", "spare"), ABSENT)
            self.assertFalse((self.inside / "spare").exists())
            self.store.rename(("d", "spare"), ("spare",), ABSENT)
        self.assertRaises(BadNameError, self.store.rename, ("d",), ("e",), ABSENT)
        self.assertEqual(read(self.root, ("d", "f")), b"inside")

    def test_without_the_function(self) -> None:
        """An old C library has no renameat2; files are renamed all the same."""
        self.patch(exclusive, "_libc", object())
        self.store.rename(("spare",), ("d", "spare"), ABSENT)
        self.assertEqual(read(self.root, ("d", "spare")), b"spare")

    def test_links_are_moved_as_links(self) -> None:
        """A link to the outside is moved itself, in two steps as in one; what it leads to gets no second name."""
        self.patch(exclusive, "_libc", object())
        (self.inside / "link").symlink_to(self.outside / "f")
        self.store.rename(("link",), ("moved",), ABSENT)
        self.assertEqual((self.inside / "moved").readlink(), self.outside / "f")
