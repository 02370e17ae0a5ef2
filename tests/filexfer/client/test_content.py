"""Content that goes between socket and file by itself: what it has in common with what doesn't, and what it adds."""

import contextlib
import os
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, ensureDeferred, gatherResults
from twisted.internet.interfaces import ISSLTransport

from tests.filexfer.client.test_with_a_server import MEBIBYTE, ServerTestCase, Watcher, digest_of
from tests.net.wires import reactor, wait
from twisted_lab.filexfer import Durability, Files, connect
from twisted_lab.filexfer.errors import (
    BadRequestError,
    DisconnectedError,
    NoSpaceError,
    SourceChangedError,
)
from twisted_lab.filexfer.store.incoming import Incoming
from twisted_lab.net.flow import Inflow
from twisted_lab.net.mover import Mover
from twisted_lab.net.tls import client_tls

SIZE = 24 * MEBIBYTE + 4321


class ContentTests(ServerTestCase):
    """Large files over plain connections."""

    def setUp(self) -> None:
        """Note what goes by itself."""
        super().setUp()
        self.content = os.urandom(SIZE)
        self.source.write_bytes(self.content)
        self.moved: list[int] = []
        move = Mover.move

        async def noted(mover: Mover, flow: Any, *arguments: Any) -> Any:
            self.moved.append(flow.length)
            return await move(mover, flow, *arguments)

        self.patch(Mover, "move", noted)

    async def put(self, files: Files, path: str = "x", **options: Any) -> None:
        """Put the source."""
        receipt = await files.put(self.source, path, durability=Durability.MEMORY, **options)
        self.assertEqual((receipt.digest, receipt.size), (digest_of(self.source.read_bytes()), SIZE))

    async def get(self, files: Files, path: str = "x", **options: Any) -> bytes:
        """Give what is got."""
        target = self.local / f"back-{path}"
        await files.get(path, target, durability=Durability.MEMORY, **options)
        return target.read_bytes()

    async def test_it_goes_by_itself(self) -> None:
        """Nearly all of a large file does, on both sides and both ways; and the watch is told of every byte."""
        files = await self.connected()
        putting, getting = Watcher(), Watcher()
        await self.put(files, watch=putting)
        self.assertGreater(sum(self.moved), 1.9 * SIZE)
        self.moved.clear()
        self.assertEqual(await self.get(files, watch=getting), self.content)
        self.assertGreater(sum(self.moved), 1.9 * SIZE)
        self.assertEqual((putting.have_moved, getting.have_moved), (SIZE, SIZE))

    async def test_over_tls(self) -> None:
        """Over TLS it does too, through OpenSSL, in the same threads."""
        port = await self.listen(tls=True)
        files = await connect(reactor, f"127.0.0.1:{port}", tls=client_tls("localhost", ca=self.ca))
        self.addCleanup(lambda: ensureDeferred(files.close()))
        self.assertTrue(ISSLTransport.providedBy(files._conversation.transport))
        await self.put(files)
        self.assertEqual(await self.get(files), self.content)
        self.assertGreater(sum(self.moved), 3.6 * SIZE)

    async def test_side_by_side(self) -> None:
        """Large puts and gets asked for at once, and small ones between them, over one connection."""
        files = await self.connected()
        await self.put(files, "x")

        async def small(number: int) -> None:
            content = b"%d" % number
            (self.local / f"s{number}").write_bytes(content)
            await files.put(self.local / f"s{number}", f"s{number}", durability=Durability.MEMORY)
            self.assertEqual(await self.get(files, f"s{number}"), content)

        doing: list[Any] = [self.put(files, f"p{number}") for number in range(3)]
        doing += [self.get(files, "x"), *(small(number) for number in range(5)), files.ping(), files.stat("x")]
        await gatherResults([ensureDeferred(one) for one in doing])
        self.assertEqual([await self.get(files, f"p{number}") for number in range(3)], [self.content] * 3)

    async def test_shorter_source(self) -> None:
        """A source cut short in the middle of a part ends the put, publishes nothing, and the connection goes on."""
        files = await self.connected()
        with self.assertRaises(SourceChangedError):
            await self.put(files, watch=Watcher(MEBIBYTE, lambda: os.truncate(self.source, MEBIBYTE)))
        await files.ping()  # by then the server has heard that it was abandoned
        self.assertEqual([*self.root.iterdir()], [])
        self.source.write_bytes(self.content)
        await self.put(files)

    async def test_shorter_file_there(self) -> None:
        """A file cut short on the server while it is got ends the connection; nothing is published."""
        files = await self.connected()
        await self.put(files)
        cut = Watcher(MEBIBYTE, lambda: os.truncate(self.root / "x", MEBIBYTE))
        with self.assertRaises(DisconnectedError):
            await self.get(files, watch=cut)
        self.assertFalse((self.local / "back-x").exists())

    async def test_broken_off(self) -> None:
        """What a cut connection left goes on where it stopped, both ways, and nothing is left open."""
        for act in (self.put, self.get):
            files = await self.connected()
            with self.assertRaises(DisconnectedError):
                await act(files, watch=Watcher(8 * MEBIBYTE, self.cut(files)))
            where = self.root if act == self.put else self.local
            await wait(partial(self.left_over, where))
            left = self.left_over(where)[0]
            files = await self.connected(files._conversation.transport.getPeer().port)
            await wait(partial(is_part, left))
            watch = Watcher()
            await act(files, watch=watch)
            self.assertGreater(watch.were_there, MEBIBYTE)
            self.assertEqual(watch.were_there + watch.have_moved, SIZE)
        self.assertEqual((self.local / "back-x").read_bytes(), self.content)

    async def test_cancelled(self) -> None:
        """A put, or a get, that is cancelled lets go of its files before it says so."""
        for act in (self.put, self.get):
            files = await self.connected()
            if act == self.get:
                await self.put(files)
            under_way: list[Any] = []
            cancel = Watcher(4 * MEBIBYTE, partial(reactor.callLater, 0, partial(cancel_first, under_way)))
            under_way.append(doing := ensureDeferred(act(files, watch=cancel)))
            await self.assertFailure(doing, CancelledError)
            held = [name for name in open_files() if name.startswith(str(self.local))]
            self.assertEqual(held, [])

    async def test_full_disk(self) -> None:
        """A disk that fills up in the middle is an answer, not a lost connection."""
        files = await self.connected()
        await self.put(files, "before")
        self.fail_after(8 * MEBIBYTE)
        with self.assertRaises(NoSpaceError):
            await self.put(files)
        await files.ping()
        self.assertFalse((self.root / "x").exists())

    def fail_after(self, most: int) -> None:
        """Have the server's disk full once a file has `most` bytes."""
        move = Inflow.move

        def full(flow: Inflow, connection: int, count: int) -> Any:
            if flow.done + flow._offset > most:
                raise OSError(28, "No space left on device")
            return move(flow, connection, min(count, MEBIBYTE))

        self.patch(Inflow, "move", full)

    async def test_more_than_announced(self) -> None:
        """What a put has too much of is refused before it is taken."""
        files = await self.connected()
        made: list[Incoming] = []
        inflow = Incoming.inflow

        def noted(incoming: Incoming, count: int, also: Any = None) -> Inflow:
            made.append(incoming)
            incoming._size = SIZE // 2
            return inflow(incoming, count, also)

        self.patch(Incoming, "inflow", noted)
        with self.assertRaises(BadRequestError):
            await self.put(files)
        self.assertLessEqual(made[0].received, SIZE // 2)

    async def test_stop(self) -> None:
        """A server that stops lets what goes by itself finish."""
        files = await self.connected()
        stopping: list[Any] = []
        factory: Any = self.factories[0]
        watch = Watcher(4 * MEBIBYTE, lambda: stopping.append(self.stop(factory, 10.0)))
        await self.put(files, watch=watch)
        await stopping[0]
        self.assertEqual((self.root / "x").read_bytes(), self.content)

    async def test_what_is_counted(self) -> None:
        """The server counts what goes by itself, for its log and to see who is idle."""
        files = await self.connected()
        await self.put(files)
        await self.get(files)
        factory: Any = self.factories[0]
        [connection] = factory._connections
        self.assertGreater(connection.bytes_in, SIZE)
        self.assertGreater(connection.bytes_out, SIZE)


def is_part(path: Path) -> bool:
    """Tell whether some of the content is there, and not more."""
    return 0 < path.stat().st_size < SIZE


def cancel_first(under_way: list[Any]) -> None:
    """Cancel it."""
    under_way[0].cancel()


def open_files() -> list[str]:
    """Give the names of the files that are open."""
    names = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that this loop had
            names.append(str(link.readlink()))
    return names
