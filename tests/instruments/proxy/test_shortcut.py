"""The way past the transports: bytes whole, whatever the destination takes, on both reactors."""

import contextlib
import os
import socket
from collections.abc import Callable
from typing import Any
from unittest import mock

from twisted.internet.epollreactor import EPollReactor

from tests.descriptors import descriptors, opened_since
from tests.net.reactors import NotingFactory, ReactorTestCase
from twisted_lab.instruments.proxy import shortcut
from twisted_lab.instruments.proxy.addresses import client_endpoint, server_endpoint
from twisted_lab.instruments.proxy.link import Link, Observer
from twisted_lab.instruments.proxy.proxy import Proxy
from twisted_lab.net.eager import EagerReactor
from twisted_lab.testing import make_toxic

MUCH = 2**23


class ShortcutTests(ReactorTestCase):
    """A client's socket, a server's socket, and a proxy on a reactor between them."""

    def connect(self, observe: Callable[[Link], Observer | None] | None = None) -> Link:
        """Connect anew."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        where = f"127.0.0.1:{listener.getsockname()[1]}"
        self.proxy = Proxy(
            self.reactor,
            "proxy",
            client_endpoint(self.reactor, where),
            seed=1,
            listen=[("", server_endpoint(self.reactor, ""))],
            observe=observe,
            bounds={"idle_timeout": 0},
        )
        self.proxy.start()
        self.client = socket.create_connection(("127.0.0.1", int(self.proxy.listen.rpartition(":")[2])))
        self.addCleanup(self.client.close)
        self.spin(lambda: self.proxy.connections)
        (link,) = self.proxy._links
        self.addCleanup(self.hang_up, link, self.reactor)
        self.spin(lambda: link.ways["upstream"].source is not None)
        self.server, _ = listener.accept()
        self.addCleanup(self.server.close)
        for end in (self.client, self.server):
            end.setblocking(False)
        return link

    def hang_up(self, link: Link, reactor: Any) -> None:
        """Close what is left."""
        link.abort("the test is over")
        for _ in range(5):
            reactor.iterate(0.001)

    def pump(self, data: bytes, sender: socket.socket, receiver: socket.socket) -> bytes:
        """Send data and shut that side; give what arrives until the other end has shut."""
        came = bytearray()
        left = memoryview(data)
        over = False

        def step() -> bool:
            nonlocal left, over
            try:
                while left:
                    left = left[sender.send(left) :]
            except BlockingIOError:
                pass
            if not left and not over:
                over = True
                sender.shutdown(socket.SHUT_WR)
            try:
                while chunk := receiver.recv(2**16):
                    came.extend(chunk)
            except BlockingIOError:
                return False
            return True

        self.spin(step)
        return bytes(came)

    def test_both_ways(self) -> None:
        """All bytes arrive, in order, and so does the end, on each reactor, with splice(2) and without."""
        data = os.urandom(MUCH)
        for kind in (EPollReactor, EagerReactor):
            for pipes in (True, False):
                self.use(kind)
                with mock.patch.object(shortcut, "_take_pipe", shortcut._take_pipe if pipes else lambda: None):
                    link = self.connect()
                    self.assertIsNotNone(link.ways["upstream"]._shortcut)
                    self.assertTrue(self.pump(data, self.client, self.server) == data)
                    self.assertTrue(self.pump(data, self.server, self.client) == data)
                    self.spin(lambda: not self.proxy.connections)
                    self.assertEqual(self.proxy.count("upstream", "sent"), MUCH)

    def test_a_destination_that_takes_nothing(self) -> None:
        """The source isn't read meanwhile; a fault that comes then loses nothing of what waits."""
        data = os.urandom(4 * MUCH)
        for kind in (EPollReactor, EagerReactor):
            self.use(kind)
            link = self.connect()
            self.server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**18)
            sent, left = 0, memoryview(data)
            way = link.ways["upstream"]
            while not (way._shortcut is not None and way._shortcut._waits):
                with contextlib.suppress(BlockingIOError):
                    sent += self.client.send(left[sent : sent + 2**17])
                self.reactor.iterate(0.001)
            before = way.received
            self.turn(20)
            self.assertEqual(way.received, before)
            self.proxy.add(make_toxic("slicer", "upstream", average_size=10_000))
            self.assertIsNone(way._shortcut)
            self.assertTrue(self.pump(data[sent:], self.client, self.server) == data)

    def test_pipes_are_used_again(self) -> None:
        """After a stream is over its pipe serves the next one, and only some are kept."""
        before = descriptors()
        for _ in range(3):
            link = self.connect()
            self.pump(bytes(MUCH), self.client, self.server)
            self.hang_up(link, self.reactor)
            self.client.close()
            self.server.close()
        self.assertLessEqual(len(shortcut._spare), shortcut.SPARE)
        self.assertLess(len(opened_since(before)), 2 * shortcut.SPARE + 12)

    def test_who_looks_at_the_bytes_sees_them(self) -> None:
        """With an observer there is no way past it; it is told of all bytes and of the end."""
        seen: list[Any] = []

        class Looking(Observer):
            def passed(self, stream: str, data: bytes, time: float) -> None:
                seen.append((stream, data))

            def struck(self, stream: str, fault: str, text: str, time: float) -> None:
                seen.append((stream, fault))

            def ended(self, stream: str, time: float) -> None:
                """It isn't what is looked for here."""

            def closed(self, reason: str, time: float, *, reset: bool | None = None, stream: str = "") -> None:
                seen.append(reason)

        link = self.connect(lambda _: Looking())
        self.assertIsNone(link.ways["upstream"]._shortcut)
        self.pump(b"question", self.client, self.server)
        self.pump(b"answer", self.server, self.client)
        self.spin(lambda: not self.proxy.connections)
        self.assertEqual(seen, [("upstream", b"question"), ("downstream", b"answer"), "closed by both sides"])

    def test_faults_that_are_gone(self) -> None:
        """Once there is no fault any more bytes go the short way again."""
        link = self.connect()
        self.proxy.add(make_toxic("latency", "upstream", latency=1))
        self.assertIsNone(link.ways["upstream"]._shortcut)
        self.proxy.remove("latency_upstream")
        self.turn()
        self.client.send(b"x")
        self.spin(lambda: link.ways["upstream"].sent == 1)
        self.assertIsNotNone(link.ways["upstream"]._shortcut)

    def test_a_server_that_resets(self) -> None:
        """A reset reaches the client while bytes wait for the server."""
        for kind in (EPollReactor, EagerReactor):
            self.use(kind)
            link = self.connect()
            way = link.ways["upstream"]
            while not (way._shortcut is not None and way._shortcut._waits):
                with contextlib.suppress(BlockingIOError):
                    self.client.send(bytes(2**17))
                self.reactor.iterate(0.001)
            self.server.close()  # with bytes unread
            self.spin(lambda: not self.proxy.connections)
            self.assertRaises(ConnectionError, self.client.send, b"x")

    def test_another_kind_of_connection(self) -> None:
        """What isn't TCP on both sides has no such way."""
        path = str(self.directory / "socket")
        factory = NotingFactory()
        self.reactor.listenUNIX(path, factory)
        proxy = Proxy(
            self.reactor,
            "proxy",
            client_endpoint(self.reactor, f"unix:{path}"),
            seed=1,
            listen=[("", server_endpoint(self.reactor, ""))],
        )
        proxy.start()
        client = socket.create_connection(("127.0.0.1", int(proxy.listen.rpartition(":")[2])))
        self.addCleanup(client.close)
        client.send(b"hello")
        self.spin(lambda: factory.made and factory.made[0].happened == [5])
        (link,) = proxy._links
        self.hang_up(link, self.reactor)
