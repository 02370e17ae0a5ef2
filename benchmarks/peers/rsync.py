"""rsync and its daemon: it publishes each file by a rename, too, and compares a digest of the whole."""

import os
from collections.abc import Iterator
from functools import partial

from peers.way import DIRECTIONS, Direction, Need, Place, Service, Way, Words, program

RSYNC = Need("rsync", "apt-get install rsync")


def serve(place: Place) -> Words:
    """Serve the root as the module `all`."""
    # Started by root, it would otherwise become nobody, who may not read the root.
    user = "uid = root\ngid = root\n" if os.geteuid() == 0 else ""
    (place.scratch / "rsyncd.conf").write_text(
        f"use chroot = no\nreverse lookup = no\n{user}[all]\npath = {place.root}\nread only = no\n"
    )
    where = ["--address=127.0.0.1", f"--port={place.port}"]
    return [program("rsync"), "--daemon", "--no-detach", f"--config={place.scratch}/rsyncd.conf", *where]


SERVICE = Service("rsync", serve)


def move(place: Place, direction: Direction, *options: str) -> Words:
    """Give the client's words: a directory's content has to be named with a slash."""
    slash = "/" * place.source.is_dir()
    module = f"rsync://127.0.0.1:{place.port}/all"
    ends = (
        (f"{place.source}{slash}", f"{module}/served/{place.name}")
        if direction == "put"
        else (f"{module}/source/{place.name}{slash}", str(place.fetched))
    )
    return [program("rsync"), "-a", *options, *ends]


def synced(place: Place, direction: Direction) -> Words:
    """Move, and have it on disk."""
    return move(place, direction, "--fsync")


def resumable(place: Place, direction: Direction) -> Words:
    """Move so that what is broken off can go on, and go on with what was."""
    return move(place, direction, "--partial", "--append-verify")


def ways() -> Iterator[Way]:
    """Give all of these."""
    everywhere = frozenset({"big", "small", "disk", "disk-small"})
    for direction in DIRECTIONS:
        yield Way("rsync", direction, partial(move, direction=direction), everywhere, (RSYNC,), (SERVICE,))
        client = partial(resumable, direction=direction)
        yield Way("rsync", direction, client, frozenset({"resume"}), (RSYNC,), (SERVICE,), variant="--append-verify")
        client = partial(synced, direction=direction)
        yield Way(
            "rsync", direction, client, frozenset({"disk", "disk-small"}), (RSYNC,), (SERVICE,), variant="--fsync"
        )
