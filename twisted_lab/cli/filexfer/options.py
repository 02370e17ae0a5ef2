"""Options that several verbs share."""

import argparse
from typing import Any

from twisted_lab.cli.filexfer.units import parse_rate
from twisted_lab.cli.parser import Parser
from twisted_lab.filexfer.conditions import Durability

DEFAULT_ENDPOINT = "tcp:127.0.0.1:5680"
DEFAULT_PORT = 5680


def add_connection(parser: Parser) -> None:
    """Add how to reach the server, and who asks."""
    group = parser.add_argument_group("connection")
    group.add_argument(
        "--connect",
        metavar="ENDPOINT",
        help=f"where :PATH is: a Twisted client endpoint, such as unix:PATH (default: {DEFAULT_ENDPOINT})",
    )
    group.add_argument("-P", "--port", type=_port, metavar="PORT", help=f"of HOST (default: {DEFAULT_PORT})")
    group.add_argument("--tls", action="store_true", help="use TLS, and verify the server's certificate")
    files(group.add_argument("--tls-ca", metavar="FILE", help="trust this authority only, in PEM; implies --tls"))
    group.add_argument(
        "--tls-fingerprint",
        metavar="sha256:...",
        help="trust the certificate that has this fingerprint, and no other; implies --tls",
    )
    text = "show this certificate, with its key, in PEM; implies --tls"
    files(group.add_argument("--tls-certificate", metavar="FILE", help=text))
    group.add_argument("--user", metavar="NAME", help="log in; the password is asked for, or in FILEXFER_PASSWORD")
    text = "the password is the first line of this file"
    files(group.add_argument("--password-file", metavar="FILE", help=text))


def add_output(parser: Parser, *, quiet: bool) -> None:
    """Add how results are told; `quiet`: whether there is something to be quiet about."""
    parser.add_argument("--json", action="store_true", help="one JSON object a line, sizes in bytes")
    if quiet:
        parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but what failed")


def add_tree(parser: Parser, *, moving: bool = True) -> None:
    """Add what of a directory takes part; and, if something is `moving`, how fast."""
    for name, include in (("--include", True), ("--exclude", False)):
        parser.add_argument(
            name,
            action=AddRule,
            include=include,
            help=("take what matches" if include else "leave out what matches") + "; the first rule that fits decides",
        )
    parser.add_argument(
        "--links",
        choices=["skip", "follow", "keep"],
        default="skip",
        help="symbolic links in directories: left out, what they lead to in the same tree, or links (default: skip)",
    )
    if moving:
        parser.add_argument(
            "--limit-rate", type=parse_rate, metavar="RATE", help="bytes a second, at most: 250K, 10M, 1.5G"
        )


def add_durability(parser: Parser) -> None:
    """Add what must be on the disk before it counts as done."""
    parser.add_argument(
        "--durability",
        choices=[each.value for each in Durability],
        default=Durability.DIRECTORY.value,
        help="what must be on the target's disk: nothing, the bytes, or the name too (default: directory)",
    )


def add_conditions(parser: Parser, *, etag: bool = False, absent: bool = True) -> None:
    """Add what must hold at the moment when it is done."""
    group = parser.add_mutually_exclusive_group()
    if absent:
        group.add_argument("--no-clobber", action="store_true", help="never replace what exists: fail instead")
    if etag:
        group.add_argument("--if-match", metavar="ETAG", help="only if the file still has this etag")


class AddRule(argparse.Action):
    """``--include`` and ``--exclude``: rules in the order in which they were given, in ``rules``."""

    def __init__(self, option_strings: Any, dest: str, *, include: bool, help: str) -> None:  # noqa: A002  # argparse's name
        super().__init__(option_strings, "rules", metavar="PATTERN", default=(), help=help)
        self._include = include

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: Any = None
    ) -> None:
        """Add a rule after those before it."""
        from twisted_lab.filexfer.trees.filters import Rule

        try:
            rule = Rule(values, include=self._include)
        except ValueError as error:
            raise argparse.ArgumentError(self, str(error)) from None
        namespace.rules = (*namespace.rules, rule)


def count(text: str) -> int:
    """Read a number of things, 0 or more."""
    if not text.isascii() or not text.isdecimal() or len(text) > 15:
        raise argparse.ArgumentTypeError(f"{text!r} isn't a whole number")
    return int(text)


def _port(text: str) -> int:
    port = count(text)
    if not 0 < port < 2**16:
        raise argparse.ArgumentTypeError(f"{text!r} isn't a port: 1 ... 65535")
    return port


def files(action: Any) -> None:
    """Let a shell complete local files there; what shtab looks at."""
    action.complete = "file"
