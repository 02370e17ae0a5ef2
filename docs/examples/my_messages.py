"""Answer each message of the header protocol: a solution to the exercise of experiment 13."""

import json
import struct
from typing import Any

from twisted.internet.protocol import Factory, Protocol

MAX_HEADER, MAX_CONTENT = 2**16, 2**20


class Messages(Protocol):
    """Keeps what isn't complete: a header, or a header and its content."""

    transport: Any

    def connectionMade(self) -> None:
        """Begin with nothing."""
        self.kept = bytearray()
        self.header: dict[str, Any] | None = None

    def dataReceived(self, data: bytes) -> None:
        """Answer as many messages as are complete; after a broken one nothing is read any more."""
        if self.transport.disconnecting:
            return
        self.kept += data
        try:
            while self.take_header() and self.take_content():
                pass
        except ValueError as error:
            self.send({"type": "error", "code": "bad-header", "message": str(error)})
            self.transport.loseConnection()

    def take_header(self) -> bool:
        """Take a header, if none is there yet; tell whether one is."""
        if self.header is not None or len(self.kept) < 4:
            return self.header is not None
        (length,) = struct.unpack_from("!I", self.kept)
        if not 2 <= length <= MAX_HEADER:
            raise ValueError(f"a header of {length} bytes")
        if len(self.kept) < 4 + length:
            return False
        header = json.loads(self.kept[4 : 4 + length])
        if not isinstance(header, dict) or not isinstance(header.get("type"), str):
            raise ValueError("a header is an object with a type")  # noqa: TRY004  # the peer's fault
        if type(header.get("length", 0)) is not int or not 0 <= header.get("length", 0) <= MAX_CONTENT:
            raise ValueError("a length that can't be")
        del self.kept[: 4 + length]
        self.header = header
        return True

    def take_content(self) -> bool:
        """Answer the message, if its content is there; tell whether it is."""
        header = self.header or {}
        length = header.get("length", 0)
        if len(self.kept) < length:
            return False
        same: dict[str, Any] = {key: header[key] for key in ("type", "id", "length") if key in header}
        self.send(same, bytes(self.kept[:length]))
        del self.kept[:length]
        self.header = None
        return True

    def send(self, header: dict[str, Any], content: bytes = b"") -> None:
        """Send a message."""
        encoded = json.dumps(header).encode()
        self.transport.write(struct.pack("!I", len(encoded)) + encoded + content)


MessagesFactory = Factory.forProtocol(Messages)
