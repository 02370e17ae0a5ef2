"""``filexfer verify``: what is here compared with what is there, by digest; nothing is changed."""

import argparse
import os

from twisted_lab.cli.filexfer.copying import from_local_error, open_directory
from twisted_lab.cli.filexfer.directories import tree_options
from twisted_lab.cli.filexfer.place import Local, Remote, inside, parse_pair, remote_of
from twisted_lab.cli.filexfer.session import Session, run
from twisted_lab.filexfer.errors import DigestMismatchError, FilexferError, NotFoundError
from twisted_lab.filexfer.store.outgoing import Outgoing
from twisted_lab.filexfer.trees.verify import Verdict, Verified
from twisted_lab.filexfer.trees.verify import verify as verify_tree
from twisted_lab.net.detached import Detached, Worker

#: Bytes hashed before a thread looks whether it is still wanted.
_PIECE = 2**24


def verify(arguments: argparse.Namespace) -> int:
    """Compare two files, or all that is in two directories; the one that is here is called local."""
    pair = parse_pair(arguments.source, arguments.target)
    remote = remote_of(pair)
    local = next(place for place in pair if isinstance(place, Local))

    async def work(session: Session) -> None:
        try:
            status = await session.files.stat(remote.path)
        except FilexferError as error:
            session.check(error)
            session.report.failed(remote.plain, error)
            return
        try:
            if status.kind == "directory":
                await _verify_directories(session, arguments, local, remote)
            else:
                await _verify_files(session, local, remote)
        except FilexferError as error:
            session.check(error)
            session.report.failed(local.plain, error)

    return run(arguments, remote, work)


async def _verify_directories(session: Session, arguments: argparse.Namespace, local: Local, remote: Remote) -> None:
    with open_directory(local) as root:
        verdicts = verify_tree(session.files, root, remote.path, tree_options(arguments), session.in_thread)
        async for verified in verdicts:
            _tell(session, local, remote, verified)


async def _verify_files(session: Session, local: Local, remote: Remote) -> None:
    worker, watch = Worker(session.in_thread), session.watch()
    outgoing = await worker.do(_open, local, session.files.welcome.digest)
    try:
        theirs = Detached(session.files.digest(remote.path))
        session.report.progress.expected = outgoing.length
        session.report.advice = None
        left = outgoing.length
        while await worker.do(outgoing.hash, _PIECE):
            watch.moved(_PIECE)
            left -= _PIECE
        watch.moved(left)
        same = await worker.do(outgoing.finish) == await theirs.result()
    finally:
        await worker.end(outgoing.close)
    _tell(session, local, remote, Verified((), Verdict.SAME if same else Verdict.DIFFERS))


def _open(place: Local, algorithm: str) -> Outgoing:
    try:
        descriptor = os.open(place.path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise from_local_error(error, place.shown) from error
    return Outgoing(descriptor, place.shown, algorithm)


def _tell(session: Session, local: Local, remote: Remote, verified: Verified) -> None:
    """Tell of one name; what is only on one side is missing on the other."""
    report, path = session.report, "/".join(verified.name)
    here, there = inside(local, path), inside(remote, path)
    match verified.verdict:
        case Verdict.SAME:
            report.same(here, one_of_many=bool(verified.name))
        case Verdict.SKIPPED:
            report.step("skip", here, why=verified.why)
        case Verdict.DIFFERS:
            report.failed(here, DigestMismatchError(f"it isn't the same as {there}"))
        case Verdict.MISSING_HERE:
            report.failed(here, NotFoundError("it is on the server, and not here"))
        case Verdict.MISSING_THERE:
            report.failed(there, NotFoundError("it is here, and not on the server"))
        case Verdict.FAILED:
            report.failed(here, verified.error or FilexferError(verified.why))
