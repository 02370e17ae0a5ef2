"""A server that says what a test lets it say, and a client of it: in memory, without threads or time."""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, ensureDeferred, execute, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.net.fakes import FakeTransport
from twisted_lab.filexfer.client.connecting import connect
from twisted_lab.filexfer.client.files import Files
from twisted_lab.filexfer.digests import Digest
from twisted_lab.filexfer.errors import DisconnectedError
from twisted_lab.filexfer.messages.replies import Limits, Welcome, welcome_fields
from twisted_lab.wire.header import Content, Header, HeaderCodec
from twisted_lab.wire.int32 import PREFIX

T = TypeVar("T")
LOOPBACK = IPv4Address("TCP", "127.0.0.1", 5680)
WELCOME = Welcome(1, "sha-256", "read-write", "", 300.0, Limits(), ("symlink",))
#: The facts of a file of five bytes.
FACTS = {"kind": "file", "size": 5, "mtime": [1, 2], "mode": 0o640, "etag": "e1"}


def digest_of(content: bytes) -> str:
    """Give the digest of `content` as our fake server's clients know it."""
    digest = Digest("sha-256")
    digest.update(content)
    return digest.text


@implementer(IStreamClientEndpoint)
class FakeServer:
    """
    The other end of a connection, and the endpoint that leads to it.

    `take` gives what the client has sent, `say` answers; `clock` is the client's reactor. `threads` runs what blocks,
    at once unless a test puts something else there.
    """

    def __init__(self, address: IPv4Address = LOOPBACK) -> None:
        self.clock = Clock()
        self.transport = FakeTransport()
        self.transport.peerAddr = self.transport.hostAddr = address
        self.threads: Callable[..., Deferred[Any]] = execute
        self._codec = HeaderCodec()

    def connect(self, protocolFactory: IProtocolFactory) -> "Deferred[IProtocol]":
        """Connect a client."""
        self.client = cast("Protocol", protocolFactory.buildProtocol(LOOPBACK))
        self.client.makeConnection(self.transport)
        return succeed(cast("IProtocol", self.client))

    def connecting(self, **options: Any) -> "Deferred[Files]":
        """Give a client that waits for the answer to its hello."""

        async def connected() -> Files:
            return await connect(self.clock, self, run_in_thread=self._run_in_thread, **options)

        return ensureDeferred(connected())

    def _run_in_thread(self, *call: Any) -> "Deferred[Any]":
        return self.threads(*call)

    def take(self) -> list[tuple[dict[str, Any], bytes]]:
        """Give the messages, header and content, that the client has sent since it was asked last."""
        messages: list[tuple[dict[str, Any], bytes]] = []
        for event in self._codec.feed(self.transport.value()):
            match event:
                case Header(fields):
                    messages.append((fields, b""))
                case Content(data):
                    messages[-1] = (messages[-1][0], messages[-1][1] + data)
        self.transport.clear()
        return messages

    def take_headers(self) -> list[dict[str, Any]]:
        """Give their headers only."""
        return [header for header, _ in self.take()]

    def take_types(self) -> list[str]:
        """Give their types only."""
        return [header["type"] for header in self.take_headers()]

    def say(self, header: dict[str, Any], content: bytes = b"") -> None:
        """Send the client a message, whatever is in it; a ``length`` that isn't the content's is sent as it is."""
        length = {"length": len(content)} if content else {}
        data = json.dumps({**length, **header}).encode()
        self.hear(PREFIX.pack(len(data)) + data + content)

    def hear(self, data: bytes) -> None:
        """Send the client bytes."""
        self.client.dataReceived(data)

    def lose(self, error: Exception | None = None) -> None:
        """End the connection."""
        self.client.connectionLost(Failure(error or ConnectionDone()))


class ClientTestCase(SynchronousTestCase):
    """A client that was greeted: `files`, of the `server`."""

    welcome = WELCOME
    silence: float | None = None

    def setUp(self) -> None:
        """Connect."""
        self.server = FakeServer()
        connecting = self.server.connecting(silence=self.silence)
        (hello,) = self.server.take_headers()
        self.server.say(welcome_fields(self.welcome, hello["id"]))
        self.files: Files = self.successResultOf(connecting)

    def tearDown(self) -> None:
        """See that nothing is left over: no timer, and nobody who waits."""
        if self.files.lost is None:
            self.server.lose()
        self.assertEqual(self.server.clock.getDelayedCalls(), [])

    def asking(self, what: Any) -> "Deferred[Any]":
        """Begin with what a coroutine does; what a test doesn't wait for may be lost."""
        asking = ensureDeferred(what)
        self.addCleanup(lambda: asking.addErrback(lambda reason: reason.trap(DisconnectedError)))
        return asking

    def temporary(self) -> Path:
        """Give an empty directory."""
        directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, directory)
        return directory

    def taken(self) -> dict[str, Any]:
        """Give the header of the one message that the client has sent."""
        (header,) = self.server.take_headers()
        return header

    def refused(self, deferred: "Deferred[Any]", kind: type[BaseException]) -> str:
        """Give what is said by the error of that kind that `deferred` has failed with."""
        return str(self.failureResultOf(deferred, kind).value)
