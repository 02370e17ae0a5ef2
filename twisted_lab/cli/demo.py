"""``twisted-lab demo``: start the services, talk to them as a user would, and say what happened."""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer

#: Seconds that a step may take, and for which a service runs at most.
PATIENCE, LIFE = 60.0, 300.0
_TWISTD = "from twisted.scripts.twistd import run; run()"
_LAB = "from twisted_lab.cli.main import main; main()"
_FILEXFER = "from twisted_lab.cli.filexfer.main import main; main()"
#: What is sent: our own files; and a larger one, of which so many bytes a second are sent until that is broken off: it
#: would take a minute, however late we are with that.
_PACKAGE = Path(__file__).parents[1]
_SIZE = 2**24
_RATE = _SIZE // 64
_ADDRESS = re.compile(r"listens on (\S+)\n")


class UnexpectedError(Exception):
    """A step went otherwise than it should; the message is one sentence."""


def run(_arguments: argparse.Namespace) -> int:
    """Run the demonstration; give 0, or 1 with the reason if something went wrong."""
    try:
        _show_echo()
        _show_header()
        _show_filexfer()
    except UnexpectedError as error:
        sys.stderr.write(f"twisted-lab: {error}\n")
        return 1
    _say("All of it went as it should.")
    return os.EX_OK


def _show_echo() -> None:
    with _service("echo") as address:
        answer = _lab("echo", address, "hello")
        _say(*(f"    {line}" for line in answer.splitlines()))
        _expect("received 'echo hello'" in answer, "echo hello", answer)


def _show_header() -> None:
    with _service("header") as address:
        answer = _lab("send", "greeting", "--connect", address, "--content-file", "-", content="hello, header")
        _say(*(f"    {line}" for line in answer.splitlines()))
        _expect(answer.endswith("hello, header"), "the content", answer)
        _say("The header says how long the content is, so a message arrives whole, in however many reads.")


def _show_filexfer() -> None:
    with tempfile.TemporaryDirectory() as top:
        served = Path(top, "served")
        served.mkdir()
        Path(top, "large").write_bytes(os.urandom(_SIZE))
        with _service("filexfer", "--root", str(served)) as address:
            connect = ("--connect", f"tcp:{address}")
            _kill_on_the_way(["put", "large", ":", "--limit-rate", str(_RATE), *connect], served)
            receipt = _filexfer(served.parent, "put", "large", ":", *connect)
            _expect("were there" in receipt, "a transfer that goes on where it stopped", receipt)
            # Any program that runs meanwhile may write there what Python has compiled.
            words = ("--exclude", "__pycache__", *connect)
            _filexfer(_PACKAGE.parent, "put", "-r", _PACKAGE.name, ":", *words)
            _filexfer(_PACKAGE.parent, "verify", _PACKAGE.name, f":{_PACKAGE.name}", *words)


def _kill_on_the_way(words: list[str], served: Path) -> None:
    """Run a put beside `served`, and kill it when the server has some of it."""
    _say(f"filexfer {' '.join(words)}")
    command = [sys.executable, "-c", _FILEXFER, *words]
    with subprocess.Popen(command, cwd=served.parent) as process:  # noqa: S603  # our own program
        try:
            deadline = time.monotonic() + PATIENCE
            while not _holds_something(served):
                goes_on = process.poll() is None and time.monotonic() < deadline
                _expect(goes_on, "a transfer that takes a minute", "another")
                time.sleep(0.01)
        finally:
            process.kill()
    names = [path.name for path in served.iterdir() if not path.name.startswith(".filexfer-")]
    _expect(not names, "nothing published", str(names))
    _say("    killed on the way: nothing is there under its name, and what has come is kept", "")


def _holds_something(directory: Path) -> bool:
    """Tell whether a file in it has content; one may vanish meanwhile."""
    with suppress(FileNotFoundError):
        return any(path.stat().st_size for path in directory.iterdir())
    return False


@contextmanager
def _service(name: str, *options: str) -> Iterator[str]:
    """Run ``twistd -n NAME`` on a free port; give its address; end it, and see that it ends."""
    command = [name, *options, "--listen", "tcp:0:interface=127.0.0.1"]
    with (
        tempfile.TemporaryDirectory() as directory,
        # A file: a pipe that nobody reads would fill up, and hold the service at its next line.
        Path(directory, "log").open("w+") as log,
        subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, "-c", _TWISTD, "-n", "--pidfile=", *command],
            cwd=directory,
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        timer = Timer(LIFE, process.kill)
        timer.start()
        try:
            address = _find_address(process, Path(directory, "log"))
            _say(f"twistd -n {' '.join(command)}", f"    listens on {address}")
            yield address
        finally:
            process.terminate()
            process.wait()
            timer.cancel()
        _expect(process.returncode == -signal.SIGTERM, "an end by SIGTERM", str(process.returncode))
    _say("    stopped when asked to", "")


def _find_address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Read the service's log until a line says where it listens."""
    deadline = time.monotonic() + PATIENCE
    while True:
        ended = process.poll() is not None or time.monotonic() > deadline
        text = log.read_text()
        if match := _ADDRESS.search(text):
            return match[1]
        if ended:
            raise UnexpectedError("the service didn't start:\n" + "".join(text.splitlines(keepends=True)[-20:]))
        time.sleep(0.01)


def _lab(*arguments: str, content: str = "") -> str:
    """Run ``twisted-lab`` and give what it prints."""
    _say(f"twisted-lab {' '.join(arguments)}")
    return _run(_LAB, *arguments, content=content)


def _filexfer(directory: Path, *arguments: str) -> str:
    """Run ``filexfer`` in `directory`, show what it prints, and give it."""
    _say(f"filexfer {' '.join(arguments)}")
    printed = _run(_FILEXFER, *arguments, directory=directory)
    _say(*(f"    {line}" for line in printed.splitlines()))
    return printed


def _run(program: str, *arguments: str, content: str = "", directory: Path | None = None) -> str:
    try:
        done = subprocess.run(  # noqa: S603  # our own program
            [sys.executable, "-c", program, *arguments],
            input=content,
            capture_output=True,
            text=True,
            cwd=directory,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnexpectedError(f"{arguments[0]} took longer than {PATIENCE:g} s") from None
    _expect(done.returncode == 0, "exit status 0", f"{done.returncode}: {done.stderr}")
    return done.stdout


def _expect(holds: bool, expected: str, seen: str) -> None:  # noqa: FBT001  # reads like assert
    if not holds:
        raise UnexpectedError(f"expected {expected}, saw {seen!r}")


def _say(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
