"""The command line of ``twisted-lab``. A verb's module is imported when the verb is used: start-up counts."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any, NoReturn

TARGET_HELP = "HOST:PORT, HOST, or a Twisted client endpoint: tls:HOST:PORT, unix:PATH (default: %s)"


class Parser(argparse.ArgumentParser):
    """An argument parser that ends with status 64 (EX_USAGE) and one sentence."""

    _mixing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Let a verb's options stand anywhere among its words."""
        if self._mixing or self._subparsers is not None:
            return super().parse_known_args(args, namespace)
        self._mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False

    def error(self, message: str) -> NoReturn:
        """Say what is wrong."""
        self.exit(os.EX_USAGE, f"{self.prog}: {message}; see {self.prog} --help\n")


def build_parser() -> Parser:
    """Give the parser of all verbs."""
    parser = Parser(prog="twisted-lab", description="A workbench for stream protocols on Twisted.")
    parser.add_argument("--version", action="version", version=f"twisted-lab {version('twisted-lab')}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND", parser_class=Parser)

    text = "talk to an echo server: line by line, or send messages over several connections"
    echo = verbs.add_parser(
        "echo",
        help=text,
        description=f"{text.capitalize()}. In a terminal without messages: type a line, see its echo; Ctrl-D ends. "
        "With standard input from elsewhere: its bytes are sent, and what comes back is written out.",
    )
    echo.add_argument("target", nargs="?", metavar="TARGET", help=TARGET_HELP % "127.0.0.1:5678")
    echo.add_argument("messages", nargs="*", metavar="MESSAGE", help="messages to send at once, as UTF-8")
    echo.add_argument("--connections", type=_count, default=1, metavar="N", help="send over N connections (default: 1)")
    echo.add_argument("--json", action="store_true", help="with messages: one JSON object a line")
    _add_timeout(echo, "give up when no echo comes for so long (default: 10)")

    text = "send a message of the header protocol and print the reply"
    send = verbs.add_parser(
        "send",
        help=text,
        description=f"{text.capitalize()}: its header as one line of JSON, then its content. "
        "Exit status 1 if the reply is an error.",
    )
    send.add_argument("type", metavar="TYPE", help="the message's type")
    send.add_argument("--connect", metavar="TARGET", help=TARGET_HELP % "127.0.0.1:5679")
    send.add_argument("--content-file", metavar="FILE", help="the message's content; - for standard input")
    send.add_argument(
        "--header",
        action="append",
        default=[],
        type=_key_value,
        metavar="KEY=VALUE",
        help="one more key of the header; VALUE is JSON, or else text; repeatable",
    )
    _add_timeout(send, "give up when no reply comes for so long (default: 10)")

    text = "start the services, talk to them, and say what happened"
    verbs.add_parser("demo", help=text, description=f"{text.capitalize()}. Uses free ports of 127.0.0.1.")
    return parser


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the verb that `argv` names, and exit with its status."""
    _open_standard_streams()
    arguments = build_parser().parse_args(argv)
    try:
        status = import_module(f"twisted_lab.cli.{arguments.verb}").run(arguments)
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:
        _drop_output()
        status = 128 + signal.SIGPIPE  # who reads our output has seen enough
    except OSError as error:
        _drop_output()
        sys.stderr.write(f"twisted-lab: can't write standard output: {error.strerror}\n")
        status = os.EX_IOERR
    sys.exit(status)


def _open_standard_streams() -> None:
    """See that descriptors 0 to 2 are open: a socket that got one of them would be taken for the user's file."""
    for stream in ("stdin", "stdout", "stderr"):
        if getattr(sys, stream) is None:
            mode = os.O_WRONLY if stream == "stderr" else os.O_RDONLY  # writing to standard output is an error then
            descriptor = os.open(os.devnull, mode)
            setattr(sys, stream, os.fdopen(descriptor, "r" if stream == "stdin" else "w"))
    # What the user's encoding hasn't got is shown as an escape.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _drop_output() -> None:
    """Let go nowhere what the interpreter still has to flush."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _add_timeout(parser: Parser, text: str) -> None:
    parser.add_argument("--timeout", type=_seconds, default=10.0, metavar="SECONDS", help=text)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} isn't a whole number in 1 … 1000")
    return int(text)


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} isn't a number of seconds")
    return number


def _key_value(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise argparse.ArgumentTypeError(f"{text!r} isn't KEY=VALUE")
    try:
        return key, json.loads(value)
    except (ValueError, RecursionError):
        return key, value
