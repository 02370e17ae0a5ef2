"""
What the store says when it can't do what it was asked::

    FilexferError               .code: stable, kebab-case
    ├─ BadNameError             bad-name: no file may be called that
    ├─ NotFoundError            not-found
    ├─ ExistsError              exists
    ├─ NotDirectoryError        not-a-directory: on the way there, or there
    ├─ IsDirectoryError         is-a-directory
    ├─ NotEmptyError            not-empty: a directory
    ├─ ChangedError             changed: it isn't what it was taken for
    ├─ BusyError                busy: somebody else is putting it
    ├─ NotRegularFileError      not-a-regular-file: a symbolic link, FIFO, socket or device
    ├─ AccessError              access: the permissions of the files, or a read-only file system
    ├─ NoSpaceError             no-space: the disk, the quota or the largest file is full
    └─ InputOutputError         input-output: the disk failed, or whatever else the kernel reports
"""

import errno
import os


class FilexferError(Exception):
    """Something that can't be done; `code` is its stable name, for programs, `str()` a sentence, for people."""

    code = "failed"


class BadNameError(FilexferError):
    """No file may have that name, on this server or on its file system; use another."""

    code = "bad-name"


class NotFoundError(FilexferError):
    """There is nothing of that name, or a directory on the way to it is missing."""

    code = "not-found"


class ExistsError(FilexferError):
    """The name is taken, and wasn't to be replaced."""

    code = "exists"


class NotDirectoryError(FilexferError):
    """It, or something on the way to it, isn't a directory; a symbolic link to one isn't either."""

    code = "not-a-directory"


class IsDirectoryError(FilexferError):
    """It is a directory, and a file was wanted."""

    code = "is-a-directory"


class NotEmptyError(FilexferError):
    """The directory isn't empty; it stays as it is."""

    code = "not-empty"


class ChangedError(FilexferError):
    """The file isn't, or didn't stay, what it was taken for; look at it again."""

    code = "changed"


class BusyError(FilexferError):
    """Somebody else is putting it; ask again."""

    code = "busy"


class NotRegularFileError(FilexferError):
    """It is a symbolic link, FIFO, socket or device; their content isn't served."""

    code = "not-a-regular-file"


class AccessError(FilexferError):
    """The server itself isn't allowed to do that to its files."""

    code = "access"


class NoSpaceError(FilexferError):
    """The file system, the server's quota on it, or the largest file that it can hold is full."""

    code = "no-space"


class InputOutputError(FilexferError):
    """The disk failed, or the kernel reported what has no name of its own here; the sentence quotes it."""

    code = "input-output"


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
    errno.EACCES: (AccessError, "the server has no permission"),
    errno.EPERM: (AccessError, "the server has no permission"),
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
