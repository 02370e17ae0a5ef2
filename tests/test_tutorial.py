"""
The tutorial's own clients, unchanged but for the port, against ``twistd -n echo``.

twisted_lab/experiments/tutorial/ holds them to the letter; only the indentation is ours, which the page had lost.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest

from tests.processes import DEADLINE, ENVIRONMENT, Running, command, service

TUTORIAL = Path(__file__).parents[1] / "twisted_lab" / "experiments" / "tutorial"


@pytest.fixture
def echo() -> Iterator[Running]:
    """Run the tutorial's server, as we have it."""
    with service("echo") as running:
        yield running


def client(name: str, echo: Running, directory: Path) -> list[str]:
    """Give the command that runs a client of the tutorial's; tests run in parallel, so the port isn't 5678."""
    program = directory / name
    program.write_text((TUTORIAL / name).read_text().replace("PORT = 5678\n", f"PORT = {echo.port}\n"))
    return [sys.executable, str(program)]


def test_the_interactive_client(echo: Running, tmp_path: Path) -> None:
    """The tutorial's interactive client sees `echo hello`, and ends when the server has closed the connection."""
    with subprocess.Popen(
        client("echo_client.py", echo, tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=ENVIRONMENT,
        text=True,
    ) as process:
        timer = Timer(DEADLINE, process.kill)
        timer.start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("hello\n")
        process.stdin.flush()
        assert process.stdout.readline() == "请输入消息:发送:hello\n"
        assert process.stdout.readline() == "收到:echo hello\n"
        echo.stop()
        process.stdin.write("anyone there?\n")
        process.stdin.flush()
        assert process.stdout.read() == "请输入消息:发送:anyone there?\n服务器连接关闭\n"
        timer.cancel()
    assert process.returncode == 0


def test_the_multi_connection_client(echo: Running, tmp_path: Path) -> None:
    """The tutorial's multi-connection client sends its messages over two connections, and sees them on each."""
    done = command(*client("multi_client.py", echo, tmp_path))
    assert (done.returncode, done.stderr) == (0, b"")
    said: dict[str, list[str]] = {}
    for line in done.stdout.decode().splitlines():
        what, _, connection = line.partition(" from connection ")
        said.setdefault(re.findall(r"laddr=\('127\.0\.0\.1', (\d+)\)", connection)[0], []).append(what)
    assert len(said) == 2
    for events in said.values():
        assert [event for event in events if event.startswith("send ")] == [
            "send 'Message 1 from client'",
            "send 'Message 2 from client'",
        ]
        # The server may receive both messages as one; the client closes after what it receives next.
        received = [event for event in events if event.startswith("received ")]
        assert received[0].startswith("received b'echo Message 1 from client")
