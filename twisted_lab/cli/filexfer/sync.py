"""``filexfer sync``: one directory made like another, either way."""

import argparse
from dataclasses import dataclass

from twisted_lab.cli.filexfer.copying import open_directory
from twisted_lab.cli.filexfer.directories import show_plan
from twisted_lab.cli.filexfer.exits import of_target
from twisted_lab.cli.filexfer.place import Local, Remote, parse_pair, remote_of
from twisted_lab.cli.filexfer.session import Session, run
from twisted_lab.cli.filexfer.tree_report import TreeReport
from twisted_lab.filexfer.conditions import Durability
from twisted_lab.filexfer.errors import FilexferError, NotFoundError
from twisted_lab.filexfer.links import Links
from twisted_lab.filexfer.trees.filters import Filters
from twisted_lab.filexfer.trees.plan import SyncOptions, plan_copy
from twisted_lab.filexfer.trees.remote import RemoteTree
from twisted_lab.filexfer.trees.transfer import check_directory, plan_sync_down, plan_sync_up, sync_down, sync_up


def sync(arguments: argparse.Namespace) -> int:
    """Make the target like the source."""
    source, target = parse_pair(arguments.source, arguments.target)
    options = SyncOptions(
        filters=Filters(arguments.rules),
        links=Links(arguments.links),
        durability=Durability(arguments.durability),
        checksum=arguments.checksum,
        delete=arguments.delete,
        max_delete=arguments.max_delete,
    )

    async def work(session: Session) -> None:
        syncing = _Syncing(session, options, TreeReport(session, source, target), dry_run=arguments.dry_run)
        match source, target:
            case Local(), Remote():
                await syncing.up(source, target)
            case Remote(), Local():
                await syncing.down(source, target)

    return run(arguments, remote_of((source, target)), work)


@dataclass(frozen=True)
class _Syncing:
    session: Session
    options: SyncOptions
    report: TreeReport
    dry_run: bool

    async def up(self, source: Local, target: Remote) -> None:
        """Make a directory on the server like one here."""
        session = self.session
        try:
            opened = open_directory(source)
        except FilexferError as error:
            session.report.failed(source.plain, error)
            return
        with opened as root:
            try:
                if self.dry_run:
                    plan = plan_sync_up(session.files, root, target.path, self.options, session.in_thread)
                    await show_plan(self.report, plan)
                else:
                    await sync_up(session.files, root, target.path, self.options, self.report, session.in_thread)
            except FilexferError as error:
                session.check(error)
                session.report.failed(target.plain, of_target(error))

    async def down(self, source: Remote, target: Local) -> None:
        """Make a directory here like one on the server."""
        session = self.session
        try:
            await check_directory(session.files, source.path)
        except FilexferError as error:
            session.check(error)
            session.report.failed(source.plain, error)
            return
        try:
            opened = open_directory(target, make=not self.dry_run)
        except FilexferError as error:
            if self.dry_run and isinstance(error, NotFoundError):  # it would be made
                await show_plan(self.report, plan_copy(RemoteTree(session.files, source.name), self.options))
            else:
                session.report.failed(target.plain, of_target(error))
            return
        with opened as root:
            if self.dry_run:
                plan = plan_sync_down(session.files, source.path, root, self.options, session.in_thread)
                await show_plan(self.report, plan)
            else:
                await sync_down(session.files, source.path, root, self.options, self.report, session.in_thread)
