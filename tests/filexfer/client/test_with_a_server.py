"""The client and the server, over real sockets and with real threads."""

import io
import os
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred, gatherResults
from twisted.internet.endpoints import TCP4ServerEndpoint, wrapServerTLS
from twisted.internet.threads import deferToThreadPool

from tests.net.handshakes import HandshakeTestCase
from tests.net.wires import reactor, wait
from twisted_lab.filexfer import Condition, Durability, Files, SmallFile, connect
from twisted_lab.filexfer.digests import Digest
from twisted_lab.filexfer.errors import (
    BusyError,
    DeniedError,
    DisconnectedError,
    ExistsError,
    FilexferError,
    LoginRequiredError,
    NotFoundError,
)
from twisted_lab.filexfer.modes import Mode
from twisted_lab.filexfer.receipt import Receipt
from twisted_lab.filexfer.server.accounts import Accounts
from twisted_lab.filexfer.server.factory import FilexferFactory
from twisted_lab.net.tls import CertificateError, client_tls, server_tls
from twisted_lab.net.writer import RECEIVED, RING, RINGS

PASSWORD = "open sesame"  # noqa: S105  # of nobody
MEBIBYTE = 2**20


def digest_of(content: bytes) -> str:
    """Give a digest as both sides prefer it."""
    digest = Digest("blake3")
    digest.update(content)
    return digest.text


class Watcher:
    """Counts; once `after` bytes have moved, does `what`."""

    def __init__(self, after: int = 0, what: Callable[[], object] = lambda: None) -> None:
        self.were_there = self.have_moved = 0
        self._after = after
        self._what = what

    def resumed(self, count: int) -> None:
        """Count."""
        self.were_there += count

    def moved(self, count: int) -> None:
        """Count."""
        before, self.have_moved = self.have_moved, self.have_moved + count
        if before < self._after <= self.have_moved:
            self._what()

    async def allow(self, count: int) -> None:
        """Let everything pass."""


class ServerTestCase(HandshakeTestCase):
    """Serve an empty directory, `self.root`; work in another, `self.local`."""

    def setUp(self) -> None:
        """Make them."""
        super().setUp()
        self.root, self.local = self.files / "root", self.files / "local"
        self.root.mkdir()
        self.local.mkdir()
        self.source = self.local / "source"
        self.factories: list[FilexferFactory] = []

    async def listen(
        self,
        *,
        tls: bool = False,
        mode: Mode | None = Mode.READ_WRITE,
        wrap: Callable[[Any], Any] = lambda factory: factory,
    ) -> int:
        """Give the server's port; it serves what `wrap` makes of the factory."""
        threads = partial(deferToThreadPool, reactor, reactor.getThreadPool())
        checker = InMemoryUsernamePasswordDatabaseDontUse(alice=PASSWORD.encode())
        accounts = Accounts(self.root, threads, checkers=[checker], anonymous=mode)
        factory = FilexferFactory(reactor, accounts, threads)
        self.factories.append(factory)
        endpoint: Any = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        if tls:
            endpoint = wrapServerTLS(server_tls(self.directory), endpoint)
        port: Any = await endpoint.listen(wrap(factory))
        self.addCleanup(accounts.close)
        self.addCleanup(self.stop, factory, 0.0)
        self.addCleanup(port.stopListening)
        return int(port.getHost().port)

    async def connected(self, port: int | None = None) -> Files:
        """Give a connection, which is closed after the test."""
        files = await connect(reactor, f"127.0.0.1:{port or await self.listen()}")
        self.addCleanup(lambda: ensureDeferred(files.close()))
        return files

    def cut(self, files: Files) -> Callable[[], object]:
        """Give what breaks the connection."""
        return files._conversation.transport.abortConnection

    def left_over(self, directory: Path) -> list[Path]:
        """Give what broken transfers have left in a directory."""
        return [*directory.glob(".filexfer-*")]


