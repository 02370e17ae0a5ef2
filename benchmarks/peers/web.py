"""Web servers and curl."""

import os
import sys
from collections.abc import Iterator

from peers.way import Need, Place, Service, Way, Words, program, shell

CURL = Need("curl", "apt-get install curl")
NGINX = Need("nginx", "apt-get install nginx")


def serve(place: Place) -> Words:
    """Serve with nginx, plain and over TLS; a PUT is one of its own module for WebDAV, as Debian's nginx has it."""
    user = "user root;" if os.geteuid() == 0 else ""
    temporary = "\n".join(
        f"    {kind}_temp_path {place.root}/nginx-{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (place.scratch / "nginx.conf").write_text(f"""
{user}
daemon off;
pid {place.scratch}/nginx.pid;
worker_processes 1;
events {{}}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_max_body_size 0;
{temporary}
    server {{
        listen 127.0.0.1:{place.port};
        listen 127.0.0.1:{place.tls_port} ssl;
        ssl_certificate {place.certificates}/cert.pem;
        ssl_certificate_key {place.certificates}/key.pem;
        root {place.root};
        dav_methods PUT;
    }}
}}
""")
    return [program("nginx"), "-e", "stderr", "-p", str(place.scratch), "-c", str(place.scratch / "nginx.conf")]


SERVICE = Service("nginx", serve, tls=True)


def get(place: Place) -> Words:
    """Download."""
    return [program("curl"), "-sSf", "-o", str(place.fetched), f"http://127.0.0.1:{place.port}/source/{place.name}"]


def put(place: Place) -> Words:
    """Upload."""
    return [program("curl"), "-sSf", "-T", str(place.source), f"http://127.0.0.1:{place.port}/served/{place.name}"]


def get_tls(place: Place) -> Words:
    """Download over TLS."""
    url = f"https://localhost:{place.tls_port}/source/{place.name}"
    trust = f"{place.certificates}/cert.pem"
    return [program("curl"), "-sSf", "--cacert", trust, "-o", str(place.fetched), url]


def put_tls(place: Place) -> Words:
    """Upload over TLS."""
    url = f"https://localhost:{place.tls_port}/served/{place.name}"
    return [program("curl"), "-sSf", "--cacert", f"{place.certificates}/cert.pem", "-T", str(place.source), url]


def get_rest(place: Place) -> Words:
    """Download, and go on with what was broken off; curl trusts that by its length."""
    return [*get(place), "-C", "-"]


def get_synced(place: Place) -> Words:
    """Download, and have it on disk."""
    return shell('curl -sSf -o "$1" "$2" && sync "$1"', place.fetched, get(place)[-1])


def serve_python(place: Place) -> Words:
    """Serve with Python's own web server."""
    here = ["--bind", "127.0.0.1", "--directory", str(place.root)]
    return [sys.executable, "-m", "http.server", *here, str(place.port)]


def ways() -> Iterator[Way]:
    """Give all of these."""
    needs = (NGINX, CURL)
    served = (SERVICE,)
    yield Way("nginx", "get", get, frozenset({"big", "disk"}), needs, served)
    yield Way("nginx", "get", get_synced, frozenset({"disk"}), needs, served, variant="then sync")
    yield Way("nginx", "get", get_rest, frozenset({"resume"}), needs, served, variant="curl -C -")
    yield Way("nginx", "put", put, frozenset({"big", "disk"}), needs, served)
    yield Way("nginx", "get", get_tls, frozenset({"tls"}), needs, served, variant="TLS")
    yield Way("nginx", "put", put_tls, frozenset({"tls"}), needs, served, variant="TLS")
    python = (Service("http.server", serve_python),)
    yield Way("http.server", "get", get, frozenset({"big"}), (CURL,), python)
