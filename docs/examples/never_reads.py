"""Send to the echo service and never read what comes back."""

import socket

CHUNK = bytes(65536)

with socket.create_connection(("127.0.0.1", 5678)) as connection:
    sent = 0
    connection.settimeout(1.0)
    try:
        while True:
            sent += connection.send(CHUNK)
    except TimeoutError:
        print(f"after {sent} bytes the service reads no more")
    connection.settimeout(None)
    try:
        while True:
            connection.send(CHUNK)
    except ConnectionError:
        print("the service has closed the connection")
