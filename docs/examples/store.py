"""Keep what arrives in the file ``stored``: ``twistd -ny docs/examples/store.py``."""

from pathlib import Path
from typing import Any

from twisted.application.service import Application
from twisted.application.strports import service
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_lab.header import HeaderProtocol
from twisted_lab.wire.errors import RemoteProtocolError

STORED = Path("stored")


def append(data: bytes) -> None:
    """Write `data` at the end of the file; the disk may take its time."""
    with STORED.open("ab") as file:
        file.write(data)


class Store(HeaderProtocol):
    """Write the content as it comes, and read on only when the disk has taken it."""

    log = Logger()

    def headerReceived(self, header: dict[str, Any]) -> None:
        """Begin with an empty file; the reply to a message with an ``id`` has the same one."""
        self.same = {"id": header["id"]} if "id" in header else {}
        STORED.write_bytes(b"")

    def contentReceived(self, data: bytes) -> None:
        """Write in a thread; until that is done nothing more is delivered, nor read from the socket."""
        self.pauseProducing()
        deferToThread(append, data).addCallbacks(self.written, self.not_written)

    def written(self, _: None) -> None:
        """Go on."""
        self.resumeProducing()

    def not_written(self, reason: Failure) -> None:
        """Give up."""
        self.log.failure("can't write", reason)
        self.transport.abortConnection()

    def messageFinished(self) -> None:
        """Answer with the size."""
        self.sendHeader({"type": "stored", "size": STORED.stat().st_size, **self.same})

    def streamFailed(self, error: RemoteProtocolError) -> None:
        """Say what was wrong with what the peer sent, then close."""
        self.sendError(error.code, str(error))
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Take notice of the end; `reason` holds a `TruncatedError` if a message was cut short."""
        self.log.info("connection lost: {reason}", reason=reason.getErrorMessage())


application = Application("store")
service("tcp:5679:interface=127.0.0.1", Factory.forProtocol(Store)).setServiceParent(application)
