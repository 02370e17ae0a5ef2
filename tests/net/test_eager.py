"""The eager reactor: dispatch, the log, both sides, UNIX, TLS, and twistd."""

import os
import socket
import ssl
import tempfile
from typing import Any, cast

import trustme
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IFileDescriptorReceiver
from twisted.internet.protocol import ClientFactory, connectionDone
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.python import log
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer

from tests.net.reactors import Noting, NotingFactory, ReactorTestCase, noise
from tests.processes import connect, receive, service

DATA = b"".join(noise(2, [2**23]))


@implementer(IFileDescriptorReceiver)
class Receiving(Noting):
    """Notes what a descriptor that it gets leads to."""

    def fileDescriptorReceived(self, descriptor: int) -> None:
        """Note it."""
        with os.fdopen(descriptor, "rb") as file:
            self.happened.append(file.read())


class Echoing(Noting):
    """Sends back what it reads."""

    def dataReceived(self, data: bytes) -> None:
        """Do it."""
        self.wire.write(data)


class Failing(Noting):
    """Raises in the end."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Raise."""
        raise ZeroDivisionError


class ConnectingFactory(ClientFactory):
    """Connects one `Noting`."""

    noisy = False

    def __init__(self) -> None:
        self.made = Noting()
        self.ended: list[Any] = []

    def buildProtocol(self, addr: object) -> Noting:
        """Give it."""
        return self.made

    def clientConnectionFailed(self, connector: object, reason: Any) -> None:
        """Note why."""
        self.ended.append(reason.type.__name__)

    clientConnectionLost = clientConnectionFailed


