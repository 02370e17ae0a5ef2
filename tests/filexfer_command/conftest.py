"""What the tests of the command share."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.filexfer_command.shop import Shop
from tests.processes import Running, service


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Path]]:
    """Run one service for all tests."""
    root = tmp_path_factory.mktemp("root")
    with service("filexfer", "--root", str(root)) as serving:
        yield serving, root


@pytest.fixture
def shop(running: tuple[Running, Path], tmp_path: Path) -> Shop:
    """Give the service with an empty root, and an empty directory."""
    serving, root = running
    for path in root.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return Shop(serving, serving.addresses[0], root, tmp_path)
