"""A forwarder that counts: what goes through it is passed on, both ways, and its bytes are counted."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

BLOCK = 256 * 1024  # bytes
PATIENCE = 60.0  # seconds that a connection may be silent


@dataclass
class Counted:
    """Bytes that went through, from the client and to it; `port` is where the client connects."""

    port: int
    sent: int = 0
    received: int = 0


@contextmanager
def forwarding(port: int) -> Iterator[Counted]:
    """Forward to that port of 127.0.0.1 until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        counted = Counted(listener.getsockname()[1])
        threading.Thread(target=_accept, args=(listener, port, counted), daemon=True).start()
        try:
            yield counted
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, port: int, counted: Counted) -> None:
    with suppress(OSError):  # the listener was shut
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", port), PATIENCE)
            client.settimeout(PATIENCE)
            for ends in (client, server, counted, "sent"), (server, client, counted, "received"):
                threading.Thread(target=_copy, args=ends, daemon=True).start()


def _copy(source: socket.socket, target: socket.socket, counted: Counted, which: str) -> None:
    """Pass on until the source ends; then the target may still answer."""
    with suppress(OSError):
        while data := source.recv(BLOCK):
            target.sendall(data)
            setattr(counted, which, getattr(counted, which) + len(data))
        target.shutdown(socket.SHUT_WR)
