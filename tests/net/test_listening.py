"""A service that listens, says where, and stops within its grace period."""

import contextlib
import gc
import socket
import warnings
from threading import Event
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.internet.threads import blockingCallFromThread, deferToThread
from twisted.logger import capturedLogs
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from tests.net.wires import DEADLINE, reactor
from twisted_lab.echo import EchoDatagrams, EchoFactory
from twisted_lab.net.listening import ListenError, ListeningService


@implementer(IStreamServerEndpoint)
class BrokenEndpoint:
    """An endpoint that can't be listened on, for no reason of the operating system's."""

    def listen(self, factory: object) -> "Deferred[Any]":
        """Fail."""
        return fail(ValueError("out of order"))


def make(*endpoints: str, udp: bool = False, grace: float = 5.0) -> ListeningService:
    """Give an echo service on `endpoints`."""
    pairs = [(text, serverFromString(reactor, text)) for text in endpoints]
    datagrams = EchoDatagrams if udp else None
    return ListeningService(reactor, pairs, EchoFactory(reactor), grace=grace, datagrams=datagrams)


class ListeningServiceTests(TestCase):
    """`ListeningService`."""

    timeout = DEADLINE
    here = "tcp:0:interface=127.0.0.1"

    def start(self, service: ListeningService) -> list[str]:
        """Start as twistd does, give where it says it listens, and stop it after the test."""
        with capturedLogs() as events:
            service.privilegedStartService()
            service.startService()
        self.addCleanup(lambda: service.stopService() if service.running else None)
        return [event["address"] for event in events if "address" in event]

    async def test_listens_and_stops(self) -> None:
        """It serves on each endpoint, once, and says where; after a stop nobody answers."""
        service = make(self.here, self.here)
        addresses = self.start(service)
        self.assertEqual(len({*addresses}), 2)
        for address in addresses:
            self.assertEqual(await deferToThread(ask, address), b"echo hello")
        await service.stopService()
        self.assertEqual(service.ports, [])
        with self.assertRaises(ConnectionRefusedError):
            await deferToThread(ask, addresses[0])

    async def test_without_privileges(self) -> None:
        """A parent that doesn't call privilegedStartService gets a service all the same."""
        service = make(self.here)
        service.startService()
        self.addCleanup(service.stopService)
        self.assertEqual(len(service.ports), 1)

    async def test_datagrams(self) -> None:
        """With datagrams, UDP is served at the address that TCP got."""
        service = make(self.here, udp=True)
        tcp, udp = self.start(service)
        self.assertEqual(tcp, udp)
        self.assertEqual(await deferToThread(ask_by_datagram, udp), b"echo hello")

    async def test_port_in_use(self) -> None:
        """A port that is taken is one sentence that names endpoint and cause."""
        (address,) = self.start(make(self.here))
        taken = f"tcp:{address.rpartition(':')[2]}:interface=127.0.0.1"
        error = self.assertRaises(ListenError, make(taken).privilegedStartService)
        self.assertEqual(str(error), f"can't listen on {taken}: Address already in use")

    async def test_udp_port_in_use(self) -> None:
        """A UDP port that is taken is one sentence too."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder, warnings.catch_warnings():
            holder.bind(("127.0.0.1", 0))
            service = make(f"tcp:{holder.getsockname()[1]}:interface=127.0.0.1", udp=True)
            self.addCleanup(service.stopService)
            self.assertIn("Address already in use", str(self.assertRaises(ListenError, service.startService)))
            # Twisted leaves the socket that it couldn't bind to the garbage collector.
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()

    async def test_nothing_listens_after_a_failure(self) -> None:
        """When one endpoint can't be had, those before it are closed again."""
        (address,) = self.start(make(self.here))
        service = make(self.here, f"tcp:{address.rpartition(':')[2]}:interface=127.0.0.1")
        with capturedLogs() as events:
            self.assertRaises(ListenError, service.privilegedStartService)
        self.assertEqual(service.ports, [])
        first = next(event["address"] for event in events if "address" in event)
        with self.assertRaises(ConnectionError):  # refused; or reset, in the turn in which the port is closed
            await deferToThread(ask, first)

    def test_other_failures(self) -> None:
        """An endpoint that fails for a reason of its own says so too."""
        service = ListeningService(reactor, [("broken:", BrokenEndpoint())], EchoFactory(reactor), grace=0.0)
        error = self.assertRaises(ListenError, service.privilegedStartService)
        self.assertEqual(str(error), "can't listen on broken:: out of order")

    async def test_grace(self) -> None:
        """A connection that doesn't end within the grace period is aborted, and the stop is over."""
        service = make(self.here, grace=0.2)
        (address,) = self.start(service)
        over = Event()

        def is_stuck() -> bool:
            """Whether the service has something to send that the client doesn't take."""
            transports: list[Any] = [connection.transport for connection in service.factory._connections]
            return any(transport.producerPaused for transport in transports)

        def stick() -> str:
            with dial(address) as client:
                client.settimeout(0.2)
                while not blockingCallFromThread(reactor, is_stuck):
                    with contextlib.suppress(TimeoutError):
                        while True:
                            client.send(b"x" * 2**16)
                reactor.callFromThread(lambda: service.stopService().addBoth(lambda _: over.set()))
                client.settimeout(DEADLINE)
                over.wait(DEADLINE)
                try:
                    while client.recv(2**20):
                        pass
                except ConnectionResetError:
                    return "reset"
                return "closed"

        self.assertEqual(await deferToThread(stick), "reset")


def dial(address: str) -> socket.socket:
    """Connect to HOST:PORT."""
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=DEADLINE)


def ask(address: str) -> bytes:
    """Give the echo of ``hello``."""
    with dial(address) as client:
        client.sendall(b"hello")
        return client.recv(100)


def ask_by_datagram(address: str) -> bytes:
    """Give the echo of ``hello``, over UDP."""
    host, _, port = address.rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(DEADLINE)
        client.sendto(b"hello", (host, int(port)))
        return client.recv(100)
