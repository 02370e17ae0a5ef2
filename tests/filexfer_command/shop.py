"""A service with an empty root, and a directory in which a user runs commands against it."""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from tests.processes import DEADLINE, ENVIRONMENT, Running, command
from tests.proxy import Hold, proxy

MEBIBYTE = 2**20
#: What a sum says of speed if the command took long enough, which depends on the machine.
_RATE = re.compile(r", \d+\.\d s, [\d.]+ \w+/s$", re.MULTILINE)


@dataclass(frozen=True)
class Shop:
    """A service, its address and root, and a directory of the user's in which the command runs."""

    serving: Running
    address: str
    root: Path
    here: Path

    @contextmanager
    def half_way(self, direction: str) -> Iterator[tuple[Self, Hold]]:
        """Give the same shop behind a proxy: of what goes "up" or "down" 3 MiB arrive, and the rest when it is told."""
        with proxy(self.serving.port) as between:
            hold = between.hold(direction, 3 * MEBIBYTE)
            yield replace(self, address=f"127.0.0.1:{between.port}"), hold

    def run(self, *words: str, content: bytes | None = None) -> tuple[int, str, str]:
        """Run `filexfer WORDS` with this service for ``:PATH``; give exit status, output without rate, and errors."""
        done = command("filexfer", *words, "--connect", self.address, content=content, cwd=self.here)
        return done.returncode, _RATE.sub("", done.stdout.decode()), done.stderr.decode()

    def records(self, *words: str, status: int = 0) -> list[dict[str, Any]]:
        """Run with ``--json``; see that the status is that, and give the objects."""
        found, output, errors = self.run(*words, "--json")
        assert found == status, errors
        return [json.loads(line) for line in output.splitlines()]

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        """Start a command, in a group of its own in which an interrupt isn't ignored."""
        return subprocess.Popen(
            ["env", "--default-signal=INT", "filexfer", *words, "--connect", self.address],
            cwd=self.here,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        )

    def wait_for_the_end_of_a_put(self, name: str) -> None:
        """Wait until the server has let go of a put that was broken off; `name` is one that no other test uses."""
        ended = re.compile(rf'put "{name}" \d+ B, [\d.]+ s, (disconnected|truncated)')
        self.serving.wait_until(lambda: ended.search(self.serving.log) is not None, "the end of a put")

    def left_over(self) -> int:
        """Give how many bytes wait in the root, or here, to go on from."""
        return sum(path.stat().st_size for top in (self.root, self.here) for path in top.rglob(".filexfer-*"))


def assert_sentence(errors: str, *parts: str) -> None:
    """See that `errors` is one line of ours, with `parts` in it."""
    assert re.fullmatch(r"filexfer[^\n]*\n", errors), errors
    for part in parts:
        assert part in errors


def make_tree(top: Path) -> None:
    """Make a directory with a few files, one of them large enough to go by itself."""
    (top / "inner" / "deep").mkdir(parents=True)
    (top / "a.txt").write_text("a")
    (top / "inner" / "b.o").write_text("b")
    (top / "inner" / "deep" / "large").write_bytes(os.urandom(MEBIBYTE))
    (top / "inner" / "run.sh").write_text("#!/bin/sh\n")
    (top / "inner" / "run.sh").chmod(0o755)
    (top / "link").symlink_to("a.txt")


def contents(top: Path) -> dict[str, bytes | str | None]:
    """Give what is seen in a directory: bytes of files, targets of links, None for directories."""
    found: dict[str, bytes | str | None] = {}
    for path in sorted(top.rglob("*")):
        name = str(path.relative_to(top))
        if path.name.startswith(".filexfer-"):
            continue
        if path.is_symlink():
            found[name] = str(path.readlink())
        else:
            found[name] = None if path.is_dir() else path.read_bytes()
    return found


def wait_until(happened: Callable[[], bool]) -> None:
    """Wait until `happened()`."""
    deadline = time.monotonic() + DEADLINE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)
