"""
A bundle: many small files in the content of one message, each a message of the header protocol itself.

docs/filexfer-protocol.rst lays it down.
"""

from dataclasses import dataclass
from typing import Any

from twisted_lab.filexfer.errors import BadRequestError, FilexferError, UnsupportedError
from twisted_lab.filexfer.messages.keys import Keys, split_mtime
from twisted_lab.filexfer.messages.requests import EARLIEST, LATEST
from twisted_lab.filexfer.names import MAX_NAME, Name, join_name, show_name
from twisted_lab.filexfer.small_file import SmallFile
from twisted_lab.wire.errors import RemoteProtocolError
from twisted_lab.wire.header import Content, End, Event, Header, HeaderCodec, Message

#: Files of one bundle, bytes of it, and bytes of one of its files, at most.
MAX_FILES = 1024
MAX_BUNDLE = 2**24
MAX_FILE = 2**18


@dataclass(frozen=True, slots=True)
class BundleFault:
    """A file of a bundle that can't be put, and why; `path` is fit to print. Those after it aren't concerned."""

    path: str
    error: FilexferError


class BundleDecoder:
    """
    Decode a bundle's content. Memory: one unfinished file, of at most `MAX_FILE` bytes, and what a feed completes.

    `BadRequestError` from `feed` or `eof`: what follows can't be read, or is more than a bundle may have. What was
    given before holds.
    """

    def __init__(self) -> None:
        self._codec = HeaderCodec()
        self._files = 0
        self._bytes = 0
        self._error: BadRequestError | None = None
        self._begun: _Facts | BundleFault = BundleFault("", BadRequestError("nothing has begun"))
        self._content = bytearray()

    def feed(self, data: bytes) -> list[SmallFile | BundleFault]:
        """Take the next bytes; give the files that they complete, or what is wrong with each, in order."""
        found: list[SmallFile | BundleFault] = []
        for event in self._decode(data):
            match event, self._begun:
                case Header(fields), _:
                    if self._files == MAX_FILES:  # raised by what follows, so that those before are given
                        self._error = BadRequestError(f"a bundle has at most {MAX_FILES} files")
                        break
                    self._files += 1
                    self._begun = _read(fields)
                case Content(piece), _Facts():
                    self._content += piece
                case End(), _Facts(name, digest, mtime_ns, mode):
                    found.append(SmallFile(name, bytes(self._content), digest, mtime_ns, mode))
                    self._content.clear()
                case End(), BundleFault() as fault:
                    found.append(fault)
        return found

    def eof(self) -> None:
        """Take the end of the bundle, which may not be in the middle of a file."""
        if self._error is not None:
            raise self._error
        try:
            self._codec.eof()
        except RemoteProtocolError as error:
            raise _unreadable(error) from None

    def _decode(self, data: bytes) -> list[Event]:
        self._bytes += len(data)
        if self._error is None and self._bytes > MAX_BUNDLE:
            self._error = BadRequestError(f"a bundle has at most {MAX_BUNDLE} bytes")
        if self._error is not None:
            raise self._error
        try:
            return self._codec.feed(data)
        except RemoteProtocolError as error:
            raise _unreadable(error) from None


def encode_small(file: SmallFile) -> bytes:
    """Write a file as it stands in a bundle."""
    header: dict[str, Any] = {"type": "file", "path": join_name(file.name), "digest": file.digest}
    if file.mtime_ns is not None:
        header["mtime"] = split_mtime(file.mtime_ns)
    if file.mode is not None:
        header["mode"] = file.mode
    if file.etag is not None:
        header["etag"] = file.etag
    return _ENCODER.encode(Message(header, file.content))


@dataclass(frozen=True, slots=True)
class _Facts:
    """A file that has begun."""

    name: Name
    digest: str
    mtime_ns: int | None
    mode: int | None


def _read(fields: dict[str, Any]) -> _Facts | BundleFault:
    """Read a file's header; its content is worth keeping only if nothing is wrong with it."""
    keys = Keys(fields)
    try:
        if fields["type"] != "file":
            raise UnsupportedError("a bundle has messages of the type file, and no others")
        keys.optional("length", lambda key: keys.integer(key, 0, MAX_FILE))
        return _Facts(
            keys.name("path"),
            keys.digest("digest"),
            keys.optional("mtime", lambda key: keys.mtime(key, EARLIEST, LATEST)),
            keys.optional("mode", lambda key: keys.integer(key, 0, 0o777)),
        )
    except FilexferError as error:
        path = fields.get("path")
        return BundleFault(show_name(path[:MAX_NAME]) if isinstance(path, str) else "", error)


def _unreadable(error: RemoteProtocolError) -> BadRequestError:
    return BadRequestError(f"the bundle can't be read any further: {error}")


#: Encoding keeps nothing.
_ENCODER = HeaderCodec()
