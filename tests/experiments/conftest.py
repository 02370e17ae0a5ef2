"""What several tests of experiments need."""

import socket
from collections.abc import Iterator

import pytest

from tests.experiments.fakes import Pair
from twisted_lab.experiments import client


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Give two ends of a connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener, client.connect(listener.getsockname()) as ours:
        theirs, _ = listener.accept()
        with theirs:
            yield ours, theirs
