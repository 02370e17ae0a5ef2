"""Real ``twistd`` and real commands, for the tests that need them: port 0, a temporary directory, a deadline."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

DEADLINE = 30.0  # seconds
SCRIPTS = Path(sys.executable).parent
#: What a user's shell would have, with our scripts first; coverage's variables come along.
ENVIRONMENT = {**os.environ, "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}
_LISTENS = re.compile(r" listens on (\S+)( \(udp\))?\n")


class Running:
    """A running service: its process, what it has logged so far, and where it listens."""

    def __init__(self, process: "subprocess.Popen[str]", directory: Path) -> None:
        self.process = process
        self.directory = directory
        self.log = ""
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def addresses(self) -> list[str]:
        """Where it listens, in the order of its endpoints: HOST:PORT or unix:PATH."""
        return [match[1] for match in _LISTENS.finditer(self.log) if not match[2]]

    @property
    def port(self) -> int:
        """The TCP port of the first endpoint."""
        return int(self.addresses[0].rpartition(":")[2])

    def wait_for(self, text: str) -> None:
        """Wait until `text` is in the log."""
        self.wait_until(lambda: text in self.log, f"a log line with {text!r}")

    def wait_until(self, happened: Callable[[], bool], what: str) -> None:
        """Wait until `happened()`, which is called `what` if it doesn't."""
        deadline = time.monotonic() + DEADLINE
        while not happened():
            if time.monotonic() > deadline or not self._reader.is_alive():
                assert happened(), f"waited for {what} in vain:\n{self.log}"
            time.sleep(0.01)

    def stop(self, with_signal: int = signal.SIGTERM) -> int:
        """Ask it to end, wait until it has, and give the exit status: negative for a signal."""
        self.process.send_signal(with_signal)
        return self.wait()

    def wait(self) -> int:
        """Wait until it has ended by itself, and give the exit status."""
        status = self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        return status

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.log += line


@contextmanager
def service(name: str, *options: str, endpoints: int = 1, listen: bool = True) -> Iterator[Running]:
    """
    Run ``twistd -n NAME OPTIONS`` in a temporary directory until the block ends; wait until it listens.

    Without a ``--listen`` of the caller's (`listen=False`) it listens on a free port of 127.0.0.1. `endpoints`:
    how many there are to wait for.
    """
    where = ("--listen", "tcp:0:interface=127.0.0.1") if listen else ()
    with tempfile.TemporaryDirectory() as directory:
        process = subprocess.Popen(
            ["twistd", "-n", name, *where, *options],
            cwd=directory,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running = Running(process, Path(directory))
        try:
            running.wait_until(lambda: len(running.addresses) >= endpoints, f"listening on {endpoints} endpoints")
            yield running
        finally:
            if process.poll() is None:
                process.kill()
            running.wait()
            if process.stdout:
                process.stdout.close()


def command(
    *words: str, content: str | bytes | None = None, cwd: Path | None = None
) -> "subprocess.CompletedProcess[bytes]":
    """Run a command to its end and give what it printed, as bytes, and its exit status."""
    data = content.encode() if isinstance(content, str) else content
    return subprocess.run(
        words,
        input=data,
        stdin=subprocess.DEVNULL if data is None else None,
        capture_output=True,
        cwd=cwd,
        env=ENVIRONMENT,
        timeout=DEADLINE,
        check=False,
    )
