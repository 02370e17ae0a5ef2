"""Int32 strings: a server that answers each one in capitals; ``twistd -ny docs/examples/upper.py``."""

from twisted.application.service import Application
from twisted.application.strports import service
from twisted.internet.protocol import Factory

from twisted_lab.net.int32 import Int32Receiver


class Upper(Int32Receiver):
    """Answer each string in capitals."""

    MAX_LENGTH = 1000

    def stringReceived(self, string: bytes) -> None:
        """Answer one string."""
        self.sendString(string.upper())


application = Application("upper")
service("tcp:5679:interface=127.0.0.1", Factory.forProtocol(Upper)).setServiceParent(application)
