"""Rename without replacing, which neither POSIX nor Python's `os` has."""

import ctypes
import errno
import os
import stat

#: linux/fs.h
_RENAME_NOREPLACE = 1
#: What a kernel or a file system says that doesn't know the flag.
_UNKNOWN = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}

_libc = ctypes.CDLL(None, use_errno=True)


def rename_exclusively(source_fd: int, source: bytes, target_fd: int, target: bytes) -> None:
    """
    Rename `source` in the directory `source_fd` to `target` in `target_fd`; `FileExistsError` if that exists.

    One atomic step by renameat2(2). Where that can't be had, link and unlink: then both names exist for a moment, or
    for ever if the process dies there. Directories can't be linked: there, they raise an `OSError`.
    """
    try:
        _renameat2(source_fd, source, target_fd, target)
    except OSError as error:
        if error.errno not in _UNKNOWN:
            raise
        # Of a directory, EINVAL may also mean that it would move into itself.
        if stat.S_ISDIR(os.stat(source, dir_fd=source_fd, follow_symlinks=False).st_mode):
            raise
        os.link(source, target, src_dir_fd=source_fd, dst_dir_fd=target_fd, follow_symlinks=False)
        os.unlink(source, dir_fd=source_fd)


def _renameat2(source_fd: int, source: bytes, target_fd: int, target: bytes) -> None:
    if not hasattr(_libc, "renameat2"):  # glibc before 2.28
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if _libc.renameat2(source_fd, source, target_fd, target, _RENAME_NOREPLACE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
