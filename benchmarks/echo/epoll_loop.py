"""
RFC 862 with a bare loop over select.epoll: what the interpreter costs at least. TCP_NODELAY is on, as for C.

What can't be sent at once is kept, and the connection isn't read until it is gone.
"""

import select
import socket


def turn(connection: socket.socket, kept: bytes) -> bytes | None:
    """Send what was kept, or else what can be read; give what is left, or None if the connection has ended."""
    data = kept
    try:
        data = data or connection.recv(65536)
        return data[connection.send(data) :] if data else None
    except BlockingIOError:
        return data
    except ConnectionError:
        return None


def main() -> None:
    """Serve until the process is ended."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener, select.epoll() as poller:
        print(f"127.0.0.1:{listener.getsockname()[1]}", flush=True)
        poller.register(listener, select.EPOLLIN)
        connections: dict[int, socket.socket] = {}
        kept: dict[int, bytes] = {}
        while True:
            for number, _ in poller.poll():
                if number not in connections:
                    connection, _ = listener.accept()
                    connection.setblocking(False)
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    poller.register(connection, select.EPOLLIN)
                    connections[connection.fileno()] = connection
                    continue
                before = kept.pop(number, b"")
                after = turn(connections[number], before)
                if after is None:
                    connections.pop(number).close()  # epoll forgets it
                    continue
                if after:
                    kept[number] = after
                if bool(before) != bool(after):
                    poller.modify(number, select.EPOLLOUT if after else select.EPOLLIN)


if __name__ == "__main__":
    main()
