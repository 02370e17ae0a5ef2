"""A directory on the server removed with all that is in it: from the inside out, in bounded memory."""

from dataclasses import dataclass

from twisted_lab.cli.filexfer.place import Remote
from twisted_lab.cli.filexfer.session import Session
from twisted_lab.filexfer.client.directory_pages import DirectoryPages
from twisted_lab.filexfer.errors import FilexferError, NotFoundError

#: Entries asked for at once: as many are held for each directory on the way down.
_PAGE = 256


@dataclass
class _Level:
    """A directory on the way down; `whole`: whether all of it was removed so far."""

    place: Remote
    entries: DirectoryPages
    whole: bool = True


async def remove_tree(session: Session, place: Remote, *, dry_run: bool) -> None:
    """
    Remove the directory `place`, or with `dry_run` tell what would be.

    Links aren't followed. What can't be removed is told, and the directories that it is in stay.
    """
    stack = [_Level(place, session.files.list(place.path, _PAGE))]
    while stack:
        level = stack[-1]
        try:
            entry = await anext(level.entries, None)
        except FilexferError as error:
            session.check(error)
            session.report.failed(level.place.plain, error)
            level.whole = False
            entry = None
        if entry is None:
            stack.pop()
            whole = level.whole and await _remove(session, level.place, dry_run=dry_run)
            if stack and not whole:
                stack[-1].whole = False
        elif entry.name is not None:
            inner = level.place.joined(entry.name)
            if entry.status.kind == "directory":
                stack.append(_Level(inner, session.files.list(inner.path, _PAGE)))
            elif not await _remove(session, inner, dry_run=dry_run):
                level.whole = False


async def _remove(session: Session, place: Remote, *, dry_run: bool) -> bool:
    """Remove it, and tell; give whether it is gone."""
    if not dry_run:
        try:
            await session.files.remove(place.path)
        except NotFoundError:  # somebody was faster
            return True
        except FilexferError as error:
            session.check(error)
            session.report.failed(place.plain, error)
            return False
    session.report.step("rm", place.plain)
    return True
