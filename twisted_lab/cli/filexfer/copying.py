"""Where a copy goes, as cp and scp have it: into the target if that is a directory, otherwise in its place."""

import os
from contextlib import suppress
from pathlib import Path

from twisted_lab.cli.filexfer.exits import TargetError
from twisted_lab.cli.filexfer.place import Local, Remote
from twisted_lab.filexfer.client.files import Files
from twisted_lab.filexfer.errors import (
    AccessError,
    DeniedError,
    FilexferError,
    IsDirectoryError,
    NotDirectoryError,
    NotFoundError,
)
from twisted_lab.filexfer.store.os_errors import from_os_error
from twisted_lab.filexfer.store.root import Root


async def find_directory(files: Files, target: Remote) -> bool:
    """
    Tell whether `target` is a directory.

    `TargetError` if the user has said so, by a ``/`` at its end, and it isn't. What a drop box doesn't tell is taken
    for a directory if the user has said so.
    """
    if not target.name:
        return True
    try:
        status = await files.stat(target.path)
    except DeniedError:
        return target.directory
    except NotFoundError as error:
        if target.directory:
            raise TargetError(error) from None
        return False
    if target.directory and status.kind != "directory":
        raise TargetError(NotDirectoryError("it isn't a directory"))
    return status.kind == "directory"


def target_in(directory: Remote, component: str) -> Remote:
    """Give the place of a copy in `directory`; of the root, which has no name, the directory itself."""
    return directory.joined(component) if component else directory


def find_local_directory(target: Local, *, several: bool) -> bool:
    """Tell whether `target` is a directory; `TargetError` if it has to be: the user says so, or there are `several`."""
    path = Path(target.path)
    if path.is_dir():
        return True
    if several:
        raise TargetError(NotDirectoryError("several sources need a directory"))
    if target.directory:
        kind = NotDirectoryError if os.path.lexists(path) else NotFoundError
        raise TargetError(kind("there is no such directory"))
    return False


def check_local_target(target: Local) -> None:
    """See that a file can be at `target`: `TargetError` if there is no directory for it, or one in its place."""
    path = Path(target.path)
    if path.is_dir():
        raise TargetError(IsDirectoryError("a directory is in its place"))
    if not path.parent.is_dir():
        raise TargetError(NotFoundError("there is no directory for it"))


def open_directory(place: Local, *, make: bool = False) -> Root:
    """Open a local directory; `make` it if it isn't there, without those above it."""
    try:
        if make:
            with suppress(FileExistsError):
                Path(place.path).mkdir()
        return Root(place.path)
    except OSError as error:
        raise from_local_error(error, place.shown) from error


def from_local_error(error: OSError, shown: str) -> FilexferError:
    """Give the typed error for what the kernel said about a file here, not on the server."""
    known = from_os_error(error, shown)
    return AccessError(f"{shown}: {error.strerror}") if isinstance(known, AccessError) else known
