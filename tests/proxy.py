"""A small TCP proxy that counts what passes, and can strike at a certain byte: flip a bit, or hold everything there."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from tests.processes import DEADLINE

#: What becomes of a chunk that passes; `position` is how many bytes went before it in that direction.
Meddle = Callable[[bytes, int], bytes]


class Hold:
    """
    Lets pass what comes before the byte at `point`, or little less, and holds the rest until it is told what to do.

    So a transfer is half-way for as long as a test likes, however fast or slow anything is.
    """

    def __init__(self, point: int) -> None:
        self._point = point
        self._reached, self._told = Event(), Event()
        self._loses = False

    def __call__(self, chunk: bytes, position: int) -> bytes:
        """Give a chunk back when it may go on; nothing, if it is to be lost."""
        if position + len(chunk) <= self._point:
            return chunk
        self._reached.set()
        self._told.wait(DEADLINE)
        return b"" if self._loses else chunk

    def wait(self) -> None:
        """Wait until the byte has come; all before it has been passed on."""
        assert self._reached.wait(DEADLINE)

    def release(self) -> None:
        """Let everything go on."""
        self._told.set()

    def lose(self) -> None:
        """Let nothing pass any more, unless it was let go: what is held is lost, and all that comes after it."""
        self._loses = not self._told.is_set()
        self._told.set()


class Proxy:
    """
    Stands between clients and one server, for any number of connections one after the other or at once.

    `up` and `down` count the bytes to the server and from it, over all connections; `meddle_up` and `meddle_down`
    see each chunk on its way.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.up = self.down = 0
        self.meddle_up: Meddle | None = None
        self.meddle_down: Meddle | None = None
        self._holds: list[Hold] = []
        self._threads = [Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def hold(self, direction: str, point: int) -> Hold:
        """Hold what goes "up" or "down", from the byte at `point` on; to be told before the block ends."""
        self._holds.append(Hold(point))
        setattr(self, f"meddle_{direction}", self._holds[-1])
        return self._holds[-1]

    def reset(self) -> None:
        """Count anew, and meddle no more, once what was counted so far has gone."""
        for thread in self._threads[1:]:
            thread.join(DEADLINE)
        del self._threads[1:]
        self.up = self.down = 0
        self.meddle_up = self.meddle_down = None

    def close(self) -> None:
        """Accept nothing more, and wait for what goes on; what is still held, as when a test fails, is lost."""
        for hold in self._holds:
            hold.lose()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(DEADLINE)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(self._server, DEADLINE)
                except OSError:
                    client.close()
                    continue
                for end in (client, server):
                    end.settimeout(DEADLINE)
                self._threads.append(Thread(target=self._connect, args=(client, server), daemon=True))
                self._threads[-1].start()

    def _connect(self, client: socket.socket, server: socket.socket) -> None:
        with client, server:
            down = Thread(target=self._pump, args=(server, client, "down"), daemon=True)
            down.start()
            self._pump(client, server, "up")
            down.join(DEADLINE)

    def _pump(self, source: socket.socket, target: socket.socket, direction: str) -> None:
        with suppress(OSError):
            while chunk := source.recv(65536):
                position = getattr(self, direction)
                setattr(self, direction, position + len(chunk))
                meddle = getattr(self, f"meddle_{direction}")
                target.sendall(meddle(chunk, position) if meddle else chunk)
        # Both ends learn that one has gone, at once and both ways: a process was killed, or is done.
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxy(port: int, host: str = "127.0.0.1") -> Iterator[Proxy]:
    """Run a proxy in front of `host:port` until the block ends."""
    running = Proxy(host, port)
    try:
        yield running
    finally:
        running.close()