class DispatchTests(ReactorTestCase):
    """What becomes of events, and of errors in protocols."""

    def setUp(self) -> None:
        """Keep what is logged."""
        super().setUp()
        self.events: list[LogEvent] = []
        observer = cast("ILogObserver", self.events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def test_protocol_that_raises(self) -> None:
        """It is logged and loses its connection, what it has just written is dropped, and the others go on."""

        def scenario() -> object:
            other, friend = self.pair()
            other.received = other.wire.write
            server, client = self.pair()

            def fail(_: bytes) -> None:
                server.wire.write(b"dropped")
                raise ZeroDivisionError

            server.received = fail
            self.events.clear()
            client.send(b"fail")
            friend.send(b"hello")
            self.assertEqual(self.read(friend, 5), b"hello")
            self.assertEqual(self.read(client, 100), b"")
            self.assertEqual(server.happened, [4, "ZeroDivisionError"])
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
            return [event["log_system"] for event in self.events if event.get("isError")]

        self.assertEqual(self.both(scenario), [["Noting,0,127.0.0.1"]] * 2)

    def test_protocol_that_raises_in_the_end(self) -> None:
        """An error in connectionLost is logged as the connection's, too."""

        def scenario() -> object:
            _, client = self.pair(Failing)
            self.events.clear()
            client.close()
            self.spin(lambda: self.events)
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
            return [event["log_system"] for event in self.events]

        self.assertEqual(self.both(scenario), [["Failing,0,127.0.0.1"]] * 2)

    def test_log_names_the_connection(self) -> None:
        """What a protocol logs names its connection; what a timed call logs doesn't."""

        def scenario() -> object:
            pairs = [self.pair(), self.pair()]
            self.events.clear()
            for server, client in [*pairs, pairs[0]]:
                server.received = lambda _: log.msg("read")
                server.happened.clear()
                client.send(b"1")
                self.spin(server.happened.__len__)
            self.reactor.callLater(0, log.msg, "timed")
            self.spin(lambda: len(self.events) == 4)
            return [event["log_system"] for event in self.events]

        self.assertEqual(self.both(scenario), [["Noting,0,127.0.0.1"] * 3 + ["-"]] * 2)

    def test_log_in_a_thread_names_the_connection(self) -> None:
        """What is logged in a thread that a protocol started names its connection too."""
        pool = ThreadPool(1, 1)
        pool.start()
        self.addCleanup(pool.stop)

        def scenario() -> object:
            server, client = self.pair()
            server.received = lambda _: pool.callInThread(log.msg, "in a thread")
            self.events.clear()
            client.send(b"1")
            self.spin(self.events.__len__)
            return [event["log_system"] for event in self.events]

        self.assertEqual(self.both(scenario), [["Noting,0,127.0.0.1"]] * 2)

    def test_one_closes_another(self) -> None:
        """A connection whose bytes are there already isn't read any longer when another's protocol has ended it."""
        (first, one), (second, two) = self.pair(), self.pair()
        first.received = lambda _: second.wire.abortConnection()
        second.received = lambda _: first.wire.abortConnection()
        one.send(b"first")
        two.send(b"second")
        self.spin(lambda: any("ConnectionAborted" in protocol.happened for protocol in (first, second)))
        self.turn()
        self.assertIn(first.happened + second.happened, [[5, "ConnectionAborted"], ["ConnectionAborted", 6]])

    def test_one_pauses_another(self) -> None:
        """A connection that is paused while its bytes are there already isn't read until it is resumed."""
        (first, one), (second, two) = self.pair(), self.pair()
        first.received = lambda _: second.wire.pauseProducing()
        second.received = lambda _: first.wire.pauseProducing()
        one.send(b"1")
        two.send(b"2")
        self.turn()
        self.assertEqual(first.happened + second.happened, [1])
        first.received = second.received = lambda _: None
        first.wire.resumeProducing()
        second.wire.resumeProducing()
        self.turn()
        self.assertEqual(first.happened + second.happened, [1, 1])

    def test_paused_reading(self) -> None:
        """A connection that is paused isn't read; when it is resumed nothing is missing."""
        server, client = self.pair()
        server.wire.pauseProducing()
        client.send(b"wait")
        self.turn()
        self.assertEqual(server.happened, [])
        server.wire.resumeProducing()
        self.spin(lambda: server.happened == [4])


class SidesTests(ReactorTestCase):
    """Clients, UNIX sockets, sockets made by others, and TLS."""

    def test_client(self) -> None:
        """A client's connection sends as a server's does, from its first moment on."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        factory = ConnectingFactory()
        client = factory.made
        client.received = lambda data: client.wire.write(data) or client.wire.loseConnection()
        self.reactor.connectTCP("127.0.0.1", listener.getsockname()[1], factory)
        self.spin(lambda: client.connected)
        client.wire.write(b"hello ")
        server, _ = listener.accept()
        self.addCleanup(server.close)
        server.send(b"and bye")
        server.setblocking(False)
        self.assertEqual(self.read(server, 100), b"hello and bye")
        self.spin(lambda: factory.ended == ["ConnectionDone"])

    def test_client_that_is_refused(self) -> None:
        """A connection that can't be made fails."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        factory = ConnectingFactory()
        self.reactor.connectTCP("127.0.0.1", port, factory)
        self.spin(lambda: factory.ended == ["ConnectionRefusedError"])

    def test_unix(self) -> None:
        """Over UNIX sockets all bytes come back, and the error of a send shows later."""
        path = f"{self.directory}/socket"
        factory = NotingFactory()
        self.reactor.listenUNIX(path, factory)
        connecting = ConnectingFactory()
        client = connecting.made
        back = bytearray()
        client.received = back.extend
        self.reactor.connectUNIX(path, connecting)
        self.spin(lambda: client.connected and factory.made)
        server = factory.made[0]
        server.received = server.wire.write
        for start in range(0, 2**21, 2**16 - 1):
            client.wire.write(DATA[start : start + 2**16 - 1])
        self.spin(lambda: len(back) >= 2**21)
        self.assertTrue(DATA.startswith(back))
        client.wire.abortConnection()
        server.wire.write(b"in vain")
        self.spin(lambda: isinstance(server.happened[-1], str))

    def test_descriptors(self) -> None:
        """A descriptor goes with the bytes, whether those were written before or after it."""
        path = f"{self.directory}/socket"
        factory = NotingFactory(Receiving)
        self.reactor.listenUNIX(path, factory)
        connecting = ConnectingFactory()
        self.reactor.connectUNIX(path, connecting)
        self.spin(lambda: connecting.made.connected and factory.made)
        with tempfile.TemporaryFile() as first, tempfile.TemporaryFile() as second:
            for file, text in ((first, b"first"), (second, b"second")):
                file.write(text)
                file.seek(0)
            wire = connecting.made.wire
            wire.write(b"before")
            wire.sendFileDescriptor(first.fileno())
            self.spin(lambda: sum(x for x in factory.made[0].happened if isinstance(x, int)) == 6)
            wire.sendFileDescriptor(second.fileno())
            wire.write(b"after")
            self.spin(lambda: sum(x for x in factory.made[0].happened if isinstance(x, int)) == 11)
        self.assertEqual([x for x in factory.made[0].happened if isinstance(x, bytes)], [b"first", b"second"])

    def test_adopted_sockets(self) -> None:
        """Sockets that others made are served alike: one that listens, one that is connected, TCP and UNIX."""
        path = f"{self.directory}/socket"
        for family, address in ((socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_UNIX, path)):
            factory = NotingFactory()
            with socket.socket(family) as listener:
                listener.bind(address)
                listener.listen()
                listener.setblocking(False)
                self.reactor.adoptStreamPort(listener.fileno(), family, factory)
                client = socket.socket(family)
                self.addCleanup(client.close)
                client.connect(listener.getsockname())
            self.spin(factory.made.__len__)
            client.setblocking(False)
            factory.made[0].wire.write(b"hello")
            self.assertEqual(self.read(client, 5), b"hello")
        near, far = socket.socketpair()
        self.addCleanup(far.close)
        far.setblocking(False)
        with near:
            near.setblocking(False)
            factory = NotingFactory()
            self.reactor.adoptStreamConnection(near.fileno(), socket.AF_UNIX, factory)
        factory.made[0].wire.write(b"hello")
        self.assertEqual(self.read(far, 5), b"hello")

    def test_tls(self) -> None:
        """8 MiB come back through TLS as they were, and the connection ends in order."""
        authority = trustme.CA()
        key = self.directory / "server.pem"
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(key)
        factory = NotingFactory(Echoing)
        endpoint = serverFromString(self.reactor, f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={key}")
        port = self.successResultOf(endpoint.listen(factory)).getHost().port
        context = ssl.create_default_context()
        authority.configure_trust(context)
        client = socket.create_connection(("127.0.0.1", port))
        client.setblocking(False)
        with context.wrap_socket(client, server_hostname="localhost", do_handshake_on_connect=False) as secure:

            def attempt(step: Any) -> Any:
                try:
                    return step()
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    return None

            self.spin(lambda: attempt(lambda: secure.send(DATA[:1])))  # when hands have been shaken
            sent, back = 1, bytearray()

            def exchange() -> bool:
                nonlocal sent
                if sent < len(DATA):
                    sent += attempt(lambda: secure.send(DATA[sent : sent + 2**16])) or 0
                back.extend(attempt(lambda: secure.recv(2**16)) or b"")
                return len(back) == len(DATA)

            self.spin(exchange)
            self.assertTrue(back == DATA)
            factory.made[0].wire.loseConnection()
            self.spin(lambda: attempt(lambda: secure.recv(1)) == b"")


def test_twistd() -> None:
    """``twistd --reactor eager -n echo`` answers, logs as usual, and stops when it is asked to."""
    with service("echo", twistd=("twistd", "--reactor", "eager", "-n")) as running:
        running.wait_for("reactor class: twisted_lab.net.eager.EagerReactor")
        with connect(running.addresses[0]) as client:
            for _ in range(3):
                client.sendall(b"hello")
                assert receive(client, 10) == b"echo hello"
        running.wait_for("15 B in, 30 B out")
        assert running.stop() in {0, -15}
    assert "Main loop terminated." in running.log
