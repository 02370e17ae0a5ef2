"""The options of ``twisted-lab load`` and ``twisted-lab compare``."""

import argparse
from pathlib import Path
from typing import Any

from twisted_lab.cli.parser import TARGET_HELP, Parser


def describe_load(parser: Parser) -> None:
    """Add them."""
    from twisted_lab.cli.quantity import count, duration, rate

    parser.add_argument(
        "specimen",
        metavar="SPECIMEN",
        help="echo, header, or module:attribute: a Specimen, or what makes a client's factory whose protocol has "
        "request(message), which gives a Deferred or a coroutine of the reply",
    )
    parser.add_argument("target", nargs="?", metavar="TARGET", help=TARGET_HELP % "the specimen's own on 127.0.0.1")
    add = parser.add_argument
    add("-c", "--connections", type=count(10000), default=1, metavar="N", help="over N connections (default: 1)")
    add("-R", "--rate", type=rate, help="offer so many messages a second, over all connections (default: 1000)")
    add("--closed", action="store_true", help="instead, each connection sends when its last message is answered")
    add("--slo", type=_bound, metavar="pN=TIME", help="search the highest rate at which it holds: p99=20ms")
    add("--content", type=Path, metavar="FILE", help="send this as the message, not drawn bytes")
    add("--connect-rate", type=rate, metavar="RATE", help="connect so many a second (default: 64 at a time)")
    text = "wait so long to connect, and for the last answers (default: 10s)"
    add("--timeout", type=duration, default=10.0, metavar="TIME", help=text)
    add_measuring(parser, duration_default="10s", warmup_default="1s")


def describe_compare(parser: Parser) -> None:
    """Add those of ``twisted-lab compare``."""
    from twisted_lab.cli.quantity import count, rate

    parser.add_argument("names", nargs="*", metavar="NAME", help="what to compare; the others with the first")
    add = parser.add_argument
    add("--all", action="store_true", help="all models")
    text = "numbers of connections (default: 1,32)"
    add("-c", "--connections", type=_counts, default=[1, 32], metavar="N,N…", help=text)
    add("-R", "--rate", type=rate, help="offer so many messages a second (default: closed loop, as many as it can)")
    add("--rounds", type=count(1000), default=5, metavar="N", help="times that each is run (default: 5)")
    add_measuring(parser, duration_default="2s", warmup_default="500ms")


def add_measuring(parser: Any, *, duration_default: str, warmup_default: str) -> None:
    """Add what every verb has that drives a load."""
    from twisted_lab.cli.quantity import count, duration_or_none, measured_duration, size

    add = parser.add_argument
    add(
        "-d",
        "--duration",
        type=measured_duration,
        default=duration_default,
        help=f"so long (default: {duration_default})",
    )
    text = f"before it counts (default: {warmup_default})"
    add("--warmup", type=duration_or_none, default=warmup_default, metavar="TIME", help=text)
    add("--size", type=size, default=64, help="bytes of a message: 64, 4KiB, 1M (default: 64)")
    add("--seed", type=int, default=0, metavar="N", help="draw the same bytes again (default: 0)")
    add("--workers", type=count(64), default=1, metavar="N", help="N processes send (default: 1)")
    text = "of the load: default, eager, asyncio and what else twistd --help-reactors lists (default: eager)"
    add("--reactor", type=_reactor, default="eager", help=text)
    add("--json", action="store_true", help="one JSON object a line, each second and in the end")
    add("--runs", type=Path, default=Path("runs"), metavar="DIR", help="keep the run there (default: runs)")


def _counts(text: str) -> list[int]:
    from twisted_lab.cli.quantity import count

    return [count(10000)(each) for each in text.split(",")]


def _bound(text: str) -> Any:
    from twisted_lab.cli.quantity import duration
    from twisted_lab.instruments.load.slo import Bound

    try:
        percent, rest = Bound.split(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} isn't a bound such as p99=20ms") from None
    return Bound(percent, duration(rest))


def _reactor(text: str) -> str:
    from twisted.application.reactors import getReactorTypes

    names = {kind.shortName for kind in getReactorTypes()}
    if text not in names:
        raise argparse.ArgumentTypeError(f"there is no reactor {text!r}: {', '.join(sorted(names))}")
    return text
