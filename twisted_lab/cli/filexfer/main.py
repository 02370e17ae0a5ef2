"""The command line of ``filexfer``. A verb's module is imported when the verb is used: start-up counts."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from twisted_lab.cli.entry import load, open_standard_streams, run_command
from twisted_lab.cli.filexfer.completion import PrintCompletion
from twisted_lab.cli.filexfer.options import (
    add_conditions,
    add_connection,
    add_durability,
    add_output,
    add_tree,
    count,
    files,
)
from twisted_lab.cli.parser import Parser, ShowVersion
from twisted_lab.filexfer.errors import FilexferError

#: The module of each verb, where it isn't the verb's own; the function in it is called like the verb.
_MODULES = {"ls": "listing", "stat": "listing", "mkdir": "changing", "mv": "changing", "rm": "changing"}

_PLACES = (
    "A place on a server is HOST:PATH, or :PATH on the server of --connect; PATH is relative to the server's root. "
    "A local file with a colon in its name is ./a:b."
)
_EXITS = (
    "Exit status: 0 all done and verified, 23 some of it failed, 24 a source changed or vanished, 64 usage, "
    "65 the bytes that arrived are wrong, 66 no such source, 68 no such host, 69 nobody answers, 73 can't create or "
    "exists, 74 disk failed or full, 75 broken off (safe to run again), 76 protocol, 77 login or permission, "
    "130 interrupted."
)


def build_parser() -> Parser:
    """Give the parser of all verbs."""
    parser = Parser(
        prog="filexfer",
        description="Move files to and from a filexfer server: verified, resumable, durable.",
        epilog=f"{_PLACES} {_EXITS}",
    )
    parser.add_argument("--version", action=ShowVersion)
    parser.add_argument("--print-completion", action=PrintCompletion, help="print completion for that shell, and exit")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND", parser_class=Parser)

    _verb(verbs, "put", _put, "send files: each is there whole and verified, or not at all", _AFTER_COPY)
    _verb(verbs, "get", _get, "fetch files: each is here whole and verified, or not at all", _AFTER_COPY)
    _verb(verbs, "ls", _ls, "list a directory", "Mode, size, time of the last change and name.")
    _verb(verbs, "stat", _stat, "show what is known of files", "For --if-match it shows the etag.")
    _verb(verbs, "mkdir", _mkdir, "make directories")
    _verb(verbs, "mv", _mv, "rename or move a file or directory on its server")
    _verb(verbs, "rm", _rm, "remove files, links and empty directories")
    _verb(
        verbs,
        "sync",
        _sync,
        "make one directory like another, either way",
        "What has the same size and time is taken for the same, unless --checksum. SOURCE is what is in it: no "
        "directory of its name is made in TARGET.",
    )
    _verb(verbs, "verify", _verify, "compare contents with a server's, by digest; nothing is changed")
    return parser


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the verb that `argv` names, and exit with its status."""
    open_standard_streams()
    arguments = build_parser().parse_args(argv)
    run_command("filexfer", lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    module = load(f"twisted_lab.cli.filexfer.{_MODULES.get(arguments.verb, arguments.verb)}")
    try:
        status: int = getattr(module, arguments.verb)(arguments)
    except FilexferError as error:
        from twisted_lab.cli.filexfer.exits import exit_status

        sys.stderr.write(f"filexfer: {error}\n")
        return exit_status(error)
    return status


_AFTER_COPY = (
    "If TARGET is a directory, or ends in /, SOURCE is copied into it, as by cp. What was broken off goes on where it "
    "stopped when the same command is run again."
)


def _verb(verbs: Any, name: str, add_own: Callable[[Parser], object], text: str, more: str = "") -> None:
    def describe(verb: Parser) -> None:
        add_own(verb)
        add_output(verb, quiet=name not in {"ls", "stat"})
        add_connection(verb)

    description = f"{text[0].upper()}{text[1:]}. {more}".strip()
    verbs.add_parser(name, help=text, description=description, describe=describe)


def _put(verb: Parser) -> None:
    files(verb.add_argument("sources", nargs="+", metavar="SOURCE", help="a local file; - for standard input"))
    verb.add_argument("target", metavar="TARGET", help="HOST:PATH or :PATH; a directory if it ends in /")
    _add_copying(verb)
    add_conditions(verb, etag=True)


def _get(verb: Parser) -> None:
    verb.add_argument("sources", nargs="+", metavar="SOURCE", help="HOST:PATH or :PATH")
    files(verb.add_argument("target", metavar="TARGET", help="a local file or directory; - for standard output"))
    _add_copying(verb)
    add_conditions(verb)


def _ls(verb: Parser) -> None:
    verb.add_argument("place", nargs="?", default=":", metavar="PLACE", help="HOST:PATH or :PATH (default: :)")


def _stat(verb: Parser) -> None:
    verb.add_argument("places", nargs="+", metavar="PLACE", help="HOST:PATH or :PATH")


def _mkdir(verb: Parser) -> None:
    verb.add_argument("places", nargs="+", metavar="PLACE", help="HOST:PATH or :PATH")
    verb.add_argument("-p", "--parents", action="store_true", help="those on the way too; no error if it exists")


def _mv(verb: Parser) -> None:
    verb.add_argument("source", metavar="SOURCE", help="HOST:PATH or :PATH")
    verb.add_argument("target", metavar="TARGET", help="on the same server; into it, if it is a directory")
    add_conditions(verb, etag=True)


def _rm(verb: Parser) -> None:
    verb.add_argument("places", nargs="+", metavar="PLACE", help="HOST:PATH or :PATH")
    verb.add_argument("-r", "--recursive", action="store_true", help="directories with all that is in them")
    verb.add_argument("-n", "--dry-run", action="store_true", help="only say what would be removed")
    add_conditions(verb, etag=True, absent=False)


def _sync(verb: Parser) -> None:
    files(verb.add_argument("source", metavar="SOURCE", help="a directory, here or on a server"))
    files(verb.add_argument("target", metavar="TARGET", help="a directory, on the other side"))
    verb.add_argument("--checksum", action="store_true", help="compare contents, not size and time")
    verb.add_argument("--delete", action="store_true", help="remove from TARGET what isn't in SOURCE")
    verb.add_argument(
        "--max-delete",
        type=count,
        default=1000,
        metavar="N",
        help="remove nothing if that would be more than N (default: 1000)",
    )
    _add_dry_run(verb)
    add_tree(verb)
    add_durability(verb)


def _verify(verb: Parser) -> None:
    files(verb.add_argument("source", metavar="SOURCE", help="a file or directory, here or on a server"))
    files(verb.add_argument("target", metavar="TARGET", help="a file or directory, on the other side"))
    add_tree(verb, moving=False)


def _add_copying(parser: Parser) -> None:
    parser.add_argument("-r", "--recursive", action="store_true", help="directories too, with all that is in them")
    _add_dry_run(parser)
    add_tree(parser)
    add_durability(parser)


def _add_dry_run(parser: Parser) -> None:
    parser.add_argument("-n", "--dry-run", action="store_true", help="only say what would be done")
