"""All ways that there are."""

from collections.abc import Collection, Iterable, Iterator

import report
from peers import ftp, ours, pipes, rsync, ssh, web, wormhole
from peers.way import Need, Way


def ways() -> Iterator[Way]:
    """Give all ways of all peers, ours first."""
    for module in ours, rsync, web, pipes, ftp, ssh, wormhole:
        yield from module.ways()


def find(cases: Collection[str], peers: Collection[str] = ()) -> tuple[list[Way], set[Need]]:
    """Give the ways that take part in these cases, all peers' or only these, and what others would need."""
    asked = [way for way in ways() if way.cases & set(cases) and (not peers or way.peer in peers)]
    absent = {need for way in asked for need in way.needs if not need.there}
    return [way for way in asked if not absent & set(way.needs)], absent


def missing(absent: Iterable[Need]) -> list[str]:
    """Give the lines that name what isn't there, and how to get it."""
    return [report.missing(need.name, need.how) for need in sorted(absent, key=lambda need: need.name)]
