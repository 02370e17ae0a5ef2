"""``filexfer mkdir``, ``mv`` and ``rm``: what is changed on the server without sending any content."""

import argparse

from twisted_lab.cli.filexfer.copying import find_directory, target_in
from twisted_lab.cli.filexfer.exits import UsageError, of_target
from twisted_lab.cli.filexfer.place import Remote, parse_remotes
from twisted_lab.cli.filexfer.removing import remove_tree
from twisted_lab.cli.filexfer.session import Session, run
from twisted_lab.filexfer.conditions import Condition
from twisted_lab.filexfer.errors import ChangedError, FilexferError, IsDirectoryError, NotEmptyError


def mkdir(arguments: argparse.Namespace) -> int:
    """Make directories."""
    places = parse_remotes(arguments.places)

    async def work(session: Session) -> None:
        for place in places:
            try:
                await session.files.mkdir(place.path, parents=arguments.parents)
            except FilexferError as error:
                session.check(error)
                session.report.failed(place.plain, of_target(error))
            else:
                session.report.step("mkdir", place.plain)

    return run(arguments, places[0], work)


def mv(arguments: argparse.Namespace) -> int:
    """Give a file or directory another name."""
    source, target = parse_remotes([arguments.source, arguments.target])
    condition = Condition(absent=arguments.no_clobber, etag=arguments.if_match)

    async def work(session: Session) -> None:
        try:
            await session.files.stat(source.path)
        except FilexferError as error:
            session.check(error)
            session.report.failed(source.plain, error)
            return
        try:
            directory = await find_directory(session.files, target)
            new = target_in(target, source.last) if directory else target
            await session.files.rename(source.path, new.path, condition)
        except ChangedError as error:
            session.report.failed(source.plain, error)
        except FilexferError as error:
            session.check(error)
            session.report.failed(target.plain, of_target(error))
        else:
            session.report.step("mv", source.plain, to=new.plain)

    return run(arguments, source, work)


def rm(arguments: argparse.Namespace) -> int:
    """Remove files, links and empty directories; with ``-r`` directories with all that is in them."""
    places = parse_remotes(arguments.places)
    for place in places:
        if not place.name:
            raise UsageError(f"{place.shown} is the root, which can't be removed; name what is in it")
    if arguments.if_match and (len(places) > 1 or arguments.recursive):
        raise UsageError("--if-match is for one file")

    async def work(session: Session) -> None:
        for place in places:
            try:
                await _remove(session, place, arguments)
            except FilexferError as error:
                session.check(error)
                session.report.failed(place.plain, error)

    return run(arguments, places[0], work)


async def _remove(session: Session, place: Remote, arguments: argparse.Namespace) -> None:
    if arguments.recursive or arguments.dry_run:
        status = await session.files.stat(place.path)
        if status.kind == "directory" and arguments.recursive:
            await remove_tree(session, place, dry_run=arguments.dry_run)
            return
    if not arguments.dry_run:
        try:
            await session.files.remove(place.path, if_match=arguments.if_match)
        except (NotEmptyError, IsDirectoryError) as error:
            raise type(error)(f"{error}; -r removes what is in it too") from None
    session.report.step("rm", place.plain)
