"""scp and sftp, to an sshd of the benchmark's own; all of it is encrypted."""

import getpass
import os
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from peers.way import DIRECTIONS, Direction, Need, Place, Service, Way, Words, program, shell

SSHD = Need("sshd", "apt-get install openssh-server")
SCP = Need("scp", "apt-get install openssh-client")
#: A directory that sshd wants, and only root's.
EMPTY = Need("/run/sshd", "as root: mkdir /run/sshd", kind="directory")
NEEDS = (SSHD, SCP, *[EMPTY] * (os.geteuid() == 0))


def serve(place: Place) -> Words:
    """Serve the user who runs this, by a key of its own."""
    for name in "host", "user":
        key = place.scratch / name
        subprocess.run([program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)  # noqa: S603  # our own words
    (place.scratch / "sshd_config").write_text(f"""
ListenAddress 127.0.0.1:{place.port}
HostKey {place.scratch}/host
AuthorizedKeysFile {place.scratch}/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
""")
    return [program("sshd"), "-D", "-e", "-f", str(place.scratch / "sshd_config")]


SERVICE = Service("sshd", serve)


def options(place: Place) -> Words:
    """Give the options that keep the user's own configuration out of it."""
    trust = ["-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={place.scratch}/known"]
    return ["-q", "-F", "none", "-i", str(place.scratch / "user"), "-P", str(place.port), *trust]


def there(path: Path) -> str:
    """Name a path on the server."""
    return f"{getpass.getuser()}@127.0.0.1:{path}"


def recursive(place: Place) -> list[str]:
    """Give the option for a directory, if it is one."""
    return ["-r"] if place.source.is_dir() else []


def scp(place: Place, direction: Direction) -> Words:
    """Copy."""
    ends = [place.source, there(place.served)] if direction == "put" else [there(place.source), place.fetched]
    return [program("scp"), *recursive(place), *options(place), *map(str, ends)]


def sftp(place: Place, direction: Direction) -> Words:
    """Copy, with the command on sftp's standard input, as for a put it has to be."""
    ends = [place.source, place.served] if direction == "put" else [place.source, place.fetched]
    line = " ".join([direction, *recursive(place), *map(str, ends)])
    host = there(Path()).rstrip(":.")
    return shell('command=$1; shift; echo "$command" | sftp -b - "$@"', line, *options(place), host)


def ways() -> Iterator[Way]:
    """Give all of these."""
    for name, client in ("scp", scp), ("sftp", sftp):
        for direction in DIRECTIONS:
            yield Way(
                name, direction, partial(client, direction=direction), frozenset({"tls", "small"}), NEEDS, (SERVICE,)
            )
