"""A server that takes each read for a message: it works until the network cuts otherwise."""

from twisted.internet.protocol import Factory, Protocol


class ReadIsMessage(Protocol):
    """Sends back the string that a read begins with."""

    def dataReceived(self, data: bytes) -> None:
        """Answer."""
        if self.transport is not None and len(data) >= 4:
            self.transport.write(data[: 4 + int.from_bytes(data[:4], "big")])


def factory() -> Factory:
    """Make the factory."""
    return Factory.forProtocol(ReadIsMessage)
