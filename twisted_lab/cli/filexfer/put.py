"""``filexfer put``: local files, directories, or standard input, to a server."""

import argparse
import errno
import os
import stat
import sys
from dataclasses import dataclass

from twisted_lab.cli.filexfer.copying import find_directory, from_local_error, target_in
from twisted_lab.cli.filexfer.exits import TargetError, UsageError, of_target
from twisted_lab.cli.filexfer.place import Local, Remote, parse_place, parse_remotes
from twisted_lab.cli.filexfer.session import Session, run
from twisted_lab.filexfer.conditions import Condition, Durability
from twisted_lab.filexfer.errors import (
    FilexferError,
    IsDirectoryError,
    NotDirectoryError,
    NotRegularFileError,
    SourceChangedError,
)


def put(arguments: argparse.Namespace) -> int:
    """Put each source into the target, or in its place."""
    (target,) = parse_remotes([arguments.target])
    sources = [_local(text) for text in arguments.sources]
    if any(source.is_stream for source in sources):
        if len(sources) > 1 or target.directory or not target.name:
            raise UsageError("- is one stream, for one file, whose name TARGET gives")
        if arguments.recursive:
            raise UsageError("- isn't a directory: -r says nothing")
    if arguments.if_match and (len(sources) > 1 or arguments.recursive):
        raise UsageError("--if-match is for one file")

    async def work(session: Session) -> None:
        await _Putting(session, arguments).put_all(sources, target)

    return run(arguments, target, work)


def _local(text: str) -> Local:
    place = parse_place(text)
    if isinstance(place, Remote):
        raise UsageError(f"{place.shown} is on a server, and so is TARGET; a local file would be ./{place.shown}")
    return place


@dataclass(frozen=True)
class _Putting:
    """What goes on in one command."""

    session: Session
    arguments: argparse.Namespace

    async def put_all(self, sources: list[Local], target: Remote) -> None:
        """Put one after the other: what fails doesn't hold up the rest."""
        session = self.session
        try:
            into = False if sources[0].is_stream else await find_directory(session.files, target)
            if len(sources) > 1 and not into:
                raise TargetError(NotDirectoryError("several sources need a directory"))
        except FilexferError as error:
            session.check(error)
            session.report.failed(target.plain, error)
            return
        found = [(source, status) for source in sources if (status := self._look(source)) is not None]
        session.report.progress.expected = sum(status.st_size for _, status in found if stat.S_ISREG(status.st_mode))
        session.report.progress.expected_files = len(found)
        for source, status in found:
            try:
                await self._put(source, status, target_in(target, source.last) if into else target)
            except FilexferError as error:
                session.check(error)
                session.report.failed(source.plain, error)

    def _look(self, source: Local) -> os.stat_result | None:
        """Give the facts of a source, or of what it leads to; None, and it is told, if it can't be read."""
        try:
            if source.is_stream:
                return os.fstat(sys.stdin.fileno())
            descriptor = os.open(source.path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            try:
                return os.fstat(descriptor)
            finally:
                os.close(descriptor)
        except (OSError, ValueError) as error:
            known = error if isinstance(error, OSError) else OSError(errno.EINVAL, str(error))
            self.session.report.failed(source.plain, from_local_error(known, source.shown))
            return None

    async def _put(self, source: Local, status: os.stat_result, target: Remote) -> None:
        if stat.S_ISDIR(status.st_mode) and not source.is_stream:
            if not self.arguments.recursive:
                raise IsDirectoryError("it is a directory; -r takes it along")
            from twisted_lab.cli.filexfer.directories import put_directory

            await put_directory(self.session, self.arguments, source, target)
        elif not (source.is_stream or stat.S_ISREG(status.st_mode)):
            raise NotRegularFileError("it isn't a regular file; its content could be piped to -")
        elif self.arguments.dry_run:
            self.session.report.step("put", source.plain, to=target.plain)
        else:
            await self._put_file(source, target)

    async def _put_file(self, source: Local, target: Remote) -> None:
        session, arguments = self.session, self.arguments
        watch = session.watch()
        if source.is_stream:
            session.report.advice = None
        try:
            receipt = await session.files.put(
                sys.stdin.buffer if source.is_stream else source.path,
                target.path,
                condition=Condition(absent=arguments.no_clobber, etag=arguments.if_match),
                durability=Durability(arguments.durability),
                watch=watch,
            )
        except SourceChangedError:
            raise
        except FilexferError as error:
            session.check(error)
            session.report.failed(target.plain, of_target(error))
            return
        session.report.file(source.plain, target.plain, receipt, resumed=watch.already)
