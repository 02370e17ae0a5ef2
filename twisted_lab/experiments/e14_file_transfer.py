"""Experiment 14: a file, a connection that breaks in the middle, and what is there afterwards."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

from twisted_lab.experiments.client import MIB, connect
from twisted_lab.experiments.errors import CannotRunError
from twisted_lab.experiments.experiment import Claim, Experiment, Picture
from twisted_lab.experiments.patience import DEADLINE
from twisted_lab.experiments.server import HOST, service

#: The file's bytes, and how many of them go in a second when the transfer is to be broken off: it would take a minute,
#: however late we are with that.
SIZE = 16 * MIB
RATE = SIZE // 64
_FILEXFER = "from twisted_lab.cli.filexfer.main import main; main()"


def run() -> Iterator[Claim | Picture]:
    """Break off a transfer by a plain socket, and one by filexfer; then go on with that."""
    with tempfile.TemporaryDirectory() as top:
        place = Path(top)
        (place / "file").write_bytes(os.urandom(SIZE))
        (place / "served").mkdir()
        yield send_plainly(place)
        with service("filexfer", "--root", str(place / "served")) as server:
            transfer = Transfer(place, server.address[1])
            yield transfer.break_off()
            yield transfer.go_on()
            yield transfer.get_back()


def send_plainly(place: Path) -> Claim:
    """Send half of the file over a socket to a receiver that writes what comes until nothing more does."""
    received = place / "received"

    def store() -> None:
        connection, _ = listener.accept()
        connection.settimeout(DEADLINE)
        with connection, received.open("wb") as file:
            while data := connection.recv(65536):
                file.write(data)

    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(DEADLINE)
        receiver = Thread(target=store, daemon=True)
        receiver.start()
        with connect(listener.getsockname()) as sender:
            sender.sendall((place / "file").read_bytes()[: SIZE // 2])  # and here it is killed: its kernel closes
        receiver.join(DEADLINE)
    size = received.stat().st_size
    return Claim(
        "over a plain socket, whose end is the file's end, a sender that dies leaves part of a file, and the receiver "
        "takes it for the whole",
        f"a file of {size / SIZE:.0%} of the bytes, and no error",
        0 < size < SIZE,
    )


class Transfer:
    """The file on its way to the service, by ``filexfer``."""

    def __init__(self, place: Path, port: int) -> None:
        self.place = place
        self.connect = ["--connect", f"tcp:{HOST}:{port}"]

    def break_off(self) -> Claim:
        """Kill a put when some of the file has come."""
        served = self.place / "served"
        words = ["put", "file", ":", "--limit-rate", str(RATE), *self.connect]
        with subprocess.Popen([sys.executable, "-c", _FILEXFER, *words], cwd=self.place) as process:  # noqa: S603
            try:
                deadline = time.monotonic() + DEADLINE
                while not size_of_all(served):
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise CannotRunError("a transfer couldn't be broken off in the middle")
                    time.sleep(0.01)
            finally:
                process.kill()
        return Claim(
            "filexfer, killed in the middle, leaves nothing under the file's name",
            f"{'a' if (served / 'file').exists() else 'no'} file of that name",
            not (served / "file").exists(),
        )

    def go_on(self) -> Claim:
        """Put the file again."""
        printed = self.filexfer("put", "file", ":", "--json")
        same = (self.place / "served" / "file").read_bytes() == (self.place / "file").read_bytes()
        kept = json.loads(printed.splitlines()[0])["resumed"]
        return Claim(
            "the next put goes on where that one stopped, and then the whole file is there",
            f"{kept / MIB:.2f} of {SIZE / MIB:.0f} MiB were there; the file is {'' if same else 'not '}the same",
            0 < kept < SIZE and same,
        )

    def get_back(self) -> Claim:
        """Get it back."""
        self.filexfer("get", ":file", "back")
        same = (self.place / "back").read_bytes() == (self.place / "file").read_bytes()
        return Claim("it comes back the same", f"{'the same' if same else 'another'} file", same)

    def filexfer(self, *words: str) -> str:
        """Run ``filexfer`` to its end, and give what it prints."""
        done = subprocess.run(  # noqa: S603  # our own program
            [sys.executable, "-c", _FILEXFER, *words, *self.connect],
            cwd=self.place,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        if done.returncode:
            raise CannotRunError(f"filexfer {words[0]} failed: {done.stderr.strip()}")
        return done.stdout


def size_of_all(directory: Path) -> int:
    """Give the bytes of all files in it; one may vanish meanwhile."""
    size = 0
    for path in directory.iterdir():
        with suppress(FileNotFoundError):
            size += path.stat().st_size
    return size


EXPERIMENT = Experiment(
    14,
    "file transfer",
    "A connection breaks in the middle of a file. What is there afterwards?",
    "Over a plain socket, part of a file that looks like the whole. By filexfer, nothing under its name, and what has "
    "come is kept until the next put goes on with it.",
    run,
)
