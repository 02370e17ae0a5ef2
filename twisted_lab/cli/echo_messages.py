"""Send messages over several connections at once: the tutorial's multi-connection client."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone

from twisted_lab.cli.session import Patience, connect, how_it_ended, stop
from twisted_lab.cli.text import Printable
from twisted_lab.echo import EchoClient, EchoClientFactory
from twisted_lab.specimen import ECHO


async def send_messages(reactor: Any, arguments: argparse.Namespace) -> int:
    """Send every message on each connection, show what comes back until the server has closed; give the status."""
    over: Deferred[None] = Deferred()
    talks = [Talk(number + 1, over, json_lines=arguments.json) for number in range(arguments.connections)]

    def closed(reason: BaseException, talk: Talk) -> None:
        talk.reason = reason
        talk.end()
        if all(talk.reason for talk in talks) and not over.called:
            over.callback(None)

    for talk in talks:
        factory = EchoClientFactory(reactor, talk.received)
        talk.client = await connect(reactor, arguments.target, ECHO.default_port, factory)
        talk.client.closed.addCallback(closed, talk)
    patience = Patience(reactor, over, arguments.timeout, "no echo came")
    for talk in talks:
        talk.heard = patience.heard
        talk.send(arguments.messages)
    await patience.result
    for talk in talks:
        if not isinstance(talk.reason, ConnectionDone) or talk.client.missing > 0:
            end = how_it_ended(talk.reason)
            stop(os.EX_UNAVAILABLE, f"connection {talk.number}: {end}, before all was echoed")
    return os.EX_OK


class Talk:
    """
    One connection's part: what was said and heard, printed as it happens.

    If it can't be printed, `over` fails with the `OSError`.
    """

    client: EchoClient
    reason: BaseException | None = None

    def __init__(self, number: int, over: "Deferred[None]", *, json_lines: bool) -> None:
        self.number = number
        self.heard: Callable[[], None] = lambda: None
        self._over = over
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
        self.heard()
        self._show("received", self._printable.feed(data))

    def end(self) -> None:
        """Show what is left of a character that was cut in two."""
        if rest := self._printable.feed(b"", final=True):
            self._show("received", rest)

    def _show(self, what: str, text: str) -> None:
        if self._json_lines:
            line = json.dumps({"connection": self.number, what: text})
        else:
            line = f"connection {self.number}: {what} {text!r}"
        try:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
        except OSError:
            if not self._over.called:
                self._over.errback()