class RoundTripTests(ServerTestCase):
    """What is put can be got."""

    async def test_sizes(self) -> None:
        """Files of all sizes, with their facts, into files and streams."""
        files = await self.connected()
        for size in (0, 1, 2**16, 2**19 - 1, 2**19, 2**19 + 1, 3 * MEBIBYTE + 7):
            content = os.urandom(size)
            self.source.write_bytes(content)
            self.source.chmod(0o640)
            os.utime(self.source, ns=(1, 1_234_567_890_123_456_789))
            receipt = await files.put(self.source, "x")
            self.assertEqual(receipt, Receipt("x", digest_of(content), size, receipt.etag, Durability.DIRECTORY))
            self.assertEqual((await files.stat("x")).etag, receipt.etag)
            target = self.local / "target"
            await files.get("x", target)
            self.assertEqual(target.read_bytes(), content)
            status = target.stat()
            self.assertEqual((status.st_mode & 0o777, status.st_mtime_ns), (0o640, 1_234_567_890_123_456_789))
            stream = io.BytesIO()
            await files.get("x", stream)
            self.assertEqual(stream.getvalue(), content)

    async def test_nothing_is_held_back(self) -> None:
        """Our kernel doesn't keep a small message until the server has acknowledged the one before."""
        files = await self.connected()
        self.assertTrue(files._conversation.transport.getTcpNoDelay())

    async def test_other_requests(self) -> None:
        """Directories, names, links and digests."""
        files = await self.connected()
        await files.mkdir("a/b", parents=True)
        await files.put(io.BytesIO(b"hello"), "a/b/x", condition=Condition(absent=True))
        with self.assertRaises(ExistsError):
            await files.put(io.BytesIO(b"hello"), "a/b/x", condition=Condition(absent=True))
        await files.symlink("a/b/l", "x")
        await files.rename("a/b/x", "a/b/y")
        self.assertEqual([entry.name async for entry in files.list("a/b", page=1)], ["l", "y"])
        self.assertEqual((await files.stat("a/b/l")).target, "x")
        self.assertEqual(await files.digest("a/b/y", 1, 3), digest_of(b"ell"))
        await files.remove("a/b/l")
        with self.assertRaises(NotFoundError):
            await files.stat("a/b/l")
        await files.ping()

    async def test_small_files(self) -> None:
        """Thousands go in bundles; each is there, or has its error, in order."""
        files = await self.connected()
        contents = [b"%d" % number * 100 for number in range(2500)]
        small = [
            SmallFile((f"d{number % 7}", str(number)), content, digest_of(content))
            for number, content in enumerate(contents)
        ]
        small[5] = SmallFile(("d5", "5"), b"other", digest_of(b"bytes"))
        results = await files.put_small(small, durability=Durability.MEMORY)
        self.assertEqual([n for n, result in enumerate(results) if isinstance(result, FilexferError)], [5])
        for number in (0, 1023, 1024, 2499):
            self.assertEqual((self.root / f"d{number % 7}" / str(number)).read_bytes(), contents[number])
        paths = [f"d{number % 7}/{number}" for number in range(2500)]
        found = await files.get_small(paths)
        self.assertIsInstance(found[5], NotFoundError)
        got = [file.content for file in found if isinstance(file, SmallFile)]
        self.assertEqual(got, contents[:5] + contents[6:])

    async def test_pipe(self) -> None:
        """A pipe is put as it comes, to its end."""
        files = await self.connected()
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb") as stream:
            putting = ensureDeferred(files.put(stream, "x"))
            os.write(writer, b"one, ")
            await wait(lambda: self.left_over(self.root) and self.left_over(self.root)[0].stat().st_size == 5)
            self.assertFalse((self.root / "x").exists())
            os.write(writer, b"two")
            os.close(writer)
            await putting
        self.assertEqual((self.root / "x").read_bytes(), b"one, two")


class ConcurrencyTests(ServerTestCase):
    """Many at one time, over one connection."""

    async def test_all_at_once(self) -> None:
        """Puts, gets, small files and questions don't come in each other's way."""
        files = await self.connected()
        contents = [os.urandom(1 + number * 40_000) for number in range(20)]
        for number, content in enumerate(contents):
            (self.local / str(number)).write_bytes(content)

        async def there_and_back(number: int) -> None:
            content = contents[number]
            await files.put(self.local / str(number), f"f{number}")
            target = self.local / f"back{number}"
            await files.get(f"f{number}", target)
            self.assertEqual(target.read_bytes(), content)
            self.assertEqual((await files.stat(f"f{number}")).size, len(content))
            self.assertEqual(await files.digest(f"f{number}"), digest_of(content))

        small = [SmallFile(("s", str(number)), b"x", digest_of(b"x")) for number in range(100)]
        doing: list[Any] = [there_and_back(number) for number in range(20)]
        doing += [files.put_small(small, durability=Durability.MEMORY)]
        doing += [files.ping() for _ in range(200)]
        await gatherResults([ensureDeferred(one) for one in doing])
        self.assertEqual(len([entry async for entry in files.list("s")]), 100)

    async def test_memory(self) -> None:
        """A transfer takes little memory, however large the file is (magic-wormhole#447)."""
        files = await self.connected()
        with self.source.open("wb") as sparse:
            sparse.truncate(128 * MEBIBYTE)
        tracemalloc.start()
        try:
            await files.put(self.source, "x", durability=Durability.MEMORY)
            await files.get("x", self.local / "target", durability=Durability.MEMORY)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        rings = RINGS * RING * RECEIVED
        self.assertLess(peak, rings + 10 * MEBIBYTE, "both sides, and what their transports hold")


