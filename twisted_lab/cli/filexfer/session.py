"""How a verb runs: one connection, one report, and one status for whatever goes wrong."""

import argparse
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from twisted.internet.threads import deferToThreadPool

from twisted_lab.cli.filexfer.exits import ProtocolError
from twisted_lab.cli.filexfer.place import STREAM, Remote
from twisted_lab.cli.filexfer.progress import Progress
from twisted_lab.cli.filexfer.rate import RateLimit
from twisted_lab.cli.filexfer.report import Report
from twisted_lab.cli.filexfer.server import Server, why_not_connected
from twisted_lab.cli.session import run_in_reactor
from twisted_lab.filexfer.client.files import Files
from twisted_lab.filexfer.errors import DisconnectedError, FilexferError
from twisted_lab.net.detached import RunInThread
from twisted_lab.wire.errors import RemoteProtocolError


@dataclass(frozen=True)
class Session:
    """What a verb works with: the server's files, and who is told."""

    files: Files
    report: Report
    limit: RateLimit | None
    #: Runs what blocks: ``in_thread(function, *arguments)``.
    in_thread: RunInThread

    def check(self, error: FilexferError) -> None:
        """Raise `error` if the connection is gone, for then nothing else can be done either."""
        if isinstance(error, DisconnectedError) or self.files.lost is not None:
            raise error

    def watch(self) -> "Transfer":
        """Give what is told of one file's progress."""
        return Transfer(self.report.progress, self.limit)


class Transfer:
    """One file on its way; see `Watch`. `already` is how many bytes were there before."""

    def __init__(self, progress: Progress, limit: RateLimit | None) -> None:
        self.already = 0
        self._progress = progress
        self._limit = limit

    def resumed(self, count: int) -> None:
        """Take notice that `count` bytes were there already."""
        self.already += count
        self._progress.resumed += count

    def moved(self, count: int) -> None:
        """Take notice that `count` more bytes were sent, or have arrived."""
        self._progress.moved += count

    async def allow(self, count: int) -> None:
        """Return when ``--limit-rate`` lets `count` more bytes pass."""
        if self._limit is not None:
            await self._limit.allow(count)


def run(arguments: argparse.Namespace, place: Remote, work: Callable[[Session], Awaitable[None]]) -> int:
    """
    Connect to the server of `place`, do the work, and give the status.

    Raises `FilexferError` for what is wrong before anything is connected, and `OSError` if the output can't be written.
    """
    server = Server(arguments, place)
    from twisted.internet import reactor  # as late as it goes: it takes longer than everything before

    report = Report(
        arguments.verb,
        _progress(reactor, arguments),
        json_lines=arguments.json,
        quiet=getattr(arguments, "quiet", False),
    )
    rate = getattr(arguments, "limit_rate", None)
    finished = False

    async def main(reactor: Any) -> int:
        nonlocal finished
        try:
            await _connect_and_work(server, reactor, work, report, None if rate is None else RateLimit(reactor, rate))
        except RemoteProtocolError as error:
            report.failed(server.shown, ProtocolError(str(error)))
        except FilexferError as error:
            report.failed(server.shown, error)
        finished = True
        return report.end()

    try:
        status = run_in_reactor(main, terminated=os.EX_TEMPFAIL)
    finally:
        report.progress.stop()
    return status if finished else report.end(interrupted=status)


async def _connect_and_work(
    server: Server, reactor: Any, work: Callable[[Session], Awaitable[None]], report: Report, limit: RateLimit | None
) -> None:
    connecting = server.connect(reactor)
    try:
        files = await connecting
    except DisconnectedError as error:
        raise why_not_connected(error) from None
    try:
        report.progress.start()
        await work(Session(files, report, limit, partial(deferToThreadPool, reactor, reactor.getThreadPool())))
    finally:
        await files.close()


def _progress(reactor: Any, arguments: argparse.Namespace) -> Progress:
    """Give a line on the terminal, if there is one and nobody minds; what only takes a moment draws none anyway."""
    shows_content = getattr(arguments, "target", "") == STREAM and sys.stdout.isatty()
    if arguments.json or getattr(arguments, "quiet", False) or shows_content or not sys.stderr.isatty():
        return Progress(reactor)

    def write(text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()

    # Some terminals don't know how wide they are, and say 0.
    return Progress(reactor, write, lambda: os.get_terminal_size(sys.stderr.fileno()).columns or 80)
