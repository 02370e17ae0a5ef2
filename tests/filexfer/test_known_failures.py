"""What other programs that move files are known to get wrong, one by one, where no other test here has it."""

import errno
import json
import os
import socket
import struct
from collections.abc import Callable
from functools import partial
from typing import Any

import trustme
from twisted.internet.defer import execute
from twisted.internet.error import ConnectionLost
from twisted.internet.ssl import PrivateCertificate
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from tests.filexfer.client.fake_server import WELCOME, ClientTestCase, digest_of
from tests.filexfer.client.test_get import CONTENT, GetTestCase
from tests.filexfer.server.sessions import DONE, HELLO, SessionTestCase, encode, sha
from tests.filexfer.store.faults import Fault, fail_with, injected
from tests.filexfer.trees.fakes import TwoTreesTestCase
from tests.net.fakes import FakeTransport
from tests.processes import answering, command, receive
from twisted_lab.filexfer.client import put
from twisted_lab.filexfer.errors import DisconnectedError
from twisted_lab.filexfer.messages.replies import Welcome, welcome_fields
from twisted_lab.filexfer.server.factory import HELLO_TIMEOUT
from twisted_lab.filexfer.store.outgoing import Outgoing
from twisted_lab.filexfer.trees import local
from twisted_lab.filexfer.trees.local import LocalTree
from twisted_lab.filexfer.trees.plan import SyncOptions, TreeOptions
from twisted_lab.filexfer.trees.transfer import get_tree, put_tree, sync_down, sync_up

WHOLE = b"Hello world"
SIZE = len(WHOLE)


class BrokenOffTestCase(SessionTestCase):
    """Puts of a file ``x`` that are broken off."""

    def again(self) -> None:
        """Connect anew."""
        self.connection, self.transport = self.connect()
        self.ask(HELLO)

    def begin(self, size: int | None, *pieces: bytes) -> None:
        """Send a put, up to some point."""
        self.send({"type": "put", "id": 3, "path": "x", **({} if size is None else {"size": size})}, pieces[0])
        for piece in pieces[1:]:
            self.send({"type": "part", "id": 3}, piece)

    def leave(self, size: int, content: bytes) -> None:
        """Leave the beginning of a put, and connect anew."""
        self.begin(size, content)
        self.lose(self.connection)
        self.again()

    def left_over(self, size: int) -> tuple[int, str]:
        """Give what the server says that it has."""
        ((reply, _),) = self.ask({"type": "resume", "path": "x", "size": size})
        return reply["offset"], reply["digest"]

    def go_on(self, whole: bytes, offset: int) -> None:
        """Send the rest; see that the file is there."""
        self.send({"type": "put", "id": 3, "path": "x", "size": len(whole), "offset": offset}, whole[offset:])
        ((reply, _),) = self.ask({"type": "digest", "id": 3, "digest": sha(whole)})
        self.assertEqual((reply["type"], (self.directory / "x").read_bytes()), ("ok", whole))


class FalseSuccessTests(BrokenOffTestCase):
    """A put that ends before its digest has come."""

    def half_close(self) -> None:
        """Shut the client's side."""
        self.connection.readConnectionLost()
        self.lose(self.connection)

    def half_a_part(self) -> None:
        """Stop in the middle of a message."""
        self.begin(SIZE, b"Hello")
        self.connection.dataReceived(encode({"type": "part", "id": 3}, b"1234")[:-2])

    def go_silent(self) -> None:
        """Say nothing more until the server gives up."""
        self.clock.pump([self.idle_timeout / 8] * 12)
        self.assertTrue(self.connection.closing)
        self.lose(self.connection)

    def test_an_end_is_no_success(self) -> None:
        """A put that breaks off, however, isn't taken for done: sftpgo#1983, #2260, pyftpdlib#655, rclone#3612."""
        ends: tuple[Callable[[], object], ...] = (
            lambda: self.connection.connectionLost(DONE),
            lambda: self.connection.connectionLost(Failure(ConnectionLost())),
            self.half_close,
            self.go_silent,
        )
        points: tuple[Callable[[], object], ...] = (
            lambda: self.begin(SIZE, b"Hello"),
            lambda: self.begin(SIZE, b"Hello", b" "),
            lambda: self.begin(SIZE, WHOLE),
            lambda: self.begin(None, WHOLE),
            self.half_a_part,
        )
        for old in (None, b"old"):
            if old is not None:
                (self.directory / "x").write_bytes(old)
            for end in ends:
                for point in points:
                    self.again()
                    point()
                    end()
                    published = [path for path in self.directory.iterdir() if path.name not in self.staged()]
                    self.assertEqual([path.read_bytes() for path in published], [] if old is None else [old])
                    record = self.records.kept[-1]
                    self.assertEqual(record["what"], "put")
                    self.assertIn(record["result"], {"disconnected", "truncated"})


