"""What a thread does with a file and a socket, on real ones."""

import contextlib
import os
import resource
import socket
import struct
import tempfile
from hashlib import sha256
from threading import Thread
from typing import IO, Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.net.flow import FAST, PIECE, Flow, Inflow, Outflow
from twisted_lab.net.layer import Layer, Pause, SocketError
from twisted_lab.net.writer import RINGS

MEBIBYTE = 2**20
EVERYTHING = 2**40


class FlowTestCase(SynchronousTestCase):
    """A file, and a socket with its other end."""

    def setUp(self) -> None:
        """Make them."""
        self.file: IO[bytes] = tempfile.NamedTemporaryFile()  # noqa: SIM115  # closed by the cleanup
        self.addCleanup(self.file.close)
        self.connect()

    def connect(self, *buffers: int) -> None:
        """Connect; `buffers` is the size of the sending one, in bytes."""
        self.near, self.far = socket.socketpair()
        self.addCleanup(self.near.close)
        self.addCleanup(self.far.close)
        self.near.setblocking(False)
        for size in buffers:
            for end in self.near, self.far:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)

    def connect_tcp(self) -> None:
        """Connect over TCP."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.near = socket.create_connection(listener.getsockname())
            self.far, _ = listener.accept()
        self.addCleanup(self.near.close)
        self.addCleanup(self.far.close)
        self.near.setblocking(False)

    def has(self, content: bytes) -> int:
        """Fill the file; give its descriptor."""
        self.file.write(content)
        self.file.flush()
        return self.file.fileno()

    def content(self) -> bytes:
        """Give what is in the file."""
        return os.pread(self.file.fileno(), self.size(), 0)

    def size(self) -> int:
        """Give the file's size."""
        return os.fstat(self.file.fileno()).st_size

    def move(self, flow: Flow) -> Pause:
        """Move until nothing more can be moved now, or all is."""
        while True:
            pause = flow.move(self.near.fileno(), EVERYTHING)
            if pause is not Pause.TURN or flow.done == flow.length:
                return pause

    def receive(self, count: int) -> bytes:
        """Receive that many bytes at the other end."""
        return self.far.recv(count, socket.MSG_WAITALL)


class Observed:
    """Pieces that were observed, one after the other."""

    def __init__(self) -> None:
        self.content = bytearray()

    def __call__(self, piece: memoryview) -> None:
        """Keep a copy of it."""
        self.content += piece


class Plenty(Layer):
    """Has all of `content` at once, as if a fast peer had sent it; if it `stutters`, nothing every second time."""

    def __init__(self, content: bytes, *, stutters: bool = False) -> None:
        self._rest = memoryview(content)
        self._stutters = stutters
        self._has = True

    def fill(self, connection: int, piece: memoryview) -> tuple[Pause, int]:
        """Give some of it, or say that nothing is there."""
        self._has = not (self._stutters and self._has and len(piece) > PIECE)
        if not self._has:
            return Pause.BLOCKED, 0
        given, self._rest = self._rest[: len(piece)], self._rest[len(piece) :]
        piece[: len(given)] = given
        return Pause.TURN, len(given)


