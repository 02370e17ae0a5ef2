"""What is examined, over the network: sockets that don't block, and a clock that is everybody's."""

import selectors
import socket
import struct
import time
from collections.abc import Callable
from typing import Self

from twisted_lab.instruments.conform.framing import Framing
from twisted_lab.instruments.conform.peer import CLOSED, OPEN, RESET

#: Seconds without anything after which it is taken that nothing more comes by itself.
QUIET = 0.03
#: Seconds between two pieces, for the first to be read before the second comes.
BETWEEN = 0.002
CONNECT_TIMEOUT = 10.0
#: Seconds that the answer to a hello may take.
HELLO = 5.0
CHUNK = 65536


class SocketPeer:
    """A client's socket, with what it has to send and what has come."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = bytearray()
        self.connection = connection
        self._waiting = bytearray()
        self._state = OPEN
        self._reading = True
        self._shut = False

    @property
    def state(self) -> str:
        """OPEN, CLOSED or RESET."""
        return self._state

    @property
    def unsent(self) -> int:
        """Bytes that the kernel hasn't taken."""
        return len(self._waiting)

    @property
    def events(self) -> int:
        """What to wait for."""
        if self.connection.fileno() < 0 or self._state == RESET:
            return 0
        reads = selectors.EVENT_READ if self._reading and self._state == OPEN else 0
        return reads | (selectors.EVENT_WRITE if self._waiting else 0)

    def send(self, data: bytes) -> None:
        """Send, as much as the kernel takes now."""
        self._waiting += data
        self.write()

    def shut(self) -> None:
        """Shut our side when all is sent."""
        self._shut = True
        self.write()

    def reset(self) -> None:
        """End it hard."""
        if self.connection.fileno() >= 0:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """Close."""
        self._waiting.clear()
        self.connection.close()

    def stop_reading(self) -> None:
        """Read nothing."""
        self._reading = False

    def read_on(self) -> None:
        """Read again."""
        self._reading = True

    def write(self) -> bool:
        """Send what waits; tell whether anything was."""
        sent = 0
        try:
            while self._waiting:
                sent += (count := self.connection.send(self._waiting))
                del self._waiting[:count]
            if self._shut:
                self._shut = False
                self.connection.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return sent > 0
        except OSError:  # reading tells how it ended
            self._waiting.clear()
        return sent > 0

    def read(self) -> bool:
        """Take what has come; tell whether anything has."""
        try:
            data = self.connection.recv(CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            self._state = RESET
            return True
        self.received += data
        if not data:
            self._state = CLOSED
        return True


class NetworkSubject:
    """A server at `address`: HOST and port, or the path of a UNIX socket."""

    in_memory = False

    def __init__(self, address: tuple[str, int] | str, framing: Framing) -> None:
        self.framing = framing
        self.errors: list[str] = []
        self._address = address
        self._peers: list[SocketPeer] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for peer in self._peers:
            peer.close()

    def connect(self) -> SocketPeer:
        """Connect; `OSError` if nobody listens."""
        if isinstance(self._address, str):
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(CONNECT_TIMEOUT)
            connection.connect(self._address)
        else:
            try:
                connection = socket.create_connection(self._address, CONNECT_TIMEOUT)
            except UnicodeError as error:
                raise OSError(f"{self._address[0]} is no name that a host can have") from error
        peer = SocketPeer(connection)
        self._peers.append(peer)
        if self.framing.hello:
            peer.send(self.framing.hello)
            if not self.wait(lambda: bool(peer.received) and self.framing.decode(bytes(peer.received))[1] == 0, HELLO):
                raise ConnectionError("its hello wasn't answered")
            peer.received.clear()
        return peer

    def settle(self) -> None:
        """Let happen what happens, until nothing has for a moment."""
        quiet_since = time.monotonic()
        until = quiet_since + 100 * QUIET
        while (now := time.monotonic()) < until and now - quiet_since < QUIET:
            if self._turn(QUIET):
                quiet_since = time.monotonic()

    def seconds(self) -> float:
        """Give everybody's."""
        return time.monotonic()

    def between(self) -> None:
        """Let a piece arrive."""
        self._turn(0)
        time.sleep(BETWEEN)

    def wait(self, until: Callable[[], bool], seconds: float) -> bool:
        """Let time pass."""
        deadline = time.monotonic() + seconds
        while not until():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._turn(min(left, QUIET))
        return True

    def _turn(self, seconds: float) -> bool:
        """Read and write where that can be done, waiting so long for it; tell whether anything was."""
        with selectors.DefaultSelector() as selector:
            for peer in self._peers:
                if peer.events:
                    selector.register(peer.connection, peer.events, peer)
            if not selector.get_map():
                time.sleep(seconds)
                return False
            moved = False
            for key, events in selector.select(seconds):
                if events & selectors.EVENT_WRITE:
                    moved |= key.data.write()
                if events & selectors.EVENT_READ:
                    moved |= key.data.read()
            return moved
