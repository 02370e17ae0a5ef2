"""
Blocks of the disk, reserved before the bytes come that fill them: a full disk is reported first, not last.

fallocate(2) reserves them beyond the file's end, and doesn't change its size, by which a resume knows how much is
there. File systems that can't do that are asked how much is free, which promises nothing but refuses the hopeless. So
is tmpfs, where to reserve is to take every page of memory one by one, for half as long as to fill them.
"""

import ctypes
import errno
import os

#: linux/falloc.h
_KEEP_SIZE = 1
#: What a kernel or a file system says that can't.
_UNKNOWN = {errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}

#: linux/magic.h, and the bytes of a struct statfs, or more; its first word says what kind the file system is.
_TMPFS = 0x01021994
_STATFS = 512

_libc = ctypes.CDLL(None, use_errno=True)
# Where off_t has 32 bits, the one that takes 64 has a name of its own.
_fallocate = getattr(_libc, "fallocate64", None) or getattr(_libc, "fallocate", None)
if _fallocate is not None:
    _fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def reserve(descriptor: int, offset: int, count: int) -> None:
    """
    Reserve blocks for `count` bytes, at least 1, from `offset` on; `OSError`, ENOSPC, if there aren't so many.

    After an error some may be reserved: `give_back` frees them.
    """
    if _in_memory(descriptor):
        _ask(descriptor, count)
        return
    try:
        _reserve(descriptor, offset, count)
    except OSError as error:
        if error.errno not in _UNKNOWN:
            raise
        _ask(descriptor, count)


def give_back(descriptor: int, size: int) -> None:
    """Free what is reserved beyond `size`, the bytes that the file shall keep."""
    os.ftruncate(descriptor, size)


def _in_memory(descriptor: int) -> bool:
    kind = (ctypes.c_long * (_STATFS // ctypes.sizeof(ctypes.c_long)))()
    return hasattr(_libc, "fstatfs") and _libc.fstatfs(descriptor, kind) == 0 and kind[0] == _TMPFS


def _ask(descriptor: int, count: int) -> None:
    space = os.fstatvfs(descriptor)
    if space.f_bavail * space.f_frsize < count:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _reserve(descriptor: int, offset: int, count: int) -> None:
    if _fallocate is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    # A signal may interrupt it, of which it says so and begins again.
    while _fallocate(descriptor, _KEEP_SIZE, offset, count) != 0:
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))
