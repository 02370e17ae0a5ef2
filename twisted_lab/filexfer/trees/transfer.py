"""Whole trees put, got, made equal and compared."""

from collections.abc import AsyncIterator
from typing import Protocol

from twisted_lab.filexfer.errors import NotDirectoryError
from twisted_lab.filexfer.names import Name, parse_name
from twisted_lab.filexfer.store.root import Root
from twisted_lab.filexfer.trees.comparison import plan_sync
from twisted_lab.filexfer.trees.downloader import Downloader
from twisted_lab.filexfer.trees.failing import fail
from twisted_lab.filexfer.trees.items import Item
from twisted_lab.filexfer.trees.local import LocalTree
from twisted_lab.filexfer.trees.plan import (
    Action,
    Fail,
    Keep,
    Make,
    Remove,
    Skip,
    SyncOptions,
    Transfer,
    TreeOptions,
    Unchanged,
    plan_copy,
)
from twisted_lab.filexfer.trees.remote import Files, RemoteTree
from twisted_lab.filexfer.trees.report import Report, path_of
from twisted_lab.filexfer.trees.uploader import Uploader
from twisted_lab.net.detached import RunInThread


class Carrier(Protocol):
    """What does the actions of a plan; it reports what it does, and may do it later."""

    async def make(self, name: Name) -> None:
        """Make a directory."""

    async def transfer(self, item: Item) -> None:
        """Transfer a file."""

    async def keep(self, item: Item) -> None:
        """Make a link."""

    async def remove(self, name: Name, etag: str | None) -> None:
        """Remove what has that `etag`."""

    async def settle(self) -> None:
        """Return when all is done."""

    def cancel(self) -> None:
        """Stop."""


async def put_tree(  # noqa: PLR0913, PLR0917  # both trees, and how they are dealt with
    files: Files, root: Root, remote: str, options: TreeOptions, report: Report, run_in_thread: RunInThread
) -> None:
    """
    Put what is in the local directory `root` into the directory `remote`, which is made with those above it.

    One file's failure is reported and stops no other; a lost connection or a full disk stops all, with its error.
    """
    local, there = LocalTree(root, run_in_thread), RemoteTree(files, parse_name(remote))
    if remote:
        await files.mkdir(remote, parents=True)
    await carry_out(plan_copy(local, options), Uploader(local, there, options, report), report)


async def get_tree(  # noqa: PLR0913, PLR0917  # both trees, and how they are dealt with
    files: Files, remote: str, root: Root, options: TreeOptions, report: Report, run_in_thread: RunInThread
) -> None:
    """Get what is in the directory `remote` into the local directory `root`; otherwise as `put_tree`."""
    local, there = LocalTree(root, run_in_thread), RemoteTree(files, parse_name(remote))
    await check_directory(files, remote)
    await carry_out(plan_copy(there, options), Downloader(there, local, options, report), report)


def plan_sync_up(
    files: Files, root: Root, remote: str, options: SyncOptions, run_in_thread: RunInThread
) -> AsyncIterator[Action]:
    """Give what `sync_up` would do now, in its order: a dry run."""
    local, there = LocalTree(root, run_in_thread), RemoteTree(files, parse_name(remote))
    return plan_sync(local, there, options, files.welcome.digest)


def plan_sync_down(
    files: Files, remote: str, root: Root, options: SyncOptions, run_in_thread: RunInThread
) -> AsyncIterator[Action]:
    """Give what `sync_down` would do now, in its order: a dry run."""
    local, there = LocalTree(root, run_in_thread), RemoteTree(files, parse_name(remote))
    return plan_sync(there, local, options, files.welcome.digest)


async def sync_up(  # noqa: PLR0913, PLR0917  # both trees, and how they are dealt with
    files: Files, root: Root, remote: str, options: SyncOptions, report: Report, run_in_thread: RunInThread
) -> None:
    """Make the directory `remote` as the local directory `root`, as `SyncOptions` says; otherwise as `put_tree`."""
    local, there = LocalTree(root, run_in_thread), RemoteTree(files, parse_name(remote))
    if remote:
        await files.mkdir(remote, parents=True)
    plan = plan_sync(local, there, options, files.welcome.digest)
    await carry_out(plan, Uploader(local, there, options, report), report)


async def sync_down(  # noqa: PLR0913, PLR0917  # both trees, and how they are dealt with
    files: Files, remote: str, root: Root, options: SyncOptions, report: Report, run_in_thread: RunInThread
) -> None:
    """Make the local directory `root` as the directory `remote`, as `SyncOptions` says; otherwise as `put_tree`."""
    local, there = LocalTree(root, run_in_thread), RemoteTree(files, parse_name(remote))
    await check_directory(files, remote)
    plan = plan_sync(there, local, options, files.welcome.digest)
    await carry_out(plan, Downloader(there, local, options, report), report)


async def check_directory(files: Files, remote: str) -> None:
    """See that there is a directory `remote`: `NotFoundError` or `NotDirectoryError` if not."""
    if (await files.stat(remote)).kind != "directory":
        raise NotDirectoryError(f"{remote}: it isn't a directory")


async def carry_out(plan: AsyncIterator[Action], carrier: Carrier, report: Report) -> None:
    """Do what `plan` says while it is made; removals begin when all else is done."""
    removing = False
    try:
        async for action in plan:
            report.planned(action)
            if isinstance(action, Remove) and not removing:
                removing = True
                await carrier.settle()
            await _do(action, carrier, report)
        await carrier.settle()
    except BaseException:
        carrier.cancel()
        raise


async def _do(action: Action, carrier: Carrier, report: Report) -> None:
    match action:
        case Make(name):
            await carrier.make(name)
        case Transfer(item):
            report.found(path_of(item.name), item.status.size)
            await carrier.transfer(item)
        case Keep(item):
            await carrier.keep(item)
        case Remove(name, status):
            # What was in a directory is removed before it, which changes its etag.
            await carrier.remove(name, None if status.kind == "directory" else status.etag)
        case Unchanged(name):
            report.unchanged(path_of(name))
        case Skip(name, why):
            report.skipped(path_of(name), why)
        case Fail(name, error):
            fail(report, name, error)