class OutflowTests(FlowTestCase):
    """From a file to a socket."""

    def test_a_part(self) -> None:
        """What is sent is `length` bytes from `offset` on, and nothing else."""
        flow = Outflow(self.has(b"before, the part, after"), 8, 8)
        self.assertIs(self.move(flow), Pause.TURN)
        self.assertEqual((flow.done, self.receive(8)), (8, b"the part"))

    def test_full_socket(self) -> None:
        """When the peer takes no more, it comes back; and goes on from there when it is called again."""
        content = os.urandom(MEBIBYTE)
        for observe in (None, Observed()):
            self.connect(2**15)
            flow = Outflow(self.has(content), self.size() - MEBIBYTE, MEBIBYTE, observe)
            received = b""
            while len(received) < MEBIBYTE:
                self.assertIs(self.move(flow), Pause.BLOCKED if flow.done < MEBIBYTE else Pause.TURN)
                received += self.far.recv(2**14)
            self.assertEqual(received, content)
            if observe is not None:
                self.assertEqual(bytes(observe.content), content)

    @settings(max_examples=50)
    @given(st.integers(0, 3 * PIECE), st.integers(1, PIECE + 1), st.lists(st.integers(1, 2**16), max_size=20))
    def test_any_cuts(self, length: int, most: int, takes: list[int]) -> None:
        """However little is moved and taken at one time, each byte is sent once and observed once, in order."""
        content = bytes(sha256(bytes([length % 251])).digest() * (length // 32 + 1))[:length]
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            self.connect(2**14)
            observed = Observed()
            flow = Outflow(file.fileno(), 0, length, observed)
            most = max(most, length // 200)  # not many thousand moves
            received = b""
            while flow.done < length:
                flow.move(self.near.fileno(), most)
                received += self.far.recv(takes.pop() if takes else 2**20)
            self.near.close()
            while piece := self.far.recv(2**20):
                received += piece
        self.assertEqual(received, content)
        self.assertEqual(bytes(observed.content), content)

    def test_shorter_file(self) -> None:
        """A file that ends before its time is an error, of the file and not of the connection."""
        for observe in (None, Observed()):
            flow = Outflow(self.has(b""), 0, 10, observe)
            with self.assertRaises(EOFError):
                self.move(flow)

    def test_reset(self) -> None:
        """What the kernel says of the connection isn't taken for the file's fault."""
        for observe in (None, Observed()):
            self.connect_tcp()
            self.far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.far.close()
            with self.assertRaises(SocketError) as caught:
                self.move(Outflow(self.has(bytes(100)), 0, 100, observe))
            self.assertIn(str(caught.exception), ("Connection reset by peer", "Broken pipe"))

    def test_unreadable(self) -> None:
        """What the kernel says of the file isn't taken for the connection's fault."""
        with tempfile.NamedTemporaryFile() as file:
            descriptor = os.open(file.name, os.O_WRONLY)
            self.addCleanup(os.close, descriptor)
            for observe in (None, Observed()):
                with self.assertRaises(OSError):
                    self.move(Outflow(descriptor, 0, 10, observe))

    def test_stop(self) -> None:
        """After `stop` nothing more is moved."""
        flow = Outflow(self.has(b"hello"), 0, 5)
        flow.stop()
        self.assertIs(flow.move(self.near.fileno(), EVERYTHING), Pause.TURN)
        self.assertEqual(flow.done, 0)

    def test_read(self) -> None:
        """What can't go by itself is read, and observed all the same."""
        observed = Observed()
        flow = Outflow(self.has(b"0123456789"), 1, 8, observed)
        self.assertEqual([flow.read(5), flow.read(5)], [b"12345", b"678"])
        self.assertEqual((flow.done, bytes(observed.content)), (8, b"12345678"))


class InflowTests(FlowTestCase):
    """From a socket to a file."""

    def send(self, content: bytes) -> Thread:
        """Send from the other end, in a thread, and shut that end."""

        def run() -> None:
            with contextlib.suppress(BrokenPipeError):  # a test may have seen enough
                self.far.sendall(content)
                self.far.shutdown(socket.SHUT_WR)

        thread = Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)
        return thread

    def test_exactly(self) -> None:
        """Not a byte more than `length` is taken from the socket: what follows is somebody else's."""
        self.far.sendall(b"the file|what follows")
        flow = Inflow(self.has(b"...."), 4, 8)
        self.assertIs(self.move(flow), Pause.TURN)
        self.assertEqual((self.content(), self.near.recv(99)), (b"....the file", b"|what follows"))

    def test_nothing_there(self) -> None:
        """When nothing more is there, it comes back with what there was."""
        self.far.sendall(b"half")
        flow = Inflow(self.file.fileno(), 0, 8)
        self.assertIs(self.move(flow), Pause.BLOCKED)
        self.assertEqual((flow.done, self.content()), (4, b"half"))

    def test_end(self) -> None:
        """When the peer shuts its side, it says so, and what came before is there."""
        self.far.sendall(b"half")
        self.far.shutdown(socket.SHUT_WR)
        flow = Inflow(self.file.fileno(), 0, 8)
        self.assertIs(self.move(flow), Pause.ENDED)
        self.assertEqual((flow.done, self.content()), (4, b"half"))

    def test_much(self) -> None:
        """Of much that comes fast, each piece is written and observed once, in order, by two threads."""
        content = os.urandom(16 * FAST + 12345)
        observed = Observed()
        self.send(content)
        flow = Inflow(self.file.fileno(), 0, len(content), observed)
        while flow.done < len(content):
            self.assertIsNot(flow.move(self.near.fileno(), EVERYTHING), Pause.ENDED)
        self.assertEqual(sha256(self.content()).digest(), sha256(content).digest())
        self.assertEqual(sha256(observed.content).digest(), sha256(content).digest())

    def test_fast_with_pauses(self) -> None:
        """However often nothing more is there in between, what comes fast goes on, into the buffers that are there."""
        content = os.urandom(32 * FAST)
        flow = Inflow(self.file.fileno(), 0, len(content))
        flow.layer = Plenty(content, stutters=True)
        self.far.send(b"readable")
        while flow.done < len(content):
            flow.move(self.near.fileno(), EVERYTHING)
        self.assertEqual(sha256(self.content()).digest(), sha256(content).digest())

    def test_several_at_a_time(self) -> None:
        """More that comes fast than there are threads for: each gets its own."""
        contents = [os.urandom(16 * FAST) for _ in range(RINGS + 2)]
        files: list[IO[bytes]] = [tempfile.TemporaryFile() for _ in contents]  # noqa: SIM115  # closed by the cleanup
        threads = []
        for content, file in zip(contents, files, strict=True):
            self.addCleanup(file.close)
            flow = Inflow(file.fileno(), 0, len(content))
            flow.layer = Plenty(content)
            threads.append(Thread(target=flow.move, args=(self.near.fileno(), EVERYTHING)))
        self.enterContext(mock.patch("twisted_lab.net.flow.WHILE", 1000.0))  # a thread may have to wait for its turn
        for thread in threads:
            thread.start()
        for content, file, thread in zip(contents, files, threads, strict=True):
            thread.join()
            found = file.read()
            self.assertGreater(len(found), FAST)  # the rest is for another go
            self.assertTrue(content.startswith(found))

    def test_full_disk(self) -> None:
        """If the file can't be written to, it is told what was taken from the socket, and what of it is in the file."""
        content = os.urandom(16 * FAST)
        flow = Inflow(self.file.fileno(), 0, len(content))
        flow.layer = Plenty(content)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (6 * FAST, before[1]))
        try:
            with self.assertRaises(OSError):
                while flow.done < len(content):
                    flow.move(self.near.fileno(), EVERYTHING)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        self.assertLess(flow.written, flow.done)
        self.assertGreater(flow.written, FAST)
        self.assertEqual(self.content()[: flow.written], content[: flow.written])

    def test_observer_fails(self) -> None:
        """What an observer raises is raised."""
        seen = 0

        def observe(piece: memoryview) -> None:
            nonlocal seen
            seen += len(piece)
            if seen > 4 * FAST:
                raise ValueError("no")

        self.send(bytes(8 * FAST))
        flow = Inflow(self.file.fileno(), 0, 8 * FAST, observe)
        with self.assertRaises(ValueError):
            while flow.done < flow.length:
                flow.move(self.near.fileno(), EVERYTHING)
        self.near.close()

    def test_observer_fails_beside(self) -> None:
        """So is what it raises in the second thread, which calls it if the first one has to decrypt the bytes."""
        content = os.urandom(16 * FAST)

        def observe(piece: memoryview) -> None:
            if len(piece) > PIECE:  # from a ring
                raise ValueError("no")

        flow = Inflow(self.file.fileno(), 0, len(content), observe)
        flow.layer = Plenty(content)
        flow.layer.sends_files = False
        with self.assertRaises(ValueError):
            while flow.done < flow.length:
                flow.move(self.near.fileno(), EVERYTHING)
        self.assertLess(flow.written, flow.done)

    def test_disk(self) -> None:
        """What the kernel says of the file isn't taken for the connection's fault."""
        descriptor = os.open(self.file.name, os.O_RDONLY)
        self.addCleanup(os.close, descriptor)
        self.far.sendall(b"hello")
        with self.assertRaises(OSError):
            self.move(Inflow(descriptor, 0, 5))

    def test_reset(self) -> None:
        """A reset is the connection's fault."""
        self.connect_tcp()
        self.far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.far.close()
        with self.assertRaises(SocketError):
            self.move(Inflow(self.file.fileno(), 0, 5))

    def test_write(self) -> None:
        """What came another way is written, and observed, before what comes from the socket."""
        observed: Any = Observed()
        flow = Inflow(self.file.fileno(), 0, 10, observed)
        flow.write(b"first")
        self.far.sendall(b"second")
        self.move(flow)
        self.assertEqual((self.content(), bytes(observed.content)), (b"firstsecon", b"firstsecon"))
