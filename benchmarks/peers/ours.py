"""Ours: filexfer, with digests as ever, at each durability."""

from collections.abc import Iterator
from functools import partial

from peers.way import DIRECTIONS, Direction, Need, Place, Service, Way, Words, program

NEED = Need("twisted_lab.net.eager", "the eager reactor isn't in this version", kind="module")
DURABILITIES = ("memory", "file", "directory")


def serve(place: Place, reactor: str = "") -> Words:
    """Serve on TCP, TLS and a UNIX socket."""
    near = "interface=127.0.0.1"
    endpoints = (
        f"tcp:{place.port}:{near}",
        f"tls:{place.certificates}:{place.tls_port}:{near}",
        "unix:socket",  # both run in `scratch`: a whole path may be too long for a socket
    )
    listen = (word for endpoint in endpoints for word in ("--listen", endpoint))
    chosen = ("--reactor", reactor) if reactor else ()
    return [program("twistd"), *chosen, "-n", "--pidfile=", "filexfer", "--root", str(place.root), *listen]


SERVICE = Service("filexfer", serve, tls=True)
EAGER = Service("filexfer-eager", partial(serve, reactor="eager"), tls=True)


def move(place: Place, direction: Direction, durability: str, over: str = "tcp", *, many: bool = False) -> Words:
    """Give the client's words: many files or one, over tcp, unix or tls."""
    host, options = {
        "tcp": ("", ["--connect", f"tcp:127.0.0.1:{place.port}"]),
        "unix": ("", ["--connect", "unix:socket"]),
        "tls": ("localhost", ["-P", str(place.tls_port), "--tls-ca", f"{place.certificates}/cert.pem"]),
    }[over]
    there = f"{host}:{'served' if direction == 'put' else 'source'}/{place.name}"
    ends = [str(place.source), there] if direction == "put" else [there, str(place.fetched)]
    return [program("filexfer"), direction, *["-r"][: int(many)], "--durability", durability, *options, *ends]


def ways() -> Iterator[Way]:
    """Give all of ours."""
    for direction in DIRECTIONS:
        one = partial(move, direction=direction)
        served = (SERVICE,)
        for durability in DURABILITIES:
            for many, cases in (False, {"big", "disk"}), (True, {"small", "disk-small"}):
                client = partial(one, durability=durability, many=many)
                yield Way("ours", direction, client, frozenset(cases), services=served, variant=durability)
        for durability in "memory", "directory":
            client = partial(one, durability=durability)
            yield Way("ours", direction, client, frozenset({"resume"}), services=served, variant=durability)
        client = partial(one, durability="memory", over="unix")
        yield Way("ours", direction, client, frozenset({"big"}), services=served, variant="memory, unix")
        client = partial(one, durability="memory", over="tls")
        yield Way("ours", direction, client, frozenset({"tls"}), services=served, variant="memory, TLS")
        for over, many, case, variant in (
            ("tcp", False, "big", "memory, eager server"),
            ("tcp", True, "small", "memory, eager server"),
            ("tls", False, "tls", "memory, TLS, eager server"),
        ):
            client = partial(one, durability="memory", over=over, many=many)
            yield Way("ours", direction, client, frozenset({case}), (NEED,), (EAGER,), variant=variant)
