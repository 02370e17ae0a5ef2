"""Send messages over several connections at once: the tutorial's multi-connection client."""

import argparse
import json
import os
import sys
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import ConnectionDone

from twisted_lab.cli.session import connect, how_it_ended, stop, timed
from twisted_lab.cli.text import Printable
from twisted_lab.echo import EchoClient, EchoClientFactory
from twisted_lab.specimen import ECHO


async def send_messages(reactor: Any, arguments: argparse.Namespace) -> int:
    """Send every message on each connection, show what comes back until the server has closed; give the status."""
    talks = [Talk(number + 1, json_lines=arguments.json) for number in range(arguments.connections)]
    for talk in talks:
        factory = EchoClientFactory(reactor, talk.received)
        talk.client = await connect(reactor, arguments.target, ECHO.default_port, factory)
    for talk in talks:
        talk.send(arguments.messages)
    over: Deferred[Any] = gatherResults([talk.client.closed for talk in talks])
    reasons = await timed(reactor, over, arguments.timeout, "the echo didn't end")
    for reason, talk in zip(reasons, talks, strict=True):
        if not isinstance(reason, ConnectionDone):
            stop(os.EX_UNAVAILABLE, f"connection {talk.number}: {how_it_ended(reason)}")
    return os.EX_OK


class Talk:
    """One connection's part: what was said and heard, printed as it happens."""

    client: EchoClient

    def __init__(self, number: int, *, json_lines: bool) -> None:
        self.number = number
        self._json_lines = json_lines
        self._printable = Printable()

    def send(self, messages: list[str]) -> None:
        """Send `messages` back to back: the server may receive, and echo, two as one."""
        for message in messages:
            self._show("sent", message)
            self.client.send(message.encode(errors="surrogateescape"))
        self.client.finish()

    def received(self, data: bytes) -> None:
        """Show a chunk of the echo."""
        self._show("received", self._printable.feed(data))

    def _show(self, what: str, text: str) -> None:
        if self._json_lines:
            line = json.dumps({"connection": self.number, what: text})
        else:
            line = f"connection {self.number}: {what} {text!r}"
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
