"""``filexfer ls`` and ``filexfer stat``: what is there."""

import argparse
import stat as modes
import time
from typing import Any

from twisted_lab.cli.filexfer.exits import UnnameableError
from twisted_lab.cli.filexfer.place import Remote, parse_remotes
from twisted_lab.cli.filexfer.session import Session, run
from twisted_lab.cli.filexfer.units import show_size
from twisted_lab.filexfer.errors import FilexferError, NotDirectoryError
from twisted_lab.filexfer.names import show_name
from twisted_lab.filexfer.status import Status

_KINDS = {"file": modes.S_IFREG, "directory": modes.S_IFDIR, "symlink": modes.S_IFLNK}


def ls(arguments: argparse.Namespace) -> int:
    """List a directory; a place that is something else is listed by itself."""
    (place,) = parse_remotes([arguments.place])

    async def work(session: Session) -> None:
        try:
            await _list(session, place)
        except NotDirectoryError:
            status = await session.files.stat(place.path)
            if status.kind == "directory":
                raise
            session.report.entry(_line(place.last, status), **_fields(place, status))
        except FilexferError as error:
            session.report.failed(place.plain, error)

    return run(arguments, place, work)


def stat(arguments: argparse.Namespace) -> int:
    """Show what is known of each place."""
    places = parse_remotes(arguments.places)

    async def work(session: Session) -> None:
        for place in places:
            try:
                status = await session.files.stat(place.path)
            except FilexferError as error:
                session.check(error)
                session.report.failed(place.plain, error)
            else:
                session.report.entry(_facts(place, status), **_fields(place, status))

    return run(arguments, places[0], work)


async def _list(session: Session, place: Remote) -> None:
    entries = session.files.list(place.path)
    async for entry in entries:
        if entry.name is not None:
            session.report.entry(_line(entry.name, entry.status), **_fields(place.joined(entry.name), entry.status))
    if entries.unnameable:
        what = "1 entry has a name" if entries.unnameable == 1 else f"{entries.unnameable} entries have names"
        session.report.failed(place.plain, UnnameableError(f"{what} that can't be said, and isn't shown"))


def _line(name: str, status: Status) -> str:
    size = show_size(status.size) if status.kind == "file" else "-"
    return f"{_mode(status)} {size:>9} {_time(status, '%Y-%m-%d %H:%M')} {show_name(name)}{_suffix(status)}"


def _facts(place: Remote, status: Status) -> str:
    lines = [f"{place.shown}{_suffix(status)}", f"  kind   {status.kind}"]
    if status.kind == "file":
        lines.append(f"  size   {status.size}")
    nanoseconds = status.mtime_ns % 10**9
    lines += [
        f"  mtime  {_time(status, f'%Y-%m-%d %H:%M:%S.{nanoseconds:09} %z')}",
        f"  mode   {_mode(status)} {status.mode:04o}",
        f"  etag   {show_name(status.etag)}",
    ]
    return "\n".join(lines)


def _fields(place: Remote, status: Status) -> dict[str, Any]:
    fields = {"path": place.plain, "kind": status.kind, "size": status.size}
    fields |= {"mtime": [*divmod(status.mtime_ns, 10**9)], "mode": status.mode, "etag": status.etag}
    return fields if status.target is None else {**fields, "to": status.target}


def _mode(status: Status) -> str:
    return modes.filemode(_KINDS.get(status.kind, 0) | status.mode)


def _suffix(status: Status) -> str:
    if status.kind == "symlink":
        return f" -> {show_name(status.target or '?')}"
    return "/" if status.kind == "directory" else ""


def _time(status: Status, form: str) -> str:
    seconds = status.mtime_ns // 10**9
    try:
        return time.strftime(form, time.localtime(seconds))
    except (OverflowError, ValueError, OSError):  # a year that this machine's calendar hasn't got
        return f"@{seconds}"
