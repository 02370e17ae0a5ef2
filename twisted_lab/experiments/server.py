"""The servers that experiments are about: real processes on 127.0.0.1, which end with the block that started them."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from twisted_lab.experiments.errors import DidNotStartError
from twisted_lab.instruments.usage import processes_of

HOST = "127.0.0.1"
#: Seconds in which a server must be there; in which it must end by itself; and if the user waits for that.
PATIENCE = 60.0
END, SOON = 8.0, 1.0
#: Bytes of what a server has printed that are read: an exception is at the end.
_LAST = 65536
TUTORIAL = Path(__file__).parent / "tutorial"
_TWISTD = "from twisted.scripts.twistd import run; run()"
_LISTENS = re.compile(r" listens on 127\.0\.0\.1:(\d+)\n")
_STARTED = re.compile(r"服务器已启动,请访问\(127\.0\.0\.1:(\d+)\)")
_RAISED = re.compile(r"^\s*((?:\w+\.)*\w*(?:Error|Exception|Exit)\b.*)$", re.MULTILINE)


class Server:
    """A server that runs: its process, and where it listens."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self.process = process
        self.address = (HOST, port)
        self._log = log

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    @property
    def error(self) -> str:
        """The last exception in what it has printed, or nothing."""
        raised = _RAISED.findall(_read_end(self._log))
        return raised[-1] if raised else ""

    def is_over(self, within: float = 0.0) -> bool:
        """Tell whether the process has ended, or does within so many seconds."""
        try:
            self.process.wait(within)
        except subprocess.TimeoutExpired:
            return False
        return True


def model(name: str, *options: str) -> AbstractContextManager[Server]:
    """Run one of `twisted_lab.models`, on a free port."""
    return start([sys.executable, "-m", f"twisted_lab.models.{name}", HOST, "0", *options])


def service(name: str, *options: str) -> AbstractContextManager[Server]:
    """Run ``twistd -n NAME`` on a free port."""
    listen = f"tcp:0:interface={HOST}"
    return start([sys.executable, "-c", _TWISTD, "-n", "--pidfile=", name, "--listen", listen, *options])


def hosted(reference: str, directory: str | None = None) -> AbstractContextManager[Server]:
    """Serve the factory ``module:Factory`` in a process of its own, in which `directory` is the current one."""
    return start([sys.executable, "-m", "twisted_lab.experiments.host", reference], directory)


@contextmanager
def tutorial(name: str, change: Callable[[str], str] = str) -> Iterator[Server]:
    """Run a server of the tutorial's to the letter, but for the address, and for what `change` does to its text."""
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    text = change((TUTORIAL / f"{name}.py").read_text("utf-8"))
    with tempfile.TemporaryDirectory() as directory:
        program = Path(directory, f"{name}.py")
        program.write_text(text.replace("'0.0.0.0'", f"'{HOST}'").replace("PORT = 5678", f"PORT = {port}"), "utf-8")
        with start([sys.executable, str(program)], ready=_STARTED) as server:
            yield server


@contextmanager
def start(words: Sequence[str], directory: str | None = None, ready: re.Pattern[str] = _LISTENS) -> Iterator[Server]:
    """Run a program until the block ends; begin it when a line of the program's has said that it listens."""
    with tempfile.TemporaryDirectory() as temporary:
        log = Path(temporary, "log")
        # A file: a pipe that nobody reads would fill up, and hold the server at its next line.
        with (
            log.open("wb") as output,
            subprocess.Popen(  # noqa: S603  # our own program, or the reader's
                words,
                cwd=directory or temporary,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            patience = END
            try:
                yield Server(process, _wait_for_port(process, log, ready), log)
            except (KeyboardInterrupt, SystemExit):
                patience = SOON
                raise
            finally:
                _end(process, patience)


def _wait_for_port(process: "subprocess.Popen[bytes]", log: Path, ready: re.Pattern[str]) -> int:
    deadline = time.monotonic() + PATIENCE
    while True:
        over = process.poll() is not None or time.monotonic() > deadline
        text = _read_end(log)
        if match := ready.search(text):
            return int(match[1])
        if over:
            last = text.strip().rpartition("\n")[2]
            raise DidNotStartError(process.returncode, last or "it has printed nothing")
        time.sleep(0.005)


def _read_end(log: Path) -> str:
    """Give the last of what was printed: a program may print for ever."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST))
        return file.read(_LAST).decode("utf-8", "replace")


def _end(process: "subprocess.Popen[bytes]", patience: float) -> None:
    """Ask it to end, with what it has started, and if it doesn't within so many seconds, kill them all."""
    process.terminate()
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    finally:
        for pid in processes_of(process.pid) if process.poll() is None else []:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.kill()
