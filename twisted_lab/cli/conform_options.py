"""The options of ``twisted-lab conform``."""

from pathlib import Path

from twisted_lab.cli.parser import Parser
from twisted_lab.cli.quantity import count

#: Bytes of a request, as large as those that this process can make without being in its own way.
MOST = 2**26


def describe_conform(parser: Parser) -> None:
    """Add them."""
    parser.add_argument(
        "target",
        nargs="?",
        metavar="TARGET",
        help="echo, header, module:attribute (a Specimen, a factory or what makes one, a receiver class), or HOST:PORT",
    )
    add = parser.add_argument
    add("--codec", metavar="NAME", help="what it speaks: int32, header, filexfer, line, netstring, echo")
    text = "the longest request that it takes (default: what is usual with its codec)"
    add("--limit", type=count(MOST), metavar="BYTES", help=text)
    text = "have it between server and clients, in memory, as twistd faultproxy has it; may be given again"
    add("--fault", action="append", default=[], metavar="FAULT", help=text)
    add("--list", action="store_true", help="show the cases, and run none")
    add("--only", action="append", default=[], metavar="ID", help="run this case, or this group; may be given again")
    add("--strict", action="store_true", help="what is non-strict has failed")
    add("-j", "--junit", type=Path, metavar="FILE", help="write the results there as JUnit's XML")
    add("--seed", type=int, default=0, metavar="N", help="of what is drawn (default: 0)")
    add(
        "--save",
        type=Path,
        metavar="DIR",
        help="keep the smallest conversation that fails there, as a test of pytest's",
    )
    add("--json", action="store_true", help="one JSON object a line for each case")
