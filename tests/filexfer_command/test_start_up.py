"""What a command imports: as much as its verb needs. Start-up counts, and an import at the wrong place isn't seen."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.filexfer_command.shop import Shop
from tests.processes import DEADLINE, ENVIRONMENT

#: What is there for one option, one kind of endpoint or another verb; none of it is quick to import.
SELDOM = {"getpass", "importlib.metadata", "prompt_toolkit", "shtab", "twisted.web", "twisted_lab.net.pem"}
SERVER = {"twisted.application", "twisted.cred", "twisted.scripts", "twisted_lab.filexfer.server", "twisted_lab.tap"}
GET = {"twisted_lab.filexfer.client.get", "twisted_lab.filexfer.client.targets", "twisted_lab.filexfer.store.incoming"}
TREES = {"twisted_lab.cli.filexfer.directories", "twisted_lab.filexfer.trees"}


def imported(cwd: Path, *words: str) -> set[str]:
    """Run a command; give what it imports, and each package that some of it is in."""
    # Neither coverage, nor a reactor of one's choice, which Twisted finds by its plugins.
    apart = ("COVERAGE", "PYTHONPATH", "TESTS_REACTOR")
    environment = {name: value for name, value in ENVIRONMENT.items() if not name.startswith(apart)}
    environment["PYTHONPROFILEIMPORTTIME"] = "1"
    done = subprocess.run(
        words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert done.returncode == os.EX_OK, done.stderr
    modules = re.findall(r"^import time:[ 0-9]+\|[ 0-9]+\| +(\S+)$", done.stderr, re.MULTILINE)
    assert "argparse" in modules
    return {".".join(parts[:length]) for parts in (name.split(".") for name in modules) for length in range(9)}


@pytest.mark.parametrize("program", ["filexfer", "twisted-lab"])
def test_help(tmp_path: Path, program: str) -> None:
    """For its help a command imports next to nothing, and nothing of Twisted."""
    found = imported(tmp_path, program, "--help")
    assert not found & {
        "dataclasses",
        "inspect",
        "socket",
        "json",
        "twisted",
        "twisted_lab.net",
        "twisted_lab.wire",
        *SELDOM,
    }


def test_put(shop: Shop) -> None:
    """A put imports nothing that only gets, directories, TLS, logins or a server need."""
    (shop.here / "a").write_bytes(b"a")
    found = imported(shop.here, "filexfer", "put", "a", ":", "--connect", shop.address)
    assert "twisted_lab.filexfer.client.put" in found
    assert not found & {*SELDOM, *SERVER, *GET, *TREES}
