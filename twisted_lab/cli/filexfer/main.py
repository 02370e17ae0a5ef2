"""The command line of ``filexfer``. A verb's module is imported when the verb is used: start-up counts."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

from twisted_lab.cli.entry import open_standard_streams, run_command
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

    put = _verb(verbs, "put", "send files: each is there whole and verified, or not at all", _AFTER_COPY)
    files(put.add_argument("sources", nargs="+", metavar="SOURCE", help="a local file; - for standard input"))
    put.add_argument("target", metavar="TARGET", help="HOST:PATH or :PATH; a directory if it ends in /")
    _add_copying(put)
    add_conditions(put, etag=True)

    get = _verb(verbs, "get", "fetch files: each is here whole and verified, or not at all", _AFTER_COPY)
    get.add_argument("sources", nargs="+", metavar="SOURCE", help="HOST:PATH or :PATH")
    files(get.add_argument("target", metavar="TARGET", help="a local file or directory; - for standard output"))
    _add_copying(get)
    add_conditions(get)

    ls = _verb(verbs, "ls", "list a directory", "Mode, size, time of the last change and name.")
    ls.add_argument("place", nargs="?", default=":", metavar="PLACE", help="HOST:PATH or :PATH (default: :)")

    stat = _verb(verbs, "stat", "show what is known of files", "For --if-match it shows the etag.")
    stat.add_argument("places", nargs="+", metavar="PLACE", help="HOST:PATH or :PATH")

    mkdir = _verb(verbs, "mkdir", "make directories")
    mkdir.add_argument("places", nargs="+", metavar="PLACE", help="HOST:PATH or :PATH")
    mkdir.add_argument("-p", "--parents", action="store_true", help="those on the way too; no error if it exists")

    mv = _verb(verbs, "mv", "rename or move a file or directory on its server")
    mv.add_argument("source", metavar="SOURCE", help="HOST:PATH or :PATH")
    mv.add_argument("target", metavar="TARGET", help="on the same server; into it, if it is a directory")
    add_conditions(mv, etag=True)

    rm = _verb(verbs, "rm", "remove files, links and empty directories")
    rm.add_argument("places", nargs="+", metavar="PLACE", help="HOST:PATH or :PATH")
    rm.add_argument("-r", "--recursive", action="store_true", help="directories with all that is in them")
    rm.add_argument("-n", "--dry-run", action="store_true", help="only say what would be removed")
    add_conditions(rm, etag=True, absent=False)

    sync = _verb(
        verbs,
        "sync",
        "make one directory like another, either way",
        "What has the same size and time is taken for the same, unless --checksum. SOURCE is what is in it: no "
        "directory of its name is made in TARGET.",
    )
    files(sync.add_argument("source", metavar="SOURCE", help="a directory, here or on a server"))
    files(sync.add_argument("target", metavar="TARGET", help="a directory, on the other side"))
    sync.add_argument("--checksum", action="store_true", help="compare contents, not size and time")
    sync.add_argument("--delete", action="store_true", help="remove from TARGET what isn't in SOURCE")
    sync.add_argument(
        "--max-delete",
        type=count,
        default=1000,
        metavar="N",
        help="remove nothing if that would be more than N (default: 1000)",
    )
    _add_dry_run(sync)
    add_tree(sync)
    add_durability(sync)

    verify = _verb(verbs, "verify", "compare contents with a server's, by digest; nothing is changed")
    files(verify.add_argument("source", metavar="SOURCE", help="a file or directory, here or on a server"))
    files(verify.add_argument("target", metavar="TARGET", help="a file or directory, on the other side"))
    add_tree(verify, moving=False)

    for name, verb in verbs.choices.items():
        add_output(verb, quiet=name not in {"ls", "stat"})
        add_connection(verb)
    return parser


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the verb that `argv` names, and exit with its status."""
    open_standard_streams()
    arguments = build_parser().parse_args(argv)
    run_command("filexfer", lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    module = import_module(f"twisted_lab.cli.filexfer.{_MODULES.get(arguments.verb, arguments.verb)}")
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


def _verb(verbs: Any, name: str, text: str, more: str = "") -> Parser:
    parser: Parser = verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}. {more}".strip())
    return parser


def _add_copying(parser: Parser) -> None:
    parser.add_argument("-r", "--recursive", action="store_true", help="directories too, with all that is in them")
    _add_dry_run(parser)
    add_tree(parser)
    add_durability(parser)


def _add_dry_run(parser: Parser) -> None:
    parser.add_argument("-n", "--dry-run", action="store_true", help="only say what would be done")
