"""The proxies that are compared: how each is started for a server's port, and how its absence is told."""

import shutil
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

from echo_servers import PATIENCE, TWISTD, Running, Server, WrongError

SOURCES = Path(__file__).parent / "proxy"
#: What ours is told, besides the server's port. It has no faults, and no API, which costs nothing while nobody asks.
SERVICE = ["-n", "--pidfile=", "faultproxy", "--api=", "--listen=tcp:0:interface=127.0.0.1", "--upstream"]


def find_proxies(there: int) -> list[Server]:
    """Give all proxies, for a server on that port."""

    def program(name: str) -> Server:
        get = "" if shutil.which(name) else f"apt-get install {name}"
        return Server(name, name, [sys.executable, str(SOURCES / "other.py"), name, str(there)], get)

    return [
        Server("ours", "ours, default reactor", [*TWISTD, *SERVICE, f"127.0.0.1:{there}"]),
        Server("ours-eager", "ours, eager", [*TWISTD, "--reactor=eager", *SERVICE, f"127.0.0.1:{there}"]),
        Server("portforward", "portforward", [sys.executable, str(SOURCES / "portforward.py"), str(there)]),
        program("socat"),
        program("haproxy"),
    ]


def wait_for(running: Running) -> None:
    """Wait until one accepts connections: it may have said where it listens before it did."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", running.port), PATIENCE):
            return
        if time.monotonic() > deadline:
            raise WrongError(f"{running.server.name} doesn't listen")
        time.sleep(0.02)
