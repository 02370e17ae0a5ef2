"""Receivers of frames that count what they deliver: ours, Twisted's, and what asyncio and websockets offer."""

from asyncio import StreamReader, new_event_loop
from collections.abc import Coroutine
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from twisted.internet.testing import StringTransport
from twisted.protocols.basic import Int32StringReceiver

from twisted_lab.header import HeaderProtocol
from twisted_lab.net.int32 import Int32Receiver


class Counter:
    """Count frames, and the bytes of their content."""

    MAX_LENGTH = 2**30
    messages = 0
    octets = 0

    def stringReceived(self, string: bytes) -> None:
        """Count."""
        self.messages += 1
        self.octets += len(string)


class Ours(Counter, Int32Receiver):
    """Ours, counting."""


class Stock(Counter, Int32StringReceiver):
    """Twisted's, counting."""


class OurMessages(HeaderProtocol):
    """Ours for messages of the header protocol, counting messages and bytes of content."""

    messages = 0
    octets = 0

    def contentReceived(self, data: bytes) -> None:
        """Count."""
        self.octets += len(data)

    def messageFinished(self) -> None:
        """Count."""
        self.messages += 1


class Asyncio(Counter):
    """
    asyncio's StreamReader and its readexactly, once for the length and once for the content.

    The coroutine that reads is resumed by hand as soon as a chunk has been fed, so asyncio pays nothing for an
    event loop or a task here; in a program it would, at least once a chunk.
    """

    def __init__(self) -> None:
        self._loop = new_event_loop()
        self._reader = StreamReader(limit=self.MAX_LENGTH, loop=self._loop)
        self._reading: Coroutine[Any, None, None] = self._read()
        self._reading.send(None)

    async def _read(self) -> None:
        while True:
            length = int.from_bytes(await self._reader.readexactly(4), "big")
            self.stringReceived(await self._reader.readexactly(length))

    def dataReceived(self, data: bytes) -> None:
        """Feed it, and read on."""
        self._reader.feed_data(data)
        self._reading.send(None)

    def close(self) -> None:
        """Free the loop, which never ran."""
        self._reading.close()
        self._loop.close()


class Websockets(Counter):
    """
    The websockets library's sans-I/O protocol, a server's, after a handshake.

    A binary frame isn't an Int32 string: its head has 6 to 14 bytes, and the content is masked, which RFC 6455
    demands of a client; undoing that is part of the cost. So it gets a stream of its own with the same contents.
    """

    def __init__(self) -> None:
        self._protocol: Any = import_module("websockets.server").ServerProtocol(max_size=None)
        self._protocol.receive_data(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        (request,) = self._protocol.events_received()
        self._protocol.send_response(self._protocol.accept(request))
        self._protocol.data_to_send()

    def dataReceived(self, data: bytes) -> None:
        """Feed it, and count the frames."""
        self._protocol.receive_data(data)
        for frame in self._protocol.events_received():
            self.stringReceived(frame.data)


Receiver = Ours | Stock | OurMessages | Asyncio | Websockets


def make(kind: type[Receiver]) -> Receiver:
    """Make a receiver; one of Twisted's gets a transport in memory."""
    receiver = kind()
    if isinstance(receiver, Ours | Stock | OurMessages):
        receiver.makeConnection(StringTransport())
    return receiver


def have_websockets() -> bool:
    """Whether the websockets library is installed."""
    return find_spec("websockets") is not None


def websocket_head(length: int) -> bytes:
    """Give the head of a masked binary frame: RFC 6455, section 5.2. The mask is 0: the content stays as it is."""
    if length < 126:
        size = bytes([0x80 | length])
    elif length < 2**16:
        size = b"\xfe" + length.to_bytes(2, "big")
    else:
        size = b"\xff" + length.to_bytes(8, "big")
    return b"\x82" + size + bytes(4)
