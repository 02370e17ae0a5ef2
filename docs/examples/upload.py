"""Send a file as the content of one message, at the speed at which the peer takes it."""

import sys
from pathlib import Path
from typing import Any

from twisted.internet.endpoints import clientFromString, connectProtocol
from twisted.internet.task import react
from twisted.web.client import FileBodyProducer

from twisted_lab.header_service import HeaderClient


async def main(reactor: Any, producer: FileBodyProducer) -> None:
    """Connect, send what `producer` gives, print the reply, and close."""
    endpoint = clientFromString(reactor, "tcp:127.0.0.1:5679")
    client = await connectProtocol(endpoint, HeaderClient())
    header, _ = await client.request({"type": "upload"}, producer)
    print(header)
    client.transport.loseConnection()


react(main, [FileBodyProducer(Path(sys.argv[1]).open("rb"))])
