"""
A sync, up or down, in which every step of the store fails, or kills the process there: on either side.

Client and server are in one process, without a network, threads or time. ``python -m tests.filexfer.trees.sync_faults``
tells how many steps a sync takes; with ``--serve`` it is the process that is killed (see `Zygote`).
"""

import shutil
import sys
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from twisted.internet.defer import Deferred, execute, succeed
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.filexfer.server.sessions import DONE, LOOPBACK
from tests.filexfer.store.faults import Fault, injected, serve, show_counts
from tests.filexfer.trees.fakes import Notes, fill
from tests.memory import make_directory
from tests.net.fakes import FakeTransport
from twisted_lab.filexfer.client.connecting import connect
from twisted_lab.filexfer.client.files import Files
from twisted_lab.filexfer.modes import Mode
from twisted_lab.filexfer.server.accounts import Accounts
from twisted_lab.filexfer.server.factory import FilexferFactory
from twisted_lab.filexfer.store.root import Root
from twisted_lab.filexfer.store.store import Store
from twisted_lab.filexfer.trees.plan import SyncOptions
from twisted_lab.filexfer.trees.transfer import sync_down, sync_up

Result = TypeVar("Result")
Content = dict[str, str | bytes | None]
WAYS = ("sync, up", "sync, down")
OPTIONS = SyncOptions(delete=True)
#: Bytes that a transport gives at once.
READ = 2**16
#: Too large for a bundle, and to be got beside others; and enough of it is left over to be worth asking for.
LARGE = bytes(range(256)) * 1100
LEFT_OVER = LARGE[: 2**16 + 1]
#: Both sides, before: a file that is new, in a directory that is new, one that differs, one that doesn't, a large one
#: that replaces another, and files and a directory that are to be removed.
SOURCE: Content = {"made/new": "new", "made/other": "", "changed": "new content", "same": "same", "large": LARGE}
TARGET: Content = {"changed": "old", "same": "same", "large": b"old", "gone/f": "gone", "last": "gone too"}


def place() -> Path:
    """Make an empty directory."""
    return make_directory(2**24)


def prepare(top: Path) -> None:
    """Make both sides in `top`, which is empty: ``source``, and ``target``, where a put of ``large`` was broken off."""
    for side, content in ((top / "source", SOURCE), (top / "target", TARGET)):
        side.mkdir()
        fill(side, content)
    with Root(top / "target") as root:
        incoming = Store(root).receive(("large",), size=len(LARGE), algorithm="sha-256")
        incoming.write([LEFT_OVER])
        incoming.close()


def sync(top: Path, way: str, fault: Fault, notes: Notes | None = None) -> None:
    """Make ``target`` as ``source``; either is served, and the client has the other. Raises what the sync raises."""
    notes = notes or Notes()
    up = way == "sync, up"
    here, served = (top / "source", top / "target") if up else (top / "target", top / "source")
    with Root(here) as root, Line(served) as line:
        work = (
            sync_up(line.files, root, "", OPTIONS, notes, execute)
            if up
            else sync_down(line.files, "", root, OPTIONS, notes, execute)
        )
        with injected(fault):
            try:
                line.run(work)
            finally:
                line.run(line.files.close())


@implementer(IStreamClientEndpoint)
class Line:
    """A server of `served`, a client of it, `files`, and what is between them: bytes go to and fro in `run`."""

    def __init__(self, served: Path) -> None:
        self._clock = Clock()
        self._accounts = Accounts(served, execute, anonymous=Mode.READ_WRITE)
        self._factory = FilexferFactory(self._clock, self._accounts, execute)
        #: Each with its transport, and with what it has sent and the other hasn't got.
        self._ends: list[tuple[Protocol, FakeTransport, bytearray]] = []
        self._lost = False

    def connect(self, protocolFactory: IProtocolFactory) -> "Deferred[IProtocol]":
        """Connect both."""
        for factory in (self._factory, protocolFactory):
            protocol, transport = cast("Protocol", factory.buildProtocol(LOOPBACK)), FakeTransport()
            transport.hostAddr = transport.peerAddr = LOOPBACK
            self._ends.append((protocol, transport, bytearray()))
            protocol.makeConnection(transport)
        return succeed(cast("IProtocol", self._ends[1][0]))

    def run(self, work: Coroutine["Deferred[Any]", Any, Result]) -> Result:
        """Do `work` to its end; give what it gives, or raise what it raises."""
        outcome: list[Any] = []
        Deferred.fromCoroutine(work).addBoth(outcome.append)
        while self._move():
            """Until nothing moves."""
        assert outcome, "it waits for what never comes"
        if isinstance(outcome[0], Failure):
            outcome[0].raiseException()
        return cast("Result", outcome[0])

    def _move(self) -> bool:
        """Move some bytes each way, or tell both of the connection's end; tell whether anything was moved."""
        moved = False
        for (_, transport, sent), (other, its, _) in (self._ends, self._ends[::-1]):
            sent.extend(transport.value())
            transport.clear()
            if sent and not self._lost and its.producerState == "producing":
                data = bytes(sent[:READ])
                del sent[:READ]
                other.dataReceived(data)
                moved = True
        aborted = any(transport.aborted for _, transport, _ in self._ends)
        closed = any(transport.disconnecting and not sent for _, transport, sent in self._ends)
        if (aborted or (closed and not moved)) and not self._lost:
            self._lost = moved = True
            for protocol, _, _ in self._ends:
                protocol.connectionLost(DONE)
        return moved

    def __enter__(self) -> Self:
        async def connected() -> Files:
            return await connect(self._clock, self, run_in_thread=execute)

        self.files = self.run(connected())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._accounts.close()
        assert self._lost
        assert self._clock.getDelayedCalls() == []


def steps(way: str) -> list[str]:
    """Give the steps of a sync that goes well."""
    fault = Fault()
    top = place()
    try:
        prepare(top)
        sync(top, way, fault)
    finally:
        shutil.rmtree(top)
    return fault.taken


if __name__ == "__main__":
    if "--serve" in sys.argv:
        steps(WAYS[0])  # what is imported when it is first used needn't be imported in each fork
        serve(sync)
    else:
        show_counts({way: len(steps(way)) for way in WAYS})
