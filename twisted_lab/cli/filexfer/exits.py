"""
What the command ends with: sysexits' codes, and rsync's for what is partly done::

     0  all that was asked is done, and verified
    23  some of it failed
    24  a source changed or vanished meanwhile; the rest is done
    64  the command line is wrong
    65  other bytes arrived than were sent
    66  there is no such source
    68  there is no such host
    69  the connection was refused, or nobody answers
    73  the target can't be created, or exists
    74  the disk failed or is full, here or there
    75  the connection was lost, or the command was told to end; it is safe to run again
    76  the other side doesn't keep to the protocol
    77  who asks isn't known, or may not do that
   130  interrupted; it is safe to run again
"""

import os
from collections.abc import Sequence

from twisted_lab.filexfer import errors

PARTIAL = 23
SOURCE_CHANGED = 24
INTERRUPTED = 130


class UsageError(errors.FilexferError):
    """The command line asks for what can't be meant."""

    code = "usage"


class TargetError(errors.FilexferError):
    """The target is the reason: there is no directory for it, or something is in its place; `code` says what."""

    def __init__(self, error: errors.FilexferError) -> None:
        super().__init__(str(error))
        self.code = error.code


class HostError(errors.FilexferError):
    """There is no host of that name."""

    code = "no-host"


class UnavailableError(errors.FilexferError):
    """Nobody answers there, or the connection is refused."""

    code = "unavailable"


class UntrustedError(errors.FilexferError):
    """The server's certificate isn't one to trust."""

    code = "untrusted"


class UnnameableError(errors.FilexferError):
    """There is more in a directory than can be named, and it was left out."""

    code = "unnameable"


class ProtocolError(errors.FilexferError):
    """The other side doesn't keep to the protocol."""

    code = "protocol"


#: The first that an error is an instance of decides.
_STATUS: tuple[tuple[type[errors.FilexferError], int], ...] = (
    (UsageError, os.EX_USAGE),
    (UnnameableError, PARTIAL),
    (errors.BadNameError, os.EX_USAGE),
    (errors.SourceChangedError, SOURCE_CHANGED),
    (errors.ChangedError, SOURCE_CHANGED),
    (errors.DigestMismatchError, os.EX_DATAERR),
    (errors.NotFoundError, os.EX_NOINPUT),
    (errors.NotDirectoryError, os.EX_NOINPUT),
    (errors.IsDirectoryError, os.EX_NOINPUT),
    (errors.NotRegularFileError, os.EX_NOINPUT),
    (HostError, os.EX_NOHOST),
    (UnavailableError, os.EX_UNAVAILABLE),
    (TargetError, os.EX_CANTCREAT),
    (errors.ExistsError, os.EX_CANTCREAT),
    (errors.NotEmptyError, os.EX_CANTCREAT),
    (errors.NoSpaceError, os.EX_IOERR),
    (errors.QuotaExceededError, os.EX_IOERR),
    (errors.InputOutputError, os.EX_IOERR),
    (errors.DisconnectedError, os.EX_TEMPFAIL),
    (errors.BusyError, os.EX_TEMPFAIL),
    (errors.BadRequestError, os.EX_PROTOCOL),
    (errors.UnsupportedError, os.EX_PROTOCOL),
    (errors.TooLargeError, os.EX_PROTOCOL),
    (ProtocolError, os.EX_PROTOCOL),
    (UntrustedError, os.EX_NOPERM),
    (errors.AccessError, os.EX_NOPERM),
    (errors.LoginRequiredError, os.EX_NOPERM),
    (errors.LoginFailedError, os.EX_NOPERM),
    (errors.DeniedError, os.EX_NOPERM),
)
#: What is wrong with a target where nothing is wrong with the source.
_OF_TARGET = (
    errors.NotFoundError,
    errors.NotDirectoryError,
    errors.IsDirectoryError,
    errors.NotRegularFileError,
    errors.ChangedError,
)


def exit_status(error: errors.FilexferError) -> int:
    """Give the status for a command of which nothing is left but this error; a code that is new to us is 76."""
    if error.code == errors.FilexferError.code:  # nobody's fault: a sync that would remove too much
        return PARTIAL
    return next((status for kind, status in _STATUS if isinstance(error, kind)), os.EX_PROTOCOL)


def joint_status(statuses: Sequence[int], *, succeeded: bool) -> int:
    """
    Give the status of a command of which these parts failed, and something `succeeded` or not.

    What all of it failed with; 24 for sources that changed while the rest is done; else 23. A lost connection ends
    everything, and is never hidden by what failed before.
    """
    if not statuses:
        return os.EX_OK
    if os.EX_TEMPFAIL in statuses:
        return os.EX_TEMPFAIL
    kinds = {*statuses}
    if len(kinds) == 1 and (not succeeded or kinds == {SOURCE_CHANGED}):
        return statuses[0]
    return PARTIAL


def of_target(error: errors.FilexferError) -> errors.FilexferError:
    """Give `error` as one of the target, if it can be: for when the source was found."""
    return TargetError(error) if isinstance(error, _OF_TARGET) else error
