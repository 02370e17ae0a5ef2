"""A session without a network and without threads, for tests of what the server answers."""

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import maybeDeferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.net.fakes import FakeTransport
from tests.test_header_service import decode
from twisted_lab.filexfer.modes import Mode
from twisted_lab.filexfer.server.accounts import Accounts
from twisted_lab.filexfer.server.audit import Audit, FileRecord
from twisted_lab.filexfer.server.factory import FilexferConnection, FilexferFactory
from twisted_lab.wire.header import HeaderCodec, Message

DONE = Failure(ConnectionDone())
HELLO = {"type": "hello", "id": 0, "versions": [1], "digests": ["sha-256"]}
LOOPBACK = IPv4Address("TCP", "127.0.0.1", 4)


def sha(content: bytes) -> str:
    """Give a digest as the protocol writes it."""
    return f"sha-256:{hashlib.sha256(content).hexdigest()}"


def encode(header: dict[str, Any], content: bytes = b"") -> bytes:
    """Give a message's bytes."""
    return HeaderCodec().encode(Message(header, content))


class StallingTransport(FakeTransport):
    """A transport whose peer takes nothing once `stalls` is set."""

    stalls = False

    def write(self, data: bytes) -> None:
        """Take it, and want no more."""
        super().write(data)
        if self.stalls:
            assert self.producer is not None
            self.producer.pauseProducing()

    def flow(self) -> None:
        """Let the peer take all of it, from now on."""
        self.stalls = False
        assert self.producer is not None
        self.producer.resumeProducing()


class Records(Audit):
    """Keeps what would be logged."""

    def __init__(self) -> None:
        self.kept: list[dict[str, Any]] = []

    def record(self, **fields: Any) -> None:
        """Keep it."""
        self.kept.append(fields)

    def record_files(self, *, files: Sequence[FileRecord], **fields: Any) -> None:
        """Keep each as if it were alone."""
        for file in files:
            self.record(**fields, path=file.path, size=file.size, digest=file.digest, result=file.result)


class SessionTestCase(SynchronousTestCase):
    """`self.directory` is served; `self.ask` sends a message and gives what is answered at once."""

    mode = Mode.READ_WRITE
    greeted = True
    idle_timeout = 300.0

    def setUp(self) -> None:
        """Serve an empty directory, and say hello."""
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        self.clock = Clock()
        self.records = Records()
        self.accounts = self.make_accounts()
        self.addCleanup(self.accounts.close)
        self.factory = FilexferFactory(
            self.clock, self.accounts, maybeDeferred, audit=self.records, idle_timeout=self.idle_timeout
        )
        self.connection, self.transport = self.connect()
        if self.greeted:
            self.welcome = self.ask(HELLO)[0][0]

    def make_accounts(self) -> Accounts:
        """Let in everyone, as `self.mode` says."""
        return Accounts(self.directory, maybeDeferred, anonymous=self.mode)

    def connect(self) -> tuple[FilexferConnection, StallingTransport]:
        """Give a new connection and its transport."""
        connection, transport = self.factory.buildProtocol(None), StallingTransport()
        assert isinstance(connection, FilexferConnection)
        transport.hostAddr = transport.peerAddr = LOOPBACK
        connection.makeConnection(transport)
        self.addCleanup(self.lose, connection)
        return connection, transport

    def lose(self, connection: FilexferConnection) -> None:
        """Lose a connection, if it isn't lost yet."""
        if connection.lost is None:
            connection.connectionLost(DONE)

    def send(self, header: dict[str, Any], content: bytes = b"") -> None:
        """Let a message arrive."""
        self.connection.dataReceived(encode(header, content))

    def answers(self) -> list[tuple[dict[str, Any], bytes]]:
        """Give what was sent since the last time."""
        sent = decode(self.transport.value())
        self.transport.clear()
        return sent

    def ask(self, header: dict[str, Any], content: bytes = b"") -> list[tuple[dict[str, Any], bytes]]:
        """Let a message arrive; give what is answered."""
        self.send({"id": 1, **header}, content)
        return self.answers()

    def put(self, path: str, content: bytes, **keys: Any) -> dict[str, Any]:
        """Put a file; give the reply's header."""
        self.send({"type": "put", "id": 2, "path": path, "size": len(content), **keys}, content)
        self.send({"type": "digest", "id": 2, "digest": sha(content)})
        ((header, _),) = self.answers()
        return header

    def code(self, header: dict[str, Any], content: bytes = b"") -> str:
        """Send a message that must be answered by an error; give its code."""
        ((answer, _),) = self.ask(header, content)
        self.assertEqual(answer["type"], "error")
        return str(answer["code"])

    def staged(self) -> list[str]:
        """Give the names of files that aren't published."""
        return [path.name for path in self.directory.rglob(".filexfer-*")]
