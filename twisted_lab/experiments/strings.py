"""Int32 strings, and a server that sends back each that it receives, on the project's sound receiver."""

import struct
from collections.abc import Iterator

from twisted.internet.protocol import Factory

from twisted_lab.net.int32 import Int32Receiver


class Strings(Int32Receiver):
    """Answers each string with itself."""

    def stringReceived(self, string: bytes) -> None:
        """Send it back."""
        self.sendString(string)


StringsFactory = Factory.forProtocol(Strings)


def frame(string: bytes) -> bytes:
    """Give an Int32 string: its length in 4 bytes, and itself."""
    return struct.pack("!I", len(string)) + string


def split(stream: bytes) -> Iterator[bytes]:
    """Give the whole strings at the beginning of a stream."""
    while len(stream) >= 4 and len(stream) >= 4 + (length := int.from_bytes(stream[:4])):
        yield stream[4 : 4 + length]
        stream = stream[4 + length :]