class ResumeTests(BrokenOffTestCase):
    """What is left over of a put."""

    def test_nothing_is_wiped_at_the_end(self) -> None:
        """A put of which only the end was missing has nothing to send any more (magic-wormhole#722)."""
        self.leave(SIZE, WHOLE)
        self.assertEqual(self.left_over(SIZE), (SIZE, sha(WHOLE)))
        self.go_on(WHOLE, SIZE)

    def test_any_size_is_left_over(self) -> None:
        """OpenSSH's sizes to go on from: nothing, a byte, 1 KiB, 1 MiB, all but one byte, all."""
        whole = os.urandom(2**20 + 2**16)
        for kept in (0, 1, 2**10, 2**20, len(whole) - 1, len(whole)):
            self.leave(len(whole), whole[:kept])
            self.assertEqual(self.left_over(len(whole)), (kept, sha(whole[:kept])))
            self.go_on(whole, kept)

    def test_123lo_world(self) -> None:
        """A client that believes the length of other bytes gets no `123lo world` published, nor kept (sb-mirror#14)."""
        self.leave(SIZE, b"123")
        self.assertEqual(self.left_over(SIZE), (3, sha(b"123")))
        self.send({"type": "put", "id": 3, "path": "x", "size": SIZE, "offset": 3}, WHOLE[3:])
        self.assertEqual(self.code({"type": "digest", "id": 3, "digest": sha(WHOLE)}), "digest-mismatch")
        self.assertEqual([*self.directory.iterdir()], [])
        self.assertEqual(self.left_over(SIZE)[0], 0)

    def test_zeros_are_content(self) -> None:
        """Zeros that have arrived are there, and needn't come again: croc takes 32 KiB of them for missing."""
        zeros = bytes(2**18)
        self.leave(len(zeros) + 1, zeros)
        self.assertEqual(self.left_over(len(zeros) + 1), (len(zeros), sha(zeros)))

    def test_what_is_reserved_has_not_arrived(self) -> None:
        """The place that a large file gets on the disk before it comes isn't taken for its content."""
        self.begin(2**22, b"some")
        (name,) = self.staged()
        self.assertEqual((self.directory / name).stat().st_size, 4, "what a kill would leave")
        self.lose(self.connection)
        self.again()
        self.assertEqual(self.left_over(2**22), (4, sha(b"some")))


class FullDiskTests(BrokenOffTestCase):
    """A disk that is full before the put is over."""

    def test_told_and_gone_on_with(self) -> None:
        """The sender is told at once, and goes on when there is room again (localsend#2440, syncthing#1498)."""
        self.begin(SIZE, b"Hello")
        with injected(Fault(1, partial(fail_with, errno.ENOSPC))):
            self.assertEqual(self.code({"type": "part", "id": 3}, b" wo"), "no-space")
        self.lose(self.connection)
        self.assertFalse((self.directory / "x").exists())
        self.again()
        self.assertEqual(self.left_over(SIZE), (5, sha(b"Hello")))
        self.go_on(WHOLE, 5)


