"""Talk to an echo server from a terminal, line by line: the tutorial's interactive client."""

import argparse
import asyncio
import os
from collections.abc import Callable
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.patch_stdout import patch_stdout
from twisted.internet.defer import Deferred

from twisted_lab.cli.session import INTERRUPTED, Patience, connect, how_it_ended, stop
from twisted_lab.cli.text import Printable
from twisted_lab.echo import EchoClient, EchoClientFactory
from twisted_lab.specimen import ECHO


async def talk(reactor: Any, arguments: argparse.Namespace) -> int:
    """Send each line that is typed, show what comes back above the prompt; give the status."""
    printable = Printable()
    heard: list[Callable[[], None]] = []

    def show(data: bytes) -> None:
        for begin_anew in heard:
            begin_anew()
        print(printable.feed(data))  # noqa: T201  # patch_stdout puts it above the prompt

    client: EchoClient = await connect(reactor, arguments.target, ECHO.default_port, EchoClientFactory(reactor, show))
    with patch_stdout(raw=False):
        reading = asyncio.ensure_future(_read_lines(client))
        ended: list[BaseException] = []

        def end(reason: BaseException) -> None:
            ended.append(reason)
            reading.cancel()

        closed = client.closed.addCallback(end)
        try:
            status = await Deferred.fromFuture(reading)
        except asyncio.CancelledError:
            if not ended:  # an interrupt
                raise
            stop(os.EX_UNAVAILABLE, how_it_ended(ended[0]))
        finally:
            reading.cancel()
            await Deferred.fromFuture(asyncio.ensure_future(asyncio.wait({reading})))  # the terminal is set back
        if status == os.EX_OK:
            patience = Patience(reactor, closed, arguments.timeout, "no echo came")
            heard.append(patience.heard)
            client.finish()
            await patience.result
    return status


async def _read_lines(client: EchoClient) -> int:
    """Send what is typed until Ctrl-D, or Ctrl-C; give the status."""
    session: PromptSession[str] = PromptSession("> ")
    while True:
        try:
            line = await session.prompt_async(handle_sigint=False)  # the reactor does
        except EOFError:
            return os.EX_OK
        except KeyboardInterrupt:
            return INTERRUPTED
        if line:
            client.send(line.encode(errors="surrogateescape"))
