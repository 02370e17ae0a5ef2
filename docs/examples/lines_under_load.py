"""A client for ``twisted-lab load``: asks by lines, each answered by a line that begins with ``echo``."""

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineReceiver


class Lines(LineReceiver):
    """Sends a message as a line, in hexadecimal, and waits for the line that answers it."""

    def __init__(self) -> None:
        self.waiting: list[Deferred[bytes]] = []

    def request(self, message: bytes) -> Deferred[bytes]:
        """Send a message, and give its reply when it comes."""
        reply: Deferred[bytes] = Deferred()
        self.waiting.append(reply)
        self.sendLine(message.hex().encode())  # type: ignore[no-untyped-call]
        return reply

    def lineReceived(self, line: bytes) -> None:
        """Take a reply."""
        self.waiting.pop(0).callback(bytes.fromhex(line.decode().removeprefix("echo ")))


def client() -> Factory[Lines]:
    """Make the factory of clients that the load connects."""
    return Factory.forProtocol(Lines)
