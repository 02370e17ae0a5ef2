"""Servers for the page's client, and how it is used in tests."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.filexfer.page_client import PageClient, RefusedError
from tests.processes import Running, service

ABSENT: dict[str, Any] = {"if": "absent"}


@contextmanager
def serving(*options: str) -> Iterator[tuple[Running, Path]]:
    """Give a server of a test's own, and its root."""
    with tempfile.TemporaryDirectory() as directory, service("filexfer", "--root", directory, *options) as running:
        yield running, Path(directory)


@contextmanager
def greeted(server: Running, **login: str) -> Iterator[PageClient]:
    """Give a client that has said hello."""
    with PageClient(server.port) as connected:
        connected.hello(**login)
        yield connected


def matching(etag: object) -> dict[str, Any]:
    """Give the condition that a file has that etag."""
    return {"if-match": etag}


def refusal(client: PageClient, request: Mapping[str, object], content: bytes = b"") -> str:
    """Give the code of the error that a request gets; it tells whose it is, and the connection goes on."""
    identity = client.send(request, content)
    with pytest.raises(RefusedError) as caught:
        client.reply(identity)
    assert caught.value.identity == identity
    assert client.ask({"type": "ping"})[0]["type"] == "ping"
    return str(caught.value.code)
