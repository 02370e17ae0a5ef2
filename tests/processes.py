"""Real ``twistd``, commands and sockets, for the tests that need them: port 0, a temporary directory, a deadline."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import IO

DEADLINE = 60.0  # seconds
SCRIPTS = Path(sys.executable).parent
#: What a user's shell would have, with our scripts first; coverage's variables come along.
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}",
    "PYTHONUNBUFFERED": "1",
    "COLUMNS": "80",
}
#: The same without them, for what is counted elsewhere and would take twice as long.
UNCOUNTED = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("COV")}
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
def service(
    name: str,
    *options: str,
    endpoints: int = 1,
    listen: bool = True,
    twistd: Sequence[str] = ("twistd", "-n"),
    descriptors: Sequence[int] = (),
) -> Iterator[Running]:
    """
    Run ``twistd -n NAME OPTIONS`` in a temporary directory until the block ends; wait until it listens.

    Without a ``--listen`` of the caller's (`listen=False`) it listens on a free port of 127.0.0.1. `endpoints`:
    how many there are to wait for. `twistd`: the words before the name; `descriptors`: those it inherits.
    """
    where = ("--listen", "tcp:0:interface=127.0.0.1") if listen else ()
    with program(*twistd, name, *where, *options, endpoints=endpoints, descriptors=descriptors) as running:
        yield running


@contextmanager
def program(*words: str, endpoints: int = 1, descriptors: Sequence[int] = ()) -> Iterator[Running]:
    """Run a program in a temporary directory until the block ends; wait until it says that it listens, so often."""
    with tempfile.TemporaryDirectory() as directory:
        process = subprocess.Popen(
            words,
            cwd=directory,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            pass_fds=descriptors,
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


@contextmanager
def answering(answer: Callable[[socket.socket], object]) -> Iterator[str]:
    """
    Run a server of the test's own, in a thread, until the block ends; give its address.

    It takes one connection, calls `answer` with it, then reads until the client closes, and closes.
    """

    def serve() -> None:
        # The client may reset the connection; or never come, and then the listener is shut.
        with suppress(OSError):
            connection, _ = listener.accept()
            connection.settimeout(DEADLINE)
            with connection:
                answer(connection)
                receive_all(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE)
        server = Thread(target=serve, daemon=True)
        server.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
    server.join(DEADLINE)
    assert not server.is_alive()


def connect(address: str) -> socket.socket:
    """Connect to HOST:PORT or unix:PATH; whatever is done with the socket has a deadline."""
    host, _, port = address.rpartition(":")
    if host == "unix":
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(DEADLINE)
        connection.connect(port)
        return connection
    return socket.create_connection((host, int(port)), DEADLINE)


def receive(connection: socket.socket, count: int) -> bytes:
    """Receive `count` bytes, or fewer if the stream ends before."""
    data = b""
    while len(data) < count and (chunk := connection.recv(count - len(data))):
        data += chunk
    return data


def receive_all(connection: socket.socket) -> bytes:
    """Receive until the stream ends."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def command(
    *words: str,
    content: str | bytes | None = None,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
    cwd: Path | None = None,
    deadline: float = DEADLINE,
) -> "subprocess.CompletedProcess[bytes]":
    """
    Run a command to its end and give what it printed, as bytes, and its exit status.

    `content` comes to it through a pipe; without any its standard input is `stdin`. `deadline` is in seconds.
    """
    return subprocess.run(
        words,
        input=content.encode() if isinstance(content, str) else content,
        stdin=stdin if content is None else None,
        capture_output=True,
        cwd=cwd,
        env=ENVIRONMENT,
        timeout=deadline,
        check=False,
    )


def unread(*words: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a command whose output nobody reads any more when it begins."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as output:
        return subprocess.run(
            words, stdout=output, stderr=subprocess.PIPE, env=ENVIRONMENT, timeout=DEADLINE, check=False
        )


def children(pid: int) -> list[int]:
    """Give the processes that a process has started and that run."""
    return [int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]
