"""
The tutorial's echo server, once for each way to serve many clients: each file is that program.

``python -m twisted_lab.models.NAME [HOST] [PORT] [--prefix TEXT]`` runs one. They behave alike on the wire; what
differs is who waits for whom. `client` is the other end.
"""

#: All servers, in the tutorial's order.
NAMES = (
    "blocking",
    "threads",
    "processes",
    "prefork",
    "polling",
    "selectors",
    "coroutines",
    "asyncio_protocol",
    "uvloop",
    "socketserver",
    "socketserver_threads",
    "socketserver_processes",
    "twisted",
    "eager",
)
#: Those that serve one client after the other.
ONE_AT_A_TIME = ("blocking", "socketserver")