class ResumeTests(ServerTestCase):
    """Connections that break, and transfers that go on."""

    size = 8 * MEBIBYTE

    async def test_put(self) -> None:
        """What the server has isn't sent again."""
        content = os.urandom(self.size)
        self.source.write_bytes(content)
        port = await self.listen()
        files = await self.connected(port)
        with self.assertRaises(DisconnectedError):
            await files.put(self.source, "x", watch=Watcher(3 * MEBIBYTE, self.cut(files)))
        self.assertFalse((self.root / "x").exists())
        await wait(lambda: self.left_over(self.root))
        receipt, watcher = await self.again(port, lambda files, watcher: files.put(self.source, "x", watch=watcher))
        self.assertEqual(receipt.digest, digest_of(content))
        self.assertGreater(watcher.were_there, 0)
        self.assertEqual(watcher.were_there + watcher.have_moved, self.size)
        self.assertEqual((self.root / "x").read_bytes(), content)
        self.assertEqual(self.left_over(self.root), [])

    async def test_get(self) -> None:
        """What is here isn't sent again."""
        content = os.urandom(self.size)
        (self.root / "x").write_bytes(content)
        port = await self.listen()
        files = await self.connected(port)
        target = self.local / "target"
        with self.assertRaises(DisconnectedError):
            await files.get("x", target, watch=Watcher(3 * MEBIBYTE, self.cut(files)))
        self.assertEqual([*self.local.iterdir()], self.left_over(self.local))
        receipt, watcher = await self.again(port, lambda files, watcher: files.get("x", target, watch=watcher))
        self.assertEqual(receipt.digest, digest_of(content))
        self.assertGreaterEqual(watcher.were_there, 3 * MEBIBYTE)
        self.assertEqual(watcher.were_there + watcher.have_moved, self.size)
        self.assertEqual(target.read_bytes(), content)
        self.assertEqual(self.left_over(self.local), [])

    async def test_cancelled(self) -> None:
        """A transfer that is cancelled is gone on with like another; nothing is left running."""
        self.source.write_bytes(os.urandom(self.size))
        (self.root / "y").write_bytes(os.urandom(self.size))
        port = await self.listen()
        target = self.local / "target"

        def put(files: Files, watcher: Watcher) -> Any:
            return files.put(self.source, "x", watch=watcher)

        def get(files: Files, watcher: Watcher) -> Any:
            return files.get("y", target, watch=watcher)

        for move in (put, get):
            files = await self.connected(port)
            moving: list[Deferred[Any]] = []
            cancel = partial(reactor.callLater, 0, lambda moving=moving: moving[0].cancel())
            moving.append(ensureDeferred(move(files, Watcher(MEBIBYTE, cancel))))
            with self.assertRaises(CancelledError):
                await moving[0]
            await wait(partial(getattr, files, "lost"))
            _, watcher = await self.again(port, move)
            self.assertGreater(watcher.were_there, 0)
        self.assertEqual((self.root / "x").read_bytes(), self.source.read_bytes())
        self.assertEqual((self.root / "y").read_bytes(), target.read_bytes())

    async def again(self, port: int, move: Callable[[Files, Watcher], Any]) -> tuple[Receipt, Watcher]:
        """Do it on a connection of its own, once the server has let go of the broken one."""
        files = await self.connected(port)
        while True:
            watcher = Watcher()
            try:
                return await move(files, watcher), watcher
            except BusyError:
                await wait(lambda: True)


class TLSTests(ServerTestCase):
    """The server is known, and who the client is can't be overheard."""

    async def test_password(self) -> None:
        """Over TLS one logs in."""
        port = await self.listen(tls=True, mode=None)
        tls = client_tls("localhost", ca=self.ca)
        where = f"127.0.0.1:{port}"
        async with connect(reactor, where, tls=tls, user="alice", password=PASSWORD) as files:
            self.assertEqual(files.welcome.user, "alice")
            self.source.write_bytes(os.urandom(3 * MEBIBYTE))
            receipt = await files.put(self.source, "x")
            self.assertEqual((await files.get("x", self.local / "y")).digest, receipt.digest)
        with self.assertRaises(LoginRequiredError):
            await connect(reactor, where, tls=tls)

    async def test_strangers(self) -> None:
        """A server whose certificate isn't trusted hears nothing; the sentence says why."""
        port = await self.listen(tls=True)
        with self.assertRaises(DisconnectedError) as caught:
            await connect(reactor, f"127.0.0.1:{port}", tls=client_tls("example.org", ca=self.ca))
        self.assertIn("example.org", str(caught.exception))
        self.assertIsInstance(caught.exception.__cause__, CertificateError)

    async def test_read_only(self) -> None:
        """What one may not do is said, and the connection goes on."""
        files = await self.connected(await self.listen(mode=Mode.READ))
        self.source.write_bytes(os.urandom(3 * MEBIBYTE))
        with self.assertRaises(DeniedError):
            await files.put(self.source, "x")
        with self.assertRaises(DeniedError):
            await files.put(self.source, "x", resume=False)
        await files.ping()
