"""``twisted-lab demo``: start the services, talk to them as a user would, and say what happened."""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

PATIENCE = 30.0  # seconds that a step may take
_TWISTD = "from twisted.scripts.twistd import run; run()"
_LAB = "from twisted_lab.cli.main import main; main()"
_ADDRESS = re.compile(r"listens on (\S+)")


class UnexpectedError(Exception):
    """A step went otherwise than it should; the message is one sentence."""


def run(_arguments: argparse.Namespace) -> int:
    """Run the demonstration; give 0, or 1 with the reason if something went wrong."""
    try:
        _show_echo()
        _show_header()
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


@contextmanager
def _service(name: str) -> Iterator[str]:
    """Run ``twistd -n NAME`` on a free port; give its address; end it, and see that it ends."""
    command = [name, "--listen", "tcp:0:interface=127.0.0.1"]
    with (
        tempfile.TemporaryDirectory() as directory,
        subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, "-c", _TWISTD, "-n", "--pidfile=", *command],
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        timer = Timer(PATIENCE, process.kill)
        timer.start()
        try:
            address = _find_address(process)
            _say(f"twistd -n {' '.join(command)}", f"    listens on {address}")
            yield address
        finally:
            process.terminate()
            process.communicate()
            timer.cancel()
        _expect(process.returncode == -signal.SIGTERM, "an end by SIGTERM", str(process.returncode))
    _say("    stopped when asked to", "")


def _find_address(process: "subprocess.Popen[str]") -> str:
    """Read the service's log up to the line that says where it listens."""
    log = []
    for line in process.stdout or ():
        log.append(line)
        if match := _ADDRESS.search(line):
            return match[1]
    raise UnexpectedError("the service didn't start:\n" + "".join(log[-20:]))


def _lab(*arguments: str, content: str = "") -> str:
    """Run one of our commands and give what it prints."""
    _say(f"twisted-lab {' '.join(arguments)}")
    try:
        done = subprocess.run(  # noqa: S603  # our own program
            [sys.executable, "-c", _LAB, *arguments],
            input=content,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnexpectedError(f"twisted-lab {arguments[0]} took longer than {PATIENCE:g} s") from None
    _expect(done.returncode == 0, "exit status 0", f"{done.returncode}: {done.stderr}")
    return done.stdout


def _expect(holds: bool, expected: str, seen: str) -> None:  # noqa: FBT001  # reads like assert
    if not holds:
        raise UnexpectedError(f"expected {expected}, saw {seen!r}")


def _say(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