class LockTests(BrokenOffTestCase):
    """Who waits for whom."""

    def test_who_reads_waits_for_nobody(self) -> None:
        """A file is got while others get it, put it or have left half of it over: no lock stands there (tusd#1356)."""
        self.put("x", bytes(2**21))
        self.leave(2**20, b"some")
        for header in ({"type": "get", "path": "x", "id": 2}, {"type": "put", "path": "x", "id": 2, "size": 9}):
            self.transport.stalls = True
            self.send(header)
            self.again()
        answered = self.ask({"type": "get", "path": "x"})
        self.assertEqual(
            [(header["type"], len(content)) for header, content in answered], [("get", 2**21), ("digest", 0)]
        )


class TCPTransport(FakeTransport):
    """A transport as TLS expects it below."""

    def setTcpKeepAlive(self, enabled: bool) -> None:  # noqa: FBT001
        """Do nothing."""

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: FBT001
        """Do nothing."""


class HandshakeTests(SessionTestCase):
    """A client of TLS that never gets to hello."""

    greeted = False

    def test_stalled_handshake(self) -> None:
        """A handshake that is stalled, or comes byte by byte, holds its place for ten seconds (CVE-2026-70464)."""
        issued = trustme.CA().issue_cert("127.0.0.1")
        pem = issued.private_key_pem.bytes() + issued.cert_chain_pems[0].bytes()
        options = PrivateCertificate.loadPEM(pem).options()
        for sends in (b"", b"\x16\x03\x01\x00\xff\x01\x00\x00\xfb\x03\x03"):
            clock, transport = Clock(), TCPTransport()
            self.patch(self.factory, "clock", clock)
            protocol = TLSMemoryBIOFactory(options, isClient=False, wrappedFactory=self.factory).buildProtocol(None)
            protocol.makeConnection(transport)
            for second in range(int(HELLO_TIMEOUT)):
                self.assertFalse(transport.aborted)
                if sends:
                    protocol.dataReceived(sends[second : second + 1])
                clock.advance(1)
            self.assertTrue(transport.aborted)
            protocol.connectionLost(DONE)


class PatienceTests(ClientTestCase):
    """A server that lets connections idle for 68 years."""

    welcome = Welcome(WELCOME.version, "sha-256", "read", "", 2.0**31)

    def test_silence(self) -> None:
        """A server can't switch the client's own timeout off by asking for patience (CVE-2026-70462)."""
        asking = self.asking(self.files.stat("a"))
        self.server.clock.pump([50.0] * 7)
        self.assertTrue(self.server.transport.aborted)
        self.server.lose(ConnectionLost())
        self.refused(asking, DisconnectedError)


class ReceiptTests(ClientTestCase):
    """A server that takes everything and says nothing."""

    def test_sent_is_not_received(self) -> None:
        """That all was sent, and the connection was closed in peace, is no success without a receipt (portal#15)."""
        source = self.temporary() / "x"
        source.write_bytes(WHOLE)
        putting = self.asking(self.files.put(source, "x"))
        self.assertEqual(self.server.take_types(), ["put", "part", "digest"])
        self.assertNoResult(putting)
        self.server.lose()
        self.refused(putting, DisconnectedError)

    def test_by_the_command(self) -> None:
        """So the command prints no receipt, and its status says that it is to be run again (portal#15)."""
        source = self.temporary() / "x"
        source.write_bytes(WHOLE)
        taken: list[str] = []

        def message(connection: socket.socket) -> Any:
            (length,) = struct.unpack("!I", receive(connection, 4))
            header = json.loads(receive(connection, length))
            receive(connection, header.get("length", 0))
            return header

        def answer(connection: socket.socket) -> None:
            header = message(connection)
            connection.sendall(encode(welcome_fields(WELCOME, header["id"])))
            while header["type"] != "digest":
                header = message(connection)
                taken.append(header["type"])
                if header["type"] == "stat":  # whether the target is a directory
                    fields = {"type": "error", "id": header["id"], "code": "not-found", "message": "no"}
                    connection.sendall(encode(fields))
            connection.shutdown(socket.SHUT_WR)

        with answering(answer) as address:
            done = command("filexfer", "put", str(source), ":x", "--connect", address)
        self.assertEqual(taken, ["stat", "put", "part", "digest"])
        self.assertEqual((done.returncode, done.stdout), (os.EX_TEMPFAIL, b""), done.stderr)


