"""Put a file, stop half-way, and go on: what is moved is counted, and what is there isn't sent again."""

import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater, react

from twisted_lab.filexfer import Receipt, connect
from twisted_lab.filexfer.errors import BusyError


class Count:
    """A `Watch` that counts, and fires `reached` once `limit` bytes are sent; it slows nothing down."""

    def __init__(self, limit: float = float("inf")) -> None:
        self.there = self.sent = 0
        self.limit = limit
        self.reached: Deferred[None] = Deferred()

    def resumed(self, count: int) -> None:
        """Take notice of what was there already."""
        self.there += count

    def moved(self, count: int) -> None:
        """Take notice of what was sent."""
        self.sent += count
        if self.sent >= self.limit and not self.reached.called:
            self.reached.callback(None)

    async def allow(self, count: int) -> None:
        """Let it pass; whoever awaits something here sets the pace."""


async def put(reactor: Any, path: Path, watch: Count) -> Receipt:
    """Put the file under its own name."""
    async with connect(reactor) as files:
        while True:
            try:
                return await files.put(path, path.name, watch=watch)
            except BusyError:  # the server hasn't let go of what a connection before us had
                await deferLater(reactor, 0.1)


async def main(reactor: Any, path: Path, size: int) -> None:
    """Put `path`, of `size` bytes, in two runs."""
    first = Count(limit=size / 2)
    putting = Deferred.fromCoroutine(put(reactor, path, first))
    # Not at once: `moved` is called by the coroutine that is to be cancelled.
    first.reached.addCallback(lambda _: reactor.callLater(0, putting.cancel))
    try:
        await putting
    except CancelledError:
        print(f"cancelled after {first.sent} bytes")
    second = Count()
    await put(reactor, path, second)
    print(f"went on after {second.there} bytes, and sent the rest: {second.there + second.sent == size}")


source = Path(sys.argv[1])
react(main, [source, source.stat().st_size])
