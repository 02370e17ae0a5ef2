"""``filexfer put -r`` and ``get -r``: a directory with all that is in it."""

import argparse
from collections.abc import AsyncIterator
from dataclasses import replace

from twisted_lab.cli.filexfer.copying import open_directory
from twisted_lab.cli.filexfer.exits import of_target
from twisted_lab.cli.filexfer.place import Local, Remote
from twisted_lab.cli.filexfer.session import Session
from twisted_lab.cli.filexfer.tree_report import TreeReport
from twisted_lab.filexfer.conditions import Condition, Durability
from twisted_lab.filexfer.errors import FilexferError
from twisted_lab.filexfer.links import Links
from twisted_lab.filexfer.trees.filters import Filters
from twisted_lab.filexfer.trees.local import LocalTree
from twisted_lab.filexfer.trees.plan import Action, Transfer, TreeOptions, plan_copy
from twisted_lab.filexfer.trees.remote import RemoteTree
from twisted_lab.filexfer.trees.transfer import get_tree, put_tree
from twisted_lab.net.detached import Detached

#: A copy sends everything, whatever is there already.
_ADVICE = "filexfer sync goes on with the rest"


async def put_directory(session: Session, arguments: argparse.Namespace, source: Local, target: Remote) -> None:
    """Put what is in `source` into `target`, which is made."""
    session.report.advice = _ADVICE
    report = TreeReport(session, source, target)
    options = copy_options(arguments)
    with open_directory(source) as root:
        tree = LocalTree(root, session.in_thread)
        if arguments.dry_run:
            await show_plan(report, plan_copy(tree, options))
            return
        if session.report.progress.is_shown and len(arguments.sources) == 1:
            Detached(_measure(session, plan_copy(tree, options)))
        try:
            await put_tree(session.files, root, target.path, options, report, session.in_thread)
        except FilexferError as error:
            session.check(error)
            session.report.failed(target.plain, of_target(error))


async def get_directory(session: Session, arguments: argparse.Namespace, source: Remote, target: Local) -> None:
    """Get what is in `source` into `target`, which is made."""
    session.report.advice = _ADVICE
    report = TreeReport(session, source, target)
    if arguments.dry_run:
        await show_plan(report, plan_copy(RemoteTree(session.files, source.name), copy_options(arguments)))
        return
    try:
        opened = open_directory(target, make=True)
    except FilexferError as error:
        session.report.failed(target.plain, of_target(error))
        return
    with opened as root:
        await get_tree(session.files, source.path, root, copy_options(arguments), report, session.in_thread)


async def _measure(session: Session, plan: AsyncIterator[Action]) -> None:
    """Find out how large it all is, while it is already on its way: then there is a time left to be shown."""
    files = size = 0
    async for action in plan:
        if isinstance(action, Transfer):
            files, size = files + 1, size + action.item.status.size
    session.report.progress.expected_files, session.report.progress.expected = files, size


async def show_plan(report: TreeReport, plan: AsyncIterator[Action]) -> None:
    """Tell what would be done."""
    async for action in plan:
        report.show(action)


def tree_options(arguments: argparse.Namespace) -> TreeOptions:
    """Give what takes part of a tree."""
    return TreeOptions(filters=Filters(arguments.rules), links=Links(arguments.links))


def copy_options(arguments: argparse.Namespace) -> TreeOptions:
    """Give what takes part of a tree, and how it is copied."""
    condition, durability = Condition(absent=arguments.no_clobber), Durability(arguments.durability)
    return replace(tree_options(arguments), condition=condition, durability=durability)
