"""``twisted-lab send``: one message of the header protocol, and its reply."""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from twisted.internet.defer import ensureDeferred
from twisted.internet.error import ConnectionDone, ConnectionLost

from twisted_lab.cli.session import Patience, connect, how_it_ended, run_in_reactor, stop
from twisted_lab.header_service import HeaderClient, HeaderClientFactory
from twisted_lab.specimen import HEADER
from twisted_lab.wire.errors import LocalProtocolError, RemoteProtocolError


def run(arguments: argparse.Namespace) -> int:
    """Send the message that `arguments` describe and print its reply; give the exit status."""

    async def main(reactor: Any) -> int:
        content = _open(arguments.content_file)
        client = await connect(reactor, arguments.connect, HEADER.default_port, HeaderClientFactory())
        header, reply = await _ask(reactor, client, arguments, content)
        sys.stdout.write(json.dumps(header) + "\n")
        sys.stdout.flush()
        sys.stdout.buffer.write(reply)
        sys.stdout.buffer.flush()
        client.transport.loseConnection()
        return 1 if header["type"] == "error" else os.EX_OK

    return run_in_reactor(main)


async def _ask(
    reactor: Any, client: HeaderClient, arguments: argparse.Namespace, content: IO[bytes] | None
) -> tuple[dict[str, Any], bytes]:
    message: Any = b""
    watched: Watched | None = None
    if content is not None:
        from twisted.web.client import FileBodyProducer

        watched = Watched(content)
        message = FileBodyProducer(watched)
    asking = ensureDeferred(client.request({"type": arguments.type, **dict(arguments.header)}, message))
    patience = Patience(reactor, asking, arguments.timeout, "no reply came")
    if watched is not None:
        watched.heard = patience.heard
    try:
        return await patience.result
    except LocalProtocolError as error:
        stop(os.EX_USAGE, f"that message can't be sent: {error}")
    except RemoteProtocolError as error:
        stop(os.EX_PROTOCOL, f"the reply can't be read: {error}")
    except (ConnectionDone, ConnectionLost) as error:
        stop(os.EX_UNAVAILABLE, f"{how_it_ended(error)}, before a reply came")


def _open(path: str | None) -> IO[bytes] | None:
    """Give the content as a file that can be measured: what can't be is copied to a temporary one first."""
    if path is None:
        return None
    try:
        content = sys.stdin.buffer if path == "-" else Path(path).open("rb")  # noqa: SIM115  # likewise closed by the producer
        if content.seekable():
            return content
        copy = tempfile.TemporaryFile()  # noqa: SIM115  # the producer closes it
        shutil.copyfileobj(content, copy)
    except OSError as error:
        stop(os.EX_NOINPUT, f"can't read {path}: {error.strerror}")
    copy.seek(0)
    return copy


class Watched:
    """A file; calls `heard` when it is read from: the content is moving."""

    def __init__(self, file: IO[bytes]) -> None:
        self.heard: Callable[[], None] = lambda: None
        self._file = file

    def read(self, size: int) -> bytes:
        """Read, and tell."""
        self.heard()
        return self._file.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
