"""FTP servers and curl."""

import sys
from collections.abc import Iterator

from peers.way import Need, Place, Service, Way, Words, program
from peers.web import CURL

PYFTPDLIB = Need("pyftpdlib", "pip install pyftpdlib", kind="module")


def serve_twisted(place: Place) -> Words:
    """Serve what ``twistd ftp`` does, on 127.0.0.1 only, which that can't: anonymous may read."""
    (place.scratch / "ftp.tac").write_text(f"""
from twisted.application.internet import TCPServer
from twisted.application.service import Application
from twisted.cred.portal import Portal
from twisted.protocols.ftp import FTPFactory, FTPRealm
from twisted.cred.checkers import AllowAnonymousAccess

application = Application("ftp")
factory = FTPFactory(Portal(FTPRealm({str(place.root)!r}), [AllowAnonymousAccess()]))
TCPServer({place.port}, factory, interface="127.0.0.1").setServiceParent(application)
""")
    return [program("twistd"), "-n", "--pidfile=", "--python", str(place.scratch / "ftp.tac")]


def serve_pyftpdlib(place: Place) -> Words:
    """Serve with pyftpdlib's own command: anonymous may write."""
    where = ["-i", "127.0.0.1", "-p", str(place.port), "-d", str(place.root)]
    return [sys.executable, "-W", "ignore", "-m", "pyftpdlib", "-w", *where]


def get(place: Place) -> Words:
    """Download; curl listens, since Twisted's server would do so on every interface."""
    url = f"ftp://127.0.0.1:{place.port}/source/{place.name}"
    return [program("curl"), "-sSf", "--ftp-port", "127.0.0.1", "-o", str(place.fetched), url]


def put(place: Place) -> Words:
    """Upload."""
    url = f"ftp://127.0.0.1:{place.port}/served/{place.name}"
    return [program("curl"), "-sSf", "--ftp-port", "127.0.0.1", "-T", str(place.source), url]


def ways() -> Iterator[Way]:
    """Give all of these."""
    big = frozenset({"big"})
    yield Way("twistd ftp", "get", get, big, (CURL,), (Service("ftp", serve_twisted),))
    service = Service("pyftpdlib", serve_pyftpdlib)
    yield Way("pyftpdlib", "get", get, big, (CURL, PYFTPDLIB), (service,))
    yield Way("pyftpdlib", "put", put, big, (CURL, PYFTPDLIB), (service,))
