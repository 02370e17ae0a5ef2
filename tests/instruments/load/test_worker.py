"""A load's process by itself: that it ends when it should."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from tests.processes import DEADLINE, ENVIRONMENT
from twisted_lab.cli.measuring import WORKER
from twisted_lab.instruments.load.plan import Plan


@contextmanager
def worker(**more: Any) -> Iterator["subprocess.Popen[bytes]"]:
    """Run one until the block ends, with a plan that it has been told."""
    with subprocess.Popen(
        WORKER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    ) as process:
        assert process.stdin
        try:
            process.stdin.write(json.dumps({"plan": Plan("echo", **more).as_json(), "worker": 0}).encode() + b"\n")
            process.stdin.flush()
            yield process
        finally:
            process.kill()
            with suppress(OSError):
                process.stdin.close()


def test_it_ends_with_its_parent_while_it_connects() -> None:
    """A server that takes the connection and says nothing doesn't keep it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE)
        port = listener.getsockname()[1]
        with worker(target=f"127.0.0.1:{port}", connect_timeout=10 * DEADLINE) as process:
            connection, _ = listener.accept()
            with connection:
                assert process.stdin
                process.stdin.close()
                assert process.wait(DEADLINE) == 130


@pytest.mark.parametrize("target", ["127.0.0.1:{}", "tcp:127.0.0.1:{}"])
def test_it_waits_no_longer_for_a_connection_than_it_should(target: str) -> None:
    """A server whose queue is full answers nothing; then that is said, in a sentence."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            target = target.format(port)
            with worker(target=target, connect_timeout=0.2) as process:
                assert process.wait(DEADLINE) == os.EX_UNAVAILABLE
                assert process.stderr
                assert process.stderr.read() == (
                    f"twisted-lab: can't connect to {target}: it took more than 0.2 s\n".encode()
                )
