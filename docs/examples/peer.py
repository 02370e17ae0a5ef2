"""A peer of the header protocol with nothing but the standard library."""

import json
import socket
import struct


def send(connection: socket.socket, header: dict[str, object], content: bytes = b"") -> None:
    """Send one message."""
    if content:
        header = {**header, "length": len(content)}
    raw = json.dumps(header, ensure_ascii=False, allow_nan=False).encode()
    connection.sendall(struct.pack("!I", len(raw)) + raw + content)


def receive(connection: socket.socket) -> tuple[dict[str, object], bytes]:
    """Receive one message: its header and its content."""
    (size,) = struct.unpack("!I", read(connection, 4))
    if not 2 <= size <= 65536:
        raise ValueError(f"a header of {size} bytes")
    header = json.loads(read(connection, size))
    return header, read(connection, header.get("length", 0))


def read(connection: socket.socket, size: int) -> bytes:
    """Read exactly `size` bytes; however many reads that takes."""
    data = b""
    while len(data) < size:
        chunk = connection.recv(min(size - len(data), 65536))
        if not chunk:
            raise EOFError("the connection ended in the middle of a message")
        data += chunk
    return data


with socket.create_connection(("127.0.0.1", 5679)) as connection:
    send(connection, {"type": "greeting", "id": 1}, "grüß dich".encode())
    send(connection, {"type": "farewell", "id": 2})
    print(receive(connection))
    print(receive(connection))
