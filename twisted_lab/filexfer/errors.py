"""
What filexfer says when it can't do what it was asked::

    FilexferError               .code: stable, kebab-case
    ├─ BadNameError             bad-name: no file may be called that
    ├─ NotFoundError            not-found
    ├─ ExistsError              exists
    ├─ NotDirectoryError        not-a-directory: on the way there, or there
    ├─ IsDirectoryError         is-a-directory
    ├─ NotEmptyError            not-empty: a directory
    ├─ ChangedError             changed: it isn't what it was taken for
    ├─ BusyError                busy: somebody else is putting it
    ├─ TooLargeError            too-large: for a bundle
    ├─ NotRegularFileError      not-a-regular-file: a symbolic link, FIFO, socket or device
    ├─ AccessError              access: the permissions of the files, or a read-only file system
    ├─ NoSpaceError             no-space: the disk, the quota or the largest file is full
    ├─ InputOutputError         input-output: the disk failed, or whatever else the kernel reports
    ├─ QuotaExceededError       quota-exceeded: the user's share of the disk is used up
    ├─ DigestMismatchError      digest-mismatch: other bytes arrived than were sent
    ├─ BadRequestError          bad-request: a key is missing, or of the wrong kind
    ├─ UnsupportedError         unsupported: a type, version or digest that isn't known
    ├─ LoginRequiredError       login-required
    ├─ LoginFailedError         login-failed
    ├─ DeniedError              denied: who asks may not do that
    │  what only a client says, of its own side:
    ├─ SourceChangedError       source-changed: the file changed, or went, while it was sent
    └─ DisconnectedError        disconnected: the connection is lost, what was asked may or may not be done

The codes are those of the protocol: an ``error`` that a server sends becomes, by `from_code`, the error it was there.
"""


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


class TooLargeError(FilexferError):
    """A bundle has no room for it; get it by itself."""

    code = "too-large"


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


class QuotaExceededError(FilexferError):
    """The user's share of the disk is used up, or wouldn't hold that; remove something first."""

    code = "quota-exceeded"


class DigestMismatchError(FilexferError):
    """The bytes that arrived aren't those that were sent; nothing was published, send it again."""

    code = "digest-mismatch"


class BadRequestError(FilexferError):
    """A key of the request is missing or of the wrong kind, or it came at the wrong moment."""

    code = "bad-request"


class UnsupportedError(FilexferError):
    """The other side doesn't know that type of request, version of the protocol, or digest."""

    code = "unsupported"


class LoginRequiredError(FilexferError):
    """The server wants to know who asks."""

    code = "login-required"


class LoginFailedError(FilexferError):
    """The server doesn't know that user with that password or certificate."""

    code = "login-failed"


class DeniedError(FilexferError):
    """Who asks is known, and may not do that."""

    code = "denied"


class SourceChangedError(FilexferError):
    """The file changed, or went, while it was sent; nothing was published, send it again."""

    code = "source-changed"


class DisconnectedError(FilexferError):
    """The connection is lost; what was asked last may or may not have been done, and may be asked again."""

    code = "disconnected"


def from_code(code: str, sentence: str) -> FilexferError:
    """Give the error that a server's ``error`` message means; a plain `FilexferError` with its `code`, if it is new."""
    kind = _BY_CODE.get(code)
    if kind is not None:
        return kind(sentence)
    error = FilexferError(sentence)
    error.code = code
    return error


#: What only a client says of its own side has no meaning from a server.
_OURS = {SourceChangedError, DisconnectedError}
_BY_CODE = {kind.code: kind for kind in FilexferError.__subclasses__() if kind not in _OURS}
