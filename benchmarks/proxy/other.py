"""Becomes socat or HAProxy, between a free port of 127.0.0.1, which it prints, and the server's: NAME PORT."""

import os
import socket
import sys
import tempfile
from pathlib import Path

#: One thread, as ours has; bytes pass by splice(2) where HAProxy thinks that it pays.
HAPROXY = """
global
    maxconn 4000
    nbthread 1
defaults
    mode tcp
    timeout connect 60s
    timeout client 1h
    timeout server 1h
    option splice-auto
listen forward
    bind 127.0.0.1:{port}
    server there 127.0.0.1:{there}
"""


def main() -> None:
    """Choose a port, say so, and begin."""
    name, there = sys.argv[1], sys.argv[2]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    print(f"127.0.0.1:{port}", flush=True)
    if name == "socat":
        # Larger blocks than 8 KiB, with which it is fastest.
        listen = f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,nodelay,backlog=512"
        words = ["socat", "-b262144", listen, f"TCP:127.0.0.1:{there},nodelay"]
    else:
        with tempfile.NamedTemporaryFile("w", suffix=".cfg", dir=Path.cwd(), delete=False) as config:
            config.write(HAPROXY.format(port=port, there=there))
        words = ["haproxy", "-db", "-q", "-f", config.name]
    os.execvp(words[0], words)  # noqa: S606  # no shell


if __name__ == "__main__":
    main()
