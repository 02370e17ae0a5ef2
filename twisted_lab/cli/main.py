"""The command line of ``twisted-lab``. A verb's module is imported when the verb is used: start-up counts."""

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from twisted_lab.cli.capture_options import describe_capture, describe_dissector
from twisted_lab.cli.conform_options import describe_conform
from twisted_lab.cli.entry import load, open_standard_streams, run_command
from twisted_lab.cli.measuring_options import describe_compare, describe_load
from twisted_lab.cli.parser import TARGET_HELP, Parser, ShowVersion


def build_parser() -> Parser:
    """Give the parser of all verbs."""
    parser = Parser(prog="twisted-lab", description="A workbench for stream protocols on Twisted.")
    parser.add_argument("--version", action=ShowVersion)
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

    text = "send messages at a constant rate, and measure how long each takes from when it was due"
    verbs.add_parser(
        "load",
        help=text,
        description=f"{text.capitalize()}. Every reply is checked. Exit status: 0; 1 if a reply was wrong or missing, "
        "or the bound of --slo doesn't hold; 2 if the load itself was the bottleneck, so that nobody knows.",
        describe=describe_load,
    )

    text = "put servers under the same load in turn, and say how they differ"
    verbs.add_parser(
        "compare",
        help=text,
        description=f"{text.capitalize()}: models (threads, selectors, twisted …), specimens (echo, header, "
        "module:attribute), or two runs of twisted-lab load that are kept. Exit status 1 if one of them failed.",
        describe=describe_compare,
    )

    text = "look at a capture: its messages, their sequence, or where its streams were cut"
    verbs.add_parser(
        "capture",
        help=text,
        description=f"{text.capitalize()}. A capture is a pcapng file of our recorder, or of Wireshark's tools.",
        describe=describe_capture,
    )

    text = "print a dissector for Wireshark, in Lua"
    verbs.add_parser(
        "dissector",
        help=text,
        description="Print a dissector for Wireshark that shows a specimen's messages, in Lua. "
        "To use it: tshark -X lua_script:FILE -r CAPTURE.",
        describe=describe_dissector,
    )

    text = "examine a server by numbered cases: framing, close, pressure, hostile clients, isolation, resources"
    verbs.add_parser(
        "conform",
        help=text,
        description=f"{text.capitalize()}. Exit status: 0; 1 if a case failed; 2 if all that is wrong is that nobody "
        "knows.",
        describe=describe_conform,
    )

    text = "start the services, talk to them, and say what happened"
    verbs.add_parser("demo", help=text, description=f"{text.capitalize()}. Uses free ports of 127.0.0.1.")

    _add_experiments(verbs)
    return parser


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the verb that `argv` names, and exit with its status."""
    open_standard_streams()
    arguments = build_parser().parse_args(argv)
    run_command("twisted-lab", lambda: load(f"twisted_lab.cli.{arguments.verb}").run(arguments))


def _add_experiments(verbs: Any) -> None:
    text = "list the experiments: number, title, question"
    listing = verbs.add_parser("experiments", help=text, description=f"{text.capitalize()}.")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")

    text = "run experiments, and print what was predicted against what was observed"
    experiment = verbs.add_parser(
        "experiment",
        help=text,
        description=f"{text.capitalize()}. Exit status 0 if all that was predicted is so, 1 if something isn't, "
        "2 if that can't be said here.",
    )
    experiment.add_argument("numbers", nargs="+", metavar="NN", help="numbers of experiments, or all")
    experiment.add_argument("--json", action="store_true", help="one JSON object a line, for each experiment")
    experiment.add_argument("--runs", default="runs", metavar="DIR", help="where runs are kept (default: runs)")

    text = "hold a factory of your own to the check of experiment 10, 12 or 13"
    check = verbs.add_parser(
        "check",
        help=text,
        description=f"{text.capitalize()}: it is served on a free port of 127.0.0.1. Exit status 1 if one is wrong.",
    )
    check.add_argument("number", metavar="NN", help="10: an echo server, 12: Int32 strings, 13: the header protocol")
    check.add_argument(
        "--protocol",
        required=True,
        metavar="MODULE:FACTORY",
        help="a factory of Twisted's, or what gives one when it is called; modules here are found",
    )


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
    import json

    try:
        return key, json.loads(value)
    except (ValueError, RecursionError):
        return key, value
