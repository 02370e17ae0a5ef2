"""Grounds: a directory for transfers, with servers on it that start when they are first needed and end with it."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import contents
from children import FailedError, Spent, Tree, free_port, running, spend
from peers.way import Need, Place, Service, Way, program
from proc import listens

OPENSSL = Need("openssl", "apt-get install openssl")


class WrongError(FailedError):
    """What arrived isn't what was sent."""


class Ground:
    """Take transfers, in one directory of one file system."""

    def __init__(self, root: Path, stack: ExitStack) -> None:
        self.root = root
        self._stack = stack
        self._running: dict[str, tuple[Place, Tree]] = {}
        self._digests: dict[Path, object] = {}
        for name in "source", "served", "fetched", "certificates":
            (root / name).mkdir()
        self._certify()

    def make(self, name: str, size: int) -> None:
        """Make a file to be sent."""
        contents.make_file(self.root / "source" / name, size)

    def make_tree(self, name: str, count: int) -> None:
        """Make a directory of many files to be sent."""
        contents.make_tree(self.root / "source" / name, count)

    def transfer(self, way: Way, name: str) -> Spent:
        """Transfer what has that name, compare it, remove it, and give what the transfer took."""
        place, servers = self.prepare(way, name)
        with self.target(way, place):
            if way.once is None:
                return spend(way.client(place), place.scratch / "client.log", servers)
            log = place.scratch / "once.log"
            log.unlink(missing_ok=True)
            place = replace(place, once_port=free_port())
            with running(way.once(place), log, lambda: way.once_ready(place)) as once:
                return spend(way.client(place), place.scratch / "client.log", servers, once)

    def prepare(self, way: Way, name: str) -> tuple[Place, list[Tree]]:
        """Start what a way needs; give the place for what has that name, and the servers."""
        started = [self.start(service) for service in way.services]
        place = started[0][0] if started else self._place(way.peer)
        return replace(place, name=name), [server for _, server in started]

    @contextmanager
    def target(self, way: Way, place: Place) -> Iterator[None]:
        """Compare what the block has transferred with what was to be, and remove it, with all that is beside it."""
        target = way.target(place)
        try:
            yield
            if place.source not in self._digests:
                self._digests[place.source] = contents.digests(place.source)
            if self._digests[place.source] != contents.digests(target):
                raise WrongError(f"{way.name}: what arrived isn't what was sent")
        finally:
            for path in target.parent.iterdir():
                contents.remove(path)

    def start(self, service: Service) -> tuple[Place, Tree]:
        """Give a service's place and process, starting it if need be."""
        if service.name not in self._running:
            place = self._place(service.name)
            ports = (place.port, *[place.tls_port] * service.tls)
            log = place.scratch / "server.log"
            server = running(service.words(place), log, lambda: all(map(listens, ports)))
            self._running[service.name] = place, self._stack.enter_context(server)
        return self._running[service.name]

    def _place(self, name: str) -> Place:
        scratch = self.root / "scratch" / name.replace(" ", "-")
        scratch.mkdir(parents=True, exist_ok=True)
        return Place(self.root, scratch, self.root / "certificates", free_port(), free_port())

    def _certify(self) -> None:
        if not OPENSSL.there:
            raise FailedError(f"openssl is needed for the certificate: {OPENSSL.how}")
        here = self.root / "certificates"
        key = ["-newkey", "rsa:2048", "-nodes", "-keyout", f"{here}/key.pem"]
        names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        command = [program("openssl"), "req", "-x509", "-days", "30", *key, *names, "-out", f"{here}/cert.pem"]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603  # our own words


@contextmanager
def ground(where: Path) -> Iterator[Ground]:
    """Give a ground in a directory of its own, below `where`; all of it is gone when the block ends."""
    root = Path(tempfile.mkdtemp(prefix="twisted-lab-benchmark-", dir=where))
    try:
        with ExitStack() as stack:
            yield Ground(root, stack)
    finally:
        shutil.rmtree(root)
