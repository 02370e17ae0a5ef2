"""Ask the header service two things at once; the answers come in the order of the questions."""

from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import clientFromString, connectProtocol
from twisted.internet.task import react

from twisted_lab.header_service import HeaderClient


async def main(reactor: Any) -> None:
    """Connect, ask, print, and close."""
    endpoint = clientFromString(reactor, "tcp:127.0.0.1:5679")
    client = await connectProtocol(endpoint, HeaderClient())
    questions = [
        client.request({"type": "greeting", "id": 1}, b"hello"),
        client.request({"type": "farewell", "id": 2}, b"goodbye"),
    ]
    for header, content in await gatherResults([Deferred.fromCoroutine(question) for question in questions]):
        print(header, content)
    client.transport.loseConnection()


react(main)
