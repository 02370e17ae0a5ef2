"""Answer each Int32 string with itself: a solution to the exercise of experiment 12."""

import struct
from typing import Any

from twisted.internet.protocol import Factory, Protocol

MAX_LENGTH = 99999


class Strings(Protocol):
    """Keeps what isn't complete, which is one string at most, and its length."""

    transport: Any

    def connectionMade(self) -> None:
        """Begin with nothing."""
        self.kept = bytearray()

    def dataReceived(self, data: bytes) -> None:
        """Answer as many strings as are complete."""
        self.kept += data
        while len(self.kept) >= 4:
            (length,) = struct.unpack_from("!I", self.kept)
            if length > MAX_LENGTH:
                self.transport.abortConnection()
                return
            if len(self.kept) < 4 + length:
                return
            self.transport.write(bytes(self.kept[: 4 + length]))
            del self.kept[: 4 + length]


StringsFactory = Factory.forProtocol(Strings)