class FirstByteTests(ClientTestCase):
    """A large file."""

    def test_the_first_byte_waits_for_no_digest(self) -> None:
        """A file's first part is sent when no more than two have been read or hashed (croc#981)."""
        self.patch(put, "PIECE", 4)
        source = self.temporary() / "x"
        source.write_bytes(bytes(2**17))
        steps: list[str] = []
        read, hashed = Outgoing.read, Outgoing.hash

        def sent() -> list[str]:
            return [header["type"] for header in self.server.take_headers()]

        def reading(outgoing: Outgoing, most: int) -> bytes:
            steps.extend([*sent(), f"read {most}"])
            return read(outgoing, most)

        def hashing(outgoing: Outgoing, most: int) -> bool:
            steps.append(f"hash {most}")
            return hashed(outgoing, most)

        self.patch(Outgoing, "read", reading)
        self.patch(Outgoing, "hash", hashing)
        self.asking(self.files.put(source, "x", resume=False))
        self.assertEqual(steps[:5], ["put", "read 4", "read 4", "part", "read 4"])


class ResumedGetTests(GetTestCase):
    """What is left over of a get."""

    def test_any_size_is_left_over(self) -> None:
        """A get goes on after a byte, all but one, and all of it, of which nothing was wiped (magic-wormhole#722)."""
        for kept in range(1, len(CONTENT) + 1):
            self.leave(CONTENT[:kept])
            getting = self.getting_known()
            header = self.taken()
            self.assertEqual((header["type"], header["count"]), ("digest", kept))
            self.server.say({"type": "digest", "id": header["id"], "digest": digest_of(CONTENT[:kept])})
            self.finish(self.send(CONTENT[kept:], kept, length=len(CONTENT) - kept), CONTENT[kept:])
            self.assertEqual(self.successResultOf(getting).digest, digest_of(CONTENT))
            self.assertEqual((self.target.read_bytes(), self.left_over()), (CONTENT, []))


class ScaleTests(TwoTreesTestCase):
    """Trees of many directories."""

    def test_the_first_file_waits_for_no_list(self) -> None:
        """A tree's first file is on its way before the tree was looked through, or hashed (croc#981, #1299)."""
        for top in (self.here, self.there):
            (top / "0").write_bytes(bytes(1001) if top == self.here else bytes(1002))
            for number in range(100):
                (top / f"{number + 1:03}").mkdir()
                (top / f"{number + 1:03}" / "x").write_bytes(b"same")
        steps: list[str] = []
        answer, ask = LocalTree._answer, self.files.ask

        def look(tree: LocalTree, asked: Any) -> Any:
            steps.append("look")
            return answer(tree, asked)

        def note(what: str, path: str) -> None:
            steps.append(what)
            ask(what, path)

        self.patch(LocalTree, "_answer", look)
        self.patch(self.files, "ask", note)
        self.patch(local, "BATCH", 8)
        options = SyncOptions(checksum=True)
        for carry, verb in (
            (lambda: put_tree(self.files, self.root, "", TreeOptions(), self.notes, execute), "put"),
            (lambda: get_tree(self.files, "", self.root, TreeOptions(), self.notes, execute), "get"),
            (lambda: sync_up(self.files, self.root, "", options, self.notes, execute), "put"),
            (lambda: sync_down(self.files, "", self.root, options, self.notes, execute), "get"),
        ):
            (self.here / "0").write_bytes(os.urandom(2000))
            steps.clear()
            self.now(carry())
            self.assertLess(steps.index(verb), 60)
            self.assertGreater(len(steps), 200)
