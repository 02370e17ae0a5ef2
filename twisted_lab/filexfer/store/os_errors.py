"""What the kernel says of a file, as our own errors."""

import errno
import os

from twisted_lab.filexfer.errors import (
    AccessError,
    BadNameError,
    ExistsError,
    FilexferError,
    InputOutputError,
    IsDirectoryError,
    NoSpaceError,
    NotDirectoryError,
    NotEmptyError,
    NotFoundError,
    NotRegularFileError,
)

_MEANINGS: dict[int, tuple[type[FilexferError], str]] = {
    errno.ENOENT: (NotFoundError, "there is nothing of that name"),
    errno.EEXIST: (ExistsError, "it exists already"),
    errno.ENOTDIR: (NotDirectoryError, "it, or something on the way to it, isn't a directory"),
    errno.EISDIR: (IsDirectoryError, "it is a directory"),
    errno.ENOTEMPTY: (NotEmptyError, "the directory isn't empty"),
    # O_NOFOLLOW met a symbolic link.
    errno.ELOOP: (NotRegularFileError, "it is a symbolic link, and none is followed"),
    # A socket, or a device without a driver.
    errno.ENXIO: (NotRegularFileError, "it isn't a regular file"),
    errno.ENODEV: (NotRegularFileError, "it isn't a regular file"),
    errno.EACCES: (AccessError, "no permission"),
    errno.EPERM: (AccessError, "no permission"),
    errno.EROFS: (AccessError, "the file system is read-only"),
    errno.ENOSPC: (NoSpaceError, "the file system is full"),
    errno.EDQUOT: (NoSpaceError, "the quota of the file system is used up"),
    errno.EFBIG: (NoSpaceError, "the file system can't hold a file that large"),
    # File systems may be stricter than we are: shorter names, fewer characters (FAT has no colon). EINVAL is also
    # the kernel's answer to moving a directory into itself.
    errno.ENAMETOOLONG: (BadNameError, "the name is too long for the file system"),
    errno.EILSEQ: (BadNameError, "the file system can't hold such a name"),
    errno.EINVAL: (BadNameError, "the file system can't hold such a name, or a directory would move into itself"),
}


def from_os_error(error: OSError, shown: str) -> FilexferError:
    """Give the typed error for what the kernel said about the file that is `shown`, a name fit to print."""
    number = error.errno or 0
    kind, why = _MEANINGS.get(number, (InputOutputError, os.strerror(number) if number else str(error)))
    return kind(f"{shown}: {why}")
