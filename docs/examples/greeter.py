"""A server of one's own on the header protocol: ``twistd -ny docs/examples/greeter.py``."""

from typing import Any

from twisted.application.service import Application
from twisted.application.strports import service
from twisted.internet.protocol import Factory

from twisted_lab.header import MessageProtocol


class Greeter(MessageProtocol):
    """Greet whoever sends a name; the reply to a message with an ``id`` has the same one."""

    def messageReceived(self, header: dict[str, Any], content: bytes) -> None:
        """Answer one message."""
        if header["type"] == "name":
            same = {"id": header["id"]} if "id" in header else {}
            self.sendMessage({"type": "greeting", **same}, b"hello, " + content)


application = Application("greeter")
service("tcp:5679:interface=127.0.0.1", Factory.forProtocol(Greeter)).setServiceParent(application)
