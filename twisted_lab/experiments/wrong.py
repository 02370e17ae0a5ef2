"""Servers that look right and aren't: what experiments compare with."""

import struct

from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.basic import Int32StringReceiver


class _ShortEcho(Protocol):
    """The shortest echo server: it loses what waits when a client shuts its side, and keeps all that isn't read."""

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(b"echo " + data)  # type: ignore[union-attr]


class _HopefulReceiver(Protocol):
    """Takes each read for one message: 4 bytes of length, and then the string."""

    def dataReceived(self, data: bytes) -> None:
        (length,) = struct.unpack_from("!I", data)
        string = data[4 : 4 + length]
        self.transport.write(struct.pack("!I", len(string)) + string)  # type: ignore[union-attr]


class StockStrings(Int32StringReceiver):
    """Twisted's own receiver of Int32 strings."""

    def stringReceived(self, string: bytes) -> None:
        """Send it back."""
        self.sendString(string)  # type: ignore[no-untyped-call]


ShortEcho = Factory.forProtocol(_ShortEcho)
HopefulReceiver = Factory.forProtocol(_HopefulReceiver)
