"""
One stream, as fast as it goes: PORT OTHER-PORT MEBIBYTES. Listens on OTHER-PORT, connects to PORT, and sends.

What comes is thrown away by the kernel, so that the ends cost little beside what is between them. Prints the seconds
from the first byte sent to the last one received.
"""

import socket
import sys
import time
from contextlib import suppress
from threading import Thread

PIECE = 2**20
PATIENCE = 60.0


def send(port: int, count: int) -> None:
    """Send that many pieces, and close."""
    content = bytes(PIECE)
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.setblocking(True)
        for _ in range(count):
            connection.sendall(content)


def main() -> None:
    """Send in one thread, receive in the other."""
    port, there, size = map(int, sys.argv[1:])
    count = size * 2**20 // PIECE
    with socket.create_server(("127.0.0.1", there)) as listener:
        listener.settimeout(PATIENCE)
        sender = Thread(target=send, args=(port, count), daemon=True)
        begin = time.perf_counter()
        sender.start()
        nothing = bytearray(2**20)
        received = 0
        while not received:  # a proxy may still connect for one that had come to see whether it listens
            connection, _ = listener.accept()
            with connection, suppress(ConnectionError):
                connection.setblocking(True)
                while count := connection.recv_into(nothing, 2**20, socket.MSG_TRUNC):
                    received += count
        seconds = time.perf_counter() - begin
        sender.join(PATIENCE)
    if received != size * 2**20 // PIECE * PIECE:
        sys.exit(f"{received} bytes of {size} MiB arrived")
    print(seconds)


if __name__ == "__main__":
    main()
