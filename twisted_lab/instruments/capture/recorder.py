"""
The recorder: connections of this process, kept in a file that Wireshark reads, without privileges and without sniffing.

Each packet is one write to the file, so whoever follows it sees whole packets, at once. When the file is `size` bytes
long it becomes FILE.1, what was that FILE.2, and so on: there are `files` at most, and the oldest goes.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from errno import EBUSY
from fcntl import LOCK_EX, LOCK_NB, flock
from ipaddress import ip_address
from pathlib import Path
from stat import S_ISREG
from time import time as seconds_since_1970
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.logger import Logger

from twisted_lab.instruments.capture.pcapng import write_packet_block, write_start
from twisted_lab.instruments.capture.recording import Recording
from twisted_lab.instruments.capture.segment import Address
from twisted_lab.net.address import show_address

#: Bytes of a file, and how many files there are at most, if nothing else is said.
SIZE = 2**26
FILES = 4
#: Of TEST-NET-1 (RFC 5737), for what has no address, such as UNIX sockets; the server is at port 1.
_NOWHERE = ip_address("192.0.2.1"), ip_address("192.0.2.2")
_FIRST_PORT = 1024


class Recorder:
    """
    Keeps connections in `path`, a new file that its owner alone may read; `OSError` if that can't be written, or if
    another recorder is at it.

    Its times are those of `clock`, and `now` says when that is. What can't be written later, when the disk is full say,
    is said in the log, once, and no more is recorded: a capture doesn't end the connections that it watches.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        path: Path | str,
        *,
        size: int = SIZE,
        files: int = FILES,
        now: Callable[[], float] = seconds_since_1970,
    ) -> None:
        self.clock = clock
        self._path = Path(path)
        self._size = size
        self._files = files
        self._epoch = now() - clock.seconds()
        self._connections = 0
        self._written = 0
        self._file: int | None = None
        self._open()

    def record(self, client: IAddress | None, server: IAddress | None, *notes: str) -> Recording:
        """Begin a connection, between those addresses; `notes` are comments on its first packet."""
        self._connections += 1
        number = self._connections
        one, other = _find_address(client), _find_address(server)
        comments = [*notes]
        if one is None or other is None or one.host.version != other.host.version:
            comments += [f"between {show_address(client)} and {show_address(server)}"]
            one = Address(_NOWHERE[0], _FIRST_PORT + number % (2**16 - _FIRST_PORT))
            other = Address(_NOWHERE[1], 1)
        recording = Recording(self._write, number, one, other)
        recording.opened(self.clock.seconds(), comments)
        return recording

    def close(self) -> None:
        """Record no more."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _open(self) -> None:
        self._file = _create(self._path)
        self._written = os.write(self._file, write_start())

    def _write(self, time: float, packet: bytes, comments: list[str]) -> None:
        if self._file is None:
            return
        block = write_packet_block(time + self._epoch, packet, comments)
        try:
            if self._written + len(block) > self._size:
                self._rotate()
            written = os.write(self._file, block)
            self._written += written
            if written < len(block):  # the disk is full; what is half there would spoil what follows
                os.ftruncate(self._file, self._written - written)
                raise OSError(0, "the disk is full")  # noqa: TRY301  # as what follows is
        except OSError as error:
            self.log.warn("the capture {path} ends here: {why}", path=str(self._path), why=error.strerror)
            self.close()

    def _rotate(self) -> None:
        self.close()
        for number in range(self._files - 1, 0, -1):
            older = self._path if number == 1 else self._path.with_name(f"{self._path.name}.{number - 1}")
            with suppress(FileNotFoundError):
                older.replace(self._path.with_name(f"{self._path.name}.{number}"))
        if self._files == 1:
            self._path.unlink(missing_ok=True)  # a new file: who follows the old one sees that it is over
        self._open()


def _create(path: Path) -> int:
    """Open a new file; what isn't one, as a pipe, as it is. An old one stays with who follows or records into it."""
    if path.is_file() and not path.is_symlink():
        old = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            flock(old, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            raise OSError(EBUSY, "another capture is written there") from None
        finally:
            os.close(old)
        path.unlink()
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    if S_ISREG(os.fstat(file).st_mode):
        flock(file, LOCK_EX)
    return file


def _find_address(address: Any) -> Address | None:
    """Give an IP address and port; None for anything else."""
    if isinstance(address, IPv4Address | IPv6Address):
        with suppress(ValueError):  # a name in the place of an address
            return Address(ip_address(address.host.partition("%")[0]), address.port)
    return None
