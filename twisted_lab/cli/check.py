"""``twisted-lab check``: hold the reader's own factory to an experiment's check."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator

from twisted_lab import experiments
from twisted_lab.cli.experiment import wrap
from twisted_lab.experiments.errors import DidNotStartError
from twisted_lab.experiments.experiment import Claim
from twisted_lab.experiments.server import Server, hosted


def run(arguments: argparse.Namespace) -> int:
    """Serve the factory, and print for each point whether it is right; 1 if one isn't."""
    # Ends what was started, as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        check = experiments.find(int(arguments.number)).check
    except (LookupError, ValueError):
        check = None
    if check is None:
        having = ", ".join(f"{n:02}" for n in experiments.numbers() if experiments.find(n).check)
        sys.stderr.write(f"twisted-lab: there is no check {arguments.number!r}: these experiments have one: {having}\n")
        return os.EX_USAGE
    claims: list[Claim] = []
    try:
        with hosted(arguments.protocol, os.getcwd()) as server:  # noqa: PTH109  # a name, for a process
            for claim in find_points(check, server):
                claims.append(claim)
                show(claim)
            raised = server.error
    except DidNotStartError as error:
        sys.stderr.write(f"twisted-lab: {error.said if error.status == os.EX_USAGE else error}\n")
        return os.EX_USAGE
    right = sum(claim.holds for claim in claims)
    sys.stdout.write(f"{right} of {len(claims)} points are right.\n")
    if right == len(claims):
        return os.EX_OK
    if raised:
        sys.stdout.write(f"The last exception in the server was {raised}\n")
    return 1


def find_points(check: Callable[[Server], Iterator[Claim]], server: Server) -> Iterator[Claim]:
    """Give the points of a check; if the server has gone, or takes no more clients, that is the last."""
    try:
        yield from check(server)
    except OSError as error:
        yield Claim("the server is there to the end", f"it isn't: {error.strerror or error}", holds=False)


def show(claim: Claim) -> None:
    """Print a point; of one that is wrong, what was seen, and a hint."""
    lines = [wrap("pass  " if claim.holds else "FAIL  ", claim.predicted)]
    if not claim.holds:
        lines += [f"      seen: {claim.observed}"]
        lines += [wrap("      hint: ", claim.hint)] if claim.hint else []
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
