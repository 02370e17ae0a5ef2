"""Trees through a real server, with real threads."""

import os
import shutil
import signal
import tempfile
from pathlib import Path

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.filexfer.trees.fakes import Notes, fill, shown
from tests.net.wires import reactor
from tests.processes import DEADLINE, Running, service
from twisted_lab.filexfer import Files, connect
from twisted_lab.filexfer.errors import DisconnectedError
from twisted_lab.filexfer.links import Links
from twisted_lab.filexfer.receipt import Receipt
from twisted_lab.filexfer.store.root import Root
from twisted_lab.filexfer.trees.plan import SyncOptions
from twisted_lab.filexfer.trees.transfer import get_tree, put_tree, sync_down, sync_up
from twisted_lab.filexfer.trees.verify import Verdict, verify

OPTIONS = SyncOptions(links=Links.KEEP, delete=True, checksum=True)
#: With more files than a bundle has, a large one, and directories beside each other and in each other.
TREE = {
    **{f"small/{number % 7}/{number}": f"content {number}" for number in range(1200)},
    **{f"empty/{number}/": "" for number in range(200)},
    "/".join("deep" * 20): "deep",
    "large": b"0123456789abcdef" * 2**18,
    "link": "-> small/1",
    "fifo": None,
}


class Killer(Notes):
    """Kills the server once a number of files are done."""

    def __init__(self, running: Running, after: int) -> None:
        super().__init__()
        self._running = running
        self._after = after

    def done(self, path: str, receipt: Receipt) -> None:
        """Count down."""
        super().done(path, receipt)
        if self.done_files == self._after:
            self._running.stop(signal.SIGKILL)


class ServerTests(TestCase):
    """``twistd -n filexfer``, and a client here."""

    timeout = 2 * DEADLINE

    def setUp(self) -> None:
        """Make a directory for each side, and a third to come back to."""
        self.top = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.top)
        self.here, self.served, self.back = (self.top / name for name in ("here", "served", "back"))
        for path in (self.here, self.served, self.back):
            path.mkdir()
        self.notes = Notes()

    async def connected(self, running: Running) -> Files:
        """Connect; the connection is closed after the test."""
        files = await connect(reactor, f"tcp:127.0.0.1:{running.port}")

        def close() -> "Deferred[None]":
            return ensureDeferred(files.close())

        self.addCleanup(close)
        return files

    async def test_there_and_back(self) -> None:
        """A tree that is put, verified, and got again is the same; a sync either way then finds nothing to do."""
        fill(self.here, TREE)
        with (
            service("filexfer", "--root", str(self.served)) as running,
            Root(self.here) as here,
            Root(self.back) as back,
        ):
            files = await self.connected(running)
            await put_tree(files, here, "a/b", OPTIONS, self.notes, deferToThread)
            self.assertEqual((self.notes.errors, self.notes.done_files), ({}, 1202))
            self.assertEqual(self.notes.skipped_names, 1)
            verdicts = [verified async for verified in verify(files, here, "a/b", OPTIONS, deferToThread)]
            self.assertEqual(len(verdicts), 1204)
            self.assertEqual({verified.verdict for verified in verdicts}, {Verdict.SAME, Verdict.SKIPPED})
            await get_tree(files, "a/b", back, OPTIONS, self.notes, deferToThread)
            self.assertEqual(self.notes.errors, {})
            expected = {name: what for name, what in shown(self.here).items() if name != "fifo"}
            self.assertEqual(shown(self.back), expected)
            self.assertEqual(shown(self.served / "a" / "b"), expected)
            notes = Notes()
            await sync_up(files, back, "a/b", OPTIONS, notes, deferToThread)
            await sync_down(files, "a/b", back, OPTIONS, notes, deferToThread)
            self.assertEqual({word.partition(" ")[0] for word in notes.told}, {"unchanged"})

    async def test_killed_server(self) -> None:
        """A put whose server is killed ends with an error; every file there is whole, and a sync does the rest."""
        fill(self.here, TREE)
        os.unlink(self.here / "fifo")  # noqa: PTH108
        with Root(self.here) as here:
            with service("filexfer", "--root", str(self.served)) as running:
                files = await self.connected(running)
                with self.assertRaises(DisconnectedError):
                    await put_tree(files, here, "", OPTIONS, Killer(running, 300), deferToThread)
            expected, found = shown(self.here), shown(self.served)
            part = {name: what for name, what in found.items() if ".filexfer-" not in name}
            self.assertGreater(len(expected), len(part))
            self.assertEqual(part, {name: expected[name] for name in part})
            with service("filexfer", "--root", str(self.served)) as running:
                files = await self.connected(running)
                await sync_up(files, here, "", OPTIONS, self.notes, deferToThread)
            self.assertEqual(self.notes.errors, {})
            found = {name: what for name, what in shown(self.served).items() if ".filexfer-" not in name}
            self.assertEqual(found, expected)
