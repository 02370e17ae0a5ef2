"""A server that sends back each Int32 string that it receives, on the project's sound receiver."""

from twisted.internet.protocol import Factory

from twisted_lab.net.int32 import Int32Receiver


class Strings(Int32Receiver):
    """Answers each string with itself."""

    def stringReceived(self, string: bytes) -> None:
        """Send it back."""
        self.sendString(string)


StringsFactory = Factory.forProtocol(Strings)
