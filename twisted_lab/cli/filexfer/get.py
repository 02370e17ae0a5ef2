"""``filexfer get``: files and directories from a server to here, or to standard output."""

import argparse
import sys
from dataclasses import dataclass
from typing import Any

from twisted_lab.cli.filexfer.copying import check_local_target, find_local_directory
from twisted_lab.cli.filexfer.exits import TargetError, UsageError
from twisted_lab.cli.filexfer.place import Local, Remote, parse_place, parse_remotes
from twisted_lab.cli.filexfer.session import Session, run
from twisted_lab.filexfer.conditions import Condition, Durability
from twisted_lab.filexfer.errors import ExistsError, FilexferError, IsDirectoryError
from twisted_lab.filexfer.status import Status


def get(arguments: argparse.Namespace) -> int:
    """Get each source into the target, or in its place."""
    sources = parse_remotes(arguments.sources)
    target = parse_place(arguments.target)
    if isinstance(target, Remote):
        raise UsageError(f"{target.shown} is on a server, and so is SOURCE; a local file would be ./{target.shown}")
    if target.is_stream:
        if len(sources) > 1 or arguments.recursive:
            raise UsageError("- is one stream, for one file")
        if arguments.json or arguments.no_clobber:
            raise UsageError("- is for the file's content: neither --json nor --no-clobber goes with it")

    async def work(session: Session) -> None:
        await _Getting(session, arguments).get_all(sources, target)

    return run(arguments, sources[0], work)


@dataclass(frozen=True)
class _Getting:
    """What goes on in one command."""

    session: Session
    arguments: argparse.Namespace

    async def get_all(self, sources: list[Remote], target: Local) -> None:
        """Get one after the other: what fails doesn't hold up the rest."""
        session = self.session
        try:
            into = not target.is_stream and find_local_directory(target, several=len(sources) > 1)
        except FilexferError as error:
            session.report.failed(target.plain, error)
            return
        found = []
        for source in sources:
            try:
                found.append((source, await session.files.stat(source.path)))
            except FilexferError as error:
                session.check(error)
                session.report.failed(source.plain, error)
        session.report.progress.expected = sum(status.size for _, status in found)
        session.report.progress.expected_files = len(found)
        for source, status in found:
            try:
                await self._get(source, status, target.joined(source.last) if into and source.last else target)
            except FilexferError as error:
                session.check(error)
                session.report.failed(source.plain, error)

    async def _get(self, source: Remote, status: Status, target: Local) -> None:
        if status.kind == "directory":
            if not self.arguments.recursive:
                raise IsDirectoryError("it is a directory; -r takes it along")
            from twisted_lab.cli.filexfer.directories import get_directory

            await get_directory(self.session, self.arguments, source, target)
        elif self.arguments.dry_run:
            self.session.report.step("get", source.plain, to=target.plain)
        elif target.is_stream:
            await self._get_stream(source)
        else:
            await self._get_file(source, target)

    async def _get_file(self, source: Remote, target: Local) -> None:
        session = self.session
        watch = session.watch()
        try:
            check_local_target(target)
            receipt = await session.files.get(
                source.path,
                target.path,
                condition=Condition(absent=self.arguments.no_clobber),
                durability=Durability(self.arguments.durability),
                watch=watch,
            )
        except (TargetError, ExistsError) as error:
            session.report.failed(target.plain, error)
            return
        session.report.file(source.plain, target.plain, receipt, resumed=watch.already)

    async def _get_stream(self, source: Remote) -> None:
        """Write to standard output; if nobody reads it any more that is the reason, not what follows from it."""
        session = self.session
        session.report.advice = None
        output = _Output(sys.stdout.buffer)
        try:
            await session.files.get(source.path, output, watch=session.watch())  # type: ignore[arg-type]
        except FilexferError:
            if output.error is not None:
                raise output.error from None
            raise
        session.report.succeeded()


class _Output:
    """A binary stream that remembers the `OSError` that ended it."""

    def __init__(self, stream: Any) -> None:
        self.error: OSError | None = None
        self._stream = stream

    def write(self, data: Any) -> int:
        """Write."""
        written: int = self._remember(self._stream.write, data)
        return written

    def flush(self) -> None:
        """Flush."""
        self._remember(self._stream.flush)

    def _remember(self, function: Any, *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except OSError as error:
            self.error = error
            raise
