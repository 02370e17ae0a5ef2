"""What the kernel says, in our own errors."""

import errno
import os

from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.filexfer.store.os_errors import from_os_error

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


class OsErrorTests(SynchronousTestCase):
    """`from_os_error`."""

    def test_codes(self) -> None:
        """A program can tell a full disk from a broken one, and a missing file from a forbidden one."""
        for number, code in CODES.items():
            self.assertEqual(from_os_error(OSError(number, os.strerror(number)), "a").code, code)

    def test_any_error(self) -> None:
        """Whatever the kernel says has a code and a sentence that names the file."""
        for number in errno.errorcode:
            self.assertRegex(str(from_os_error(OSError(number, os.strerror(number)), "a/b")), "^a/b: .")
        self.assertEqual(str(from_os_error(OSError("out of order"), "a")), "a: out of order")
