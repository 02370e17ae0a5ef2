"""Experiments that find what a test wants, and the ends of a connection."""

import socket
from collections.abc import Iterator

from twisted_lab.experiments.client import Connection
from twisted_lab.experiments.experiment import Claim, Experiment, Picture

#: A client's end of a connection, and a server's.
Pair = tuple[Connection, socket.socket]
HOLDING = Claim("the first is larger", "3 against 2", holds=True)
FAILING = Claim("the first is larger", "2 against 3", holds=False)
PICTURE = Picture("timeline", "Who waits", "client 1 |*|", "<svg/>")


def experiment(*findings: Claim | Picture | Exception, number: int = 2) -> Experiment:
    """Give an experiment that finds these, or raises one of them."""

    def run() -> Iterator[Claim | Picture]:
        for found in findings:
            if isinstance(found, Exception):
                raise found
            yield found

    return Experiment(number, "a fake", "What is found?", "What it is told to find.", run)
