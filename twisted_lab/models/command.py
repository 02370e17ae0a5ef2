"""What all the models have in common that has nothing to do with the model: the command line and how it ends."""

import argparse
import inspect
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

#: What the tutorial's server puts before its answer, and where ours listens.
PREFIX = "echo "
HOST, PORT = "127.0.0.1", 5678
#: How many connections the kernel keeps ready until they are accepted.
BACKLOG = 1024
#: Bytes that are received at one time.
CHUNK = 65536


def run(serve: Callable[[str, int, bytes], None]) -> None:
    """Run `serve` with the host, the port and the prefix of the command line, until Ctrl-C."""
    about = inspect.getdoc(inspect.getmodule(serve))
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("host", nargs="?", default=HOST, help=f"the address to listen on (default: {HOST})")
    parser.add_argument("port", nargs="?", default=PORT, type=int, help=f"0: a free one (default: {PORT})")
    parser.add_argument("--prefix", default=PREFIX, help=f"what stands before each answer (default: {PREFIX!r})")
    arguments = parser.parse_args()
    if not 0 <= arguments.port < 2**16:
        parser.error(f"a port is in 0 … 65535, not {arguments.port}")
    ends: list[int] = [signal.SIGINT]

    def terminate(*_: object) -> None:
        """Do what Ctrl-C does, so that what has to be ended with the program is; an event loop has its own way then."""
        ends.append(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs ignore
    signal.signal(signal.SIGTERM, terminate)
    try:
        serve(arguments.host, arguments.port, arguments.prefix.encode(errors="surrogateescape"))
    except KeyboardInterrupt:
        sys.exit(128 + ends[-1])
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or error
        print(f"can't listen on {arguments.host}:{arguments.port}: {why}", file=sys.stderr)
        sys.exit(os.EX_UNAVAILABLE)


def announce(listener: socket.socket) -> None:
    """Say that clients may come, and where."""
    host, port = listener.getsockname()[:2]
    print(f"{Path(sys.argv[0]).stem} listens on {host}:{port}", flush=True)
