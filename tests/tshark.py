"""Wireshark's tshark, for the tests that hold captures and dissectors to it."""

import shutil
from pathlib import Path

from tests.processes import command
from twisted_lab.instruments.capture.dissector import write_dissector
from twisted_lab.specimen import find

#: Why it can't be used here.
NO_TSHARK = None if shutil.which("tshark") else "tshark isn't installed"


def tshark(capture: Path, *words: str, dissector: Path | None = None) -> str:
    """Give what it prints of a capture. Root's scripts are run too, unless Wireshark's init.lua forbids that."""
    scripts = [] if dissector is None else ["-X", f"lua_script:{dissector}"]
    done = command("tshark", *scripts, "-r", str(capture), *words)
    assert done.returncode == 0, done.stderr.decode()
    assert b"Lua:" not in done.stderr, done.stderr.decode()
    return done.stdout.decode()


def fields(capture: Path, *names: str, only: str = "", dissector: Path | None = None) -> list[list[str]]:
    """Give these fields of each packet, of those that a display filter lets pass."""
    chosen = [word for name in names for word in ("-e", name)]
    out = tshark(capture, "-T", "fields", "-E", "aggregator=|", *chosen, "-Y", only or "tcp", dissector=dissector)
    return [line.split("\t") for line in out.splitlines()]


def make_dissector(path: Path, specimen: str, port: int) -> Path:
    """Write the dissector of a specimen at a port."""
    path.write_text(write_dissector(find(specimen), port))
    return path
