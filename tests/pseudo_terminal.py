"""A pseudo-terminal with a command in it."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from typing import Self

from tests.processes import DEADLINE, ENVIRONMENT

ROWS, COLUMNS = 24, 80


def open_terminal() -> tuple[int, int]:
    """Give the two ends of a terminal of that size: ours, and that of the command."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("4H", ROWS, COLUMNS, 0, 0))
    return ours, its


def start_in(terminal: int, *words: str) -> "subprocess.Popen[bytes]":
    """
    Run a command with a terminal for everything.

    It has a session of its own with that as its terminal, so that Ctrl-C reaches it; and that isn't ignored, which it
    would inherit where the tests run in the background.
    """
    return subprocess.Popen(
        ["env", "--default-signal=INT", "setsid", "--ctty", *words],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**ENVIRONMENT, "TERM": "xterm"},
    )


class PseudoTerminal:
    """Runs `words` with a terminal of 80 columns for everything; `shown` is all that was written to it, as it came."""

    def __init__(self, *words: str) -> None:
        self.shown = ""
        self._master, slave = open_terminal()
        self._process = start_in(slave, *words)
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(DEADLINE)
        os.close(self._master)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._master, keys.encode())

    def wait_for(self, text: str) -> None:
        """Wait until `text` was written."""
        deadline = time.monotonic() + DEADLINE
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            assert self._read(), self.shown

    def wait(self) -> int:
        """Wait until the command has ended; give its status."""
        while self._read():
            pass
        return self._process.wait(DEADLINE)

    def _read(self) -> bool:
        """Take what there is, waiting for it; tell whether more may come."""
        if not select.select([self._master], [], [], DEADLINE)[0]:
            raise AssertionError(f"nothing for {DEADLINE:g} s: {self.shown}")
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the last one who had it open has gone
            return False
        self.shown += data.decode()
        return bool(data)
