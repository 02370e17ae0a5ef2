"""Pipes: socat, nc and tar, which verify nothing and publish nothing: the bytes, and no more."""

from collections.abc import Callable, Iterator
from functools import partial

from peers.way import DIRECTIONS, Direction, Need, Place, Way, Words, program, shell

SOCAT = Need("socat", "apt-get install socat")
NC = Need("nc", "apt-get install netcat-openbsd")
TAR = Need("tar", "apt-get install tar")
#: Bytes: as fast as socat gets; its default, 8 KiB, takes five times as long.
BLOCK = "262144"


def socat(place: Place, direction: Direction, *, once: bool) -> Words:
    """Give the words of the server for one transfer, or of its client."""
    peer = f"TCP-LISTEN:{place.once_port},bind=127.0.0.1,reuseaddr" if once else f"TCP:127.0.0.1:{place.once_port}"
    if once == (direction == "get"):
        return [program("socat"), "-b", BLOCK, "-u", f"FILE:{place.source}", peer]
    target = place.served if once else place.fetched
    return [program("socat"), "-b", BLOCK, "-u", peer, f"CREATE:{target}"]


def nc(place: Place, direction: Direction, *, once: bool) -> Words:
    """Give the words of the server for one transfer, or of its client."""
    listen = "-l " if once else ""
    if once == (direction == "get"):
        return shell(f'exec nc {listen}-N 127.0.0.1 "$1" < "$2"', place.once_port, place.source)
    target = place.served if once else place.fetched
    return shell(f'exec nc {listen}127.0.0.1 "$1" > "$2"', place.once_port, target)


def tar(place: Place, direction: Direction, *, once: bool) -> Words:
    """Give the words of the server for one transfer, or of its client."""
    listen = "-l " if once else ""
    if once == (direction == "get"):
        return shell(f'tar -cf - -C "$2" . | nc {listen}-N 127.0.0.1 "$1"', place.once_port, place.source)
    target = place.served if once else place.fetched
    return shell(f'mkdir "$2" && nc {listen}127.0.0.1 "$1" | tar -xf - -C "$2"', place.once_port, target)


def ways() -> Iterator[Way]:
    """Give all of these."""
    tools: list[tuple[Callable[..., Words], str, tuple[Need, ...], set[str]]] = [
        (socat, "socat", (SOCAT,), {"big", "disk"}),
        (nc, "nc", (NC,), {"big"}),
        (tar, "tar over nc", (TAR, NC), {"small", "disk-small"}),
    ]
    for words, name, needs, cases in tools:
        for direction in DIRECTIONS:
            client = partial(words, direction=direction, once=False)
            once = partial(words, direction=direction, once=True)
            yield Way(name, direction, client, frozenset(cases), needs, once=once)
