"""The protocol and its factory."""

from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.protocols.basic import LineReceiver

from twisted_lab.net.bounded import BoundedFactory
from twisted_lab.net.connection import BoundedConnection


class Shout(BoundedConnection, LineReceiver):
    """Answer each line in capitals, the factory's mark after it."""

    factory: "ShoutFactory"
    delimiter = b"\n"

    def dataReceived(self, data: bytes) -> None:
        """Count what arrives: the idle timeout and the log go by it. Drop it once we are closing."""
        self.bytes_in += len(data)
        if not self.closing:
            super().dataReceived(data)  # type: ignore[no-untyped-call]

    def lineReceived(self, line: bytes) -> None:
        """Answer one line."""
        answer = line.upper() + self.factory.mark + b"\n"
        self.bytes_out += len(answer)
        self.transport.write(answer)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Close, with a reason for the log."""
        self.close("line too long")


class ShoutFactory(BoundedFactory):
    """Serve `Shout`."""

    protocol = Shout
    name = "shout"

    def __init__(self, clock: IReactorTime, mark: bytes, **options: Any) -> None:
        super().__init__(clock, **options)
        self.mark = mark

    def refusal(self) -> bytes:
        """Give what a surplus connection is told."""
        return b"TOO MANY CONNECTIONS\n"
