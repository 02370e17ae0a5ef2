"""A transport that can be half closed and aborted, for tests without a network."""

from twisted.internet.testing import StringTransport


class FakeTransport(StringTransport):
    """`StringTransport` with what it lacks; it notes what it was asked to do. Resuming after a close is allowed."""

    def __init__(self) -> None:
        super().__init__(lenient=True)
        self.aborted = False
        self.write_closed = False

    def abortConnection(self) -> None:
        """Note it."""
        self.aborted = True
        super().abortConnection()

    def unregisterProducer(self) -> None:
        """Forget the producer, if there is one: real transports don't mind."""
        self.producer = self.streaming = None

    def loseWriteConnection(self) -> None:
        """Note it."""
        self.write_closed = True
