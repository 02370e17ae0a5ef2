"""Three messages, sent in pieces of 40 bytes to ``twistd -n header``, and recorded with what was done to them."""

from pathlib import Path
from typing import Any

from twisted.internet.endpoints import clientFromString
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater, react

from twisted_lab.header import MessageProtocol
from twisted_lab.instruments.capture.recorder import Recorder
from twisted_lab.instruments.capture.wrapping import capture
from twisted_lab.instruments.directions import UPSTREAM
from twisted_lab.wire.header import HeaderCodec, Message

MESSAGES = [
    Message({"type": "greeting", "id": 1}, b"hello"),
    Message({"type": "greeting", "id": 2}),
    Message({"type": "greeting", "id": 3}, b"how are you?"),
]
SIZE = 40  # bytes
PAUSE = 1.0  # seconds


async def main(reactor: Any) -> None:
    """Send the messages, cut without regard to where they end, and wait for the replies."""
    recorder = Recorder(reactor, Path("sliced.pcapng"))
    factory = capture(Factory.forProtocol(MessageProtocol), recorder, client=True)
    client: Any = await clientFromString(reactor, "tcp:127.0.0.1:5679").connect(factory)
    stream = b"".join(map(HeaderCodec().encode, MESSAGES))
    for start in range(0, len(stream), SIZE):
        client.recording.struck(UPSTREAM, "slicer", f"average_size={SIZE}", reactor.seconds())
        client.write(stream[start : start + SIZE])
        await deferLater(reactor, PAUSE)
    client.loseConnection()
    await deferLater(reactor, PAUSE)
    recorder.close()


react(main)
