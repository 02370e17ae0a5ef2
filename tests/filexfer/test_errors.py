"""What the kernel says, in our own errors."""

import errno
import os

from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.filexfer import errors
from twisted_lab.filexfer.errors import FilexferError, from_os_error

CODES = {
    errno.ENOENT: "not-found",
    errno.EEXIST: "exists",
    errno.ENOTDIR: "not-a-directory",
    errno.EISDIR: "is-a-directory",
    errno.ENOTEMPTY: "not-empty",
    errno.ELOOP: "not-a-regular-file",
    errno.ENXIO: "not-a-regular-file",
    errno.EACCES: "access",
    errno.EPERM: "access",
    errno.EROFS: "access",
    errno.ENOSPC: "no-space",
    errno.EDQUOT: "no-space",
    errno.EFBIG: "no-space",
    errno.ENAMETOOLONG: "bad-name",
    errno.EINVAL: "bad-name",
    errno.EIO: "input-output",
    errno.EMFILE: "input-output",
}


class ErrorsTests(SynchronousTestCase):
    """`from_os_error` and the tree."""

    def test_codes(self) -> None:
        """A program can tell a full disk from a broken one, and a missing file from a forbidden one."""
        for number, code in CODES.items():
            self.assertEqual(from_os_error(OSError(number, os.strerror(number)), "a").code, code)

    def test_any_error(self) -> None:
        """Whatever the kernel says has a code and a sentence that names the file."""
        for number in errno.errorcode:
            self.assertRegex(str(from_os_error(OSError(number, os.strerror(number)), "a/b")), "^a/b: .")
        self.assertEqual(str(from_os_error(OSError("out of order"), "a")), "a: out of order")

    def test_each_kind_has_its_code(self) -> None:
        """No two kinds share a code, so that a client can turn codes back into kinds."""
        kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, FilexferError)]
        self.assertEqual(len({kind.code for kind in kinds}), len(kinds))
        for kind in kinds:
            self.assertRegex(kind.code, "^[a-z]+(-[a-z]+)*$")
