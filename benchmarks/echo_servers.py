"""The echo servers that are compared: how each is started, how its absence is told, and that each is right."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

from twisted.application.reactors import getReactorTypes

from processor import pin

SOURCES = Path(__file__).parent / "echo"
TWISTD = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]
#: Many enough that ours doesn't refuse those whose memory is measured.
SERVICE = ["-n", "--pidfile=", "echo", "--prefix=", "--listen=tcp:0:interface=127.0.0.1", "--max-connections=20000"]
EAGER = "eager"
PATIENCE = 60  # seconds that a server has for anything
CHECKED = 2**20  # bytes that it must echo before it is measured


class WrongError(Exception):
    """A server doesn't start, or doesn't echo; says how."""


@dataclass(frozen=True)
class Server:
    """A server: its key on the command line, its name, its command; and how to get it, if it can't be had as it is."""

    key: str
    name: str
    command: list[str]
    get: str = ""


@dataclass
class Running:
    """A running server."""

    server: Server
    pid: int
    port: int


def compile_c(name: str, work: Path) -> str:
    """Compile one of our C programs into `work`; give its path."""
    program = work / name
    words = ["cc", "-O2", "-o", str(program), str(SOURCES / f"{name}.c")]
    subprocess.run(words, check=True)  # noqa: S603  # our own
    return str(program)


def find_servers(work: Path) -> list[Server]:
    """Give all servers, the compiled ones compiled into `work`."""

    def script(name: str, *words: str) -> list[str]:
        return [sys.executable, str(SOURCES / name), *words]

    def package(name: str) -> str:
        return "" if find_spec(name) else f"pip install {name}"

    go = work / "echo-go"
    if shutil.which("go"):
        subprocess.run(["go", "build", "-o", str(go), str(SOURCES / "echo.go")], check=True)  # noqa: S603, S607  # our own
    eager = "" if EAGER in {kind.shortName for kind in getReactorTypes()} else f"a twisted-lab with reactor {EAGER}"
    node = shutil.which("node") or shutil.which("nodejs") or ""
    loop = "asyncio_protocol.py"
    return [
        Server("c", "C, epoll", [compile_c("echo", work)]),
        Server("ours-eager", "ours, eager", [*TWISTD, f"--reactor={EAGER}", *SERVICE], eager),
        Server("ours", "ours, default reactor", [*TWISTD, *SERVICE]),
        Server("stock-eager", "Twisted Protocol, eager", script("twisted_protocol.py", EAGER), eager),
        Server("stock", "Twisted Protocol, default reactor", script("twisted_protocol.py")),
        Server("uvloop", "uvloop Protocol", script(loop, "uvloop"), package("uvloop")),
        Server("rloop", "rloop Protocol", script(loop, "rloop"), package("rloop")),
        Server("asyncio", "asyncio Protocol", script(loop, "asyncio")),
        Server("streams", "asyncio streams", script("asyncio_streams.py")),
        Server("python", "Python, epoll loop", script("epoll_loop.py")),
        Server("go", "Go, net", [str(go)], "" if shutil.which("go") else "apt-get install golang-go"),
        Server("node", "Node, net", [node, str(SOURCES / "echo.js")], "" if node else "apt-get install nodejs"),
    ]


@contextmanager
def serving(servers: list[Server], core: int) -> Iterator[list[Running]]:
    """Run servers on a core until the block ends."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        started = []
        for server in servers:
            log = stack.enter_context((directory / server.key).open("w+"))
            process = subprocess.Popen(pin(server.command, core), stdout=log, stderr=log, cwd=directory)  # noqa: S603  # ours
            stack.callback(process.wait, PATIENCE)
            stack.callback(process.kill)
            started.append((server, process, directory / server.key))
        yield [Running(server, process.pid, _port(server, process, log)) for server, process, log in started]


def _port(server: Server, process: "subprocess.Popen[bytes]", log: Path) -> int:
    deadline = time.monotonic() + PATIENCE
    while (match := re.search(r"127\.0\.0\.1:(\d+)\n", log.read_text())) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise WrongError(f"{server.name} doesn't start: {log.read_text()}")
        time.sleep(0.02)
    return int(match[1])


def check(running: Running) -> None:
    """Have it echo a mebibyte."""
    data = os.urandom(CHECKED)
    with socket.create_connection(("127.0.0.1", running.port), PATIENCE) as connection:
        sender = Thread(target=_send, args=(connection, data), daemon=True)
        sender.start()
        came = bytearray()
        try:
            while len(came) < len(data) and (piece := connection.recv(2**16)):
                came += piece
        except OSError as error:
            raise WrongError(f"{running.server.name} doesn't echo: {error}") from error
        sender.join(PATIENCE)
    if came != data:
        raise WrongError(f"{running.server.name} doesn't echo: {len(came)} bytes came back, or other ones")


def _send(connection: socket.socket, data: bytes) -> None:
    with suppress(OSError):  # whoever reads will miss it
        connection.sendall(data)
