"""The options of ``twisted-lab capture`` and ``twisted-lab dissector``."""

from pathlib import Path

from twisted_lab.cli.parser import Parser

SPECIMEN_HELP = "echo, header, filexfer, or module:attribute, a Specimen"


def describe_capture(parser: Parser) -> None:
    """Add them."""
    from twisted_lab.cli.quantity import count

    parser.add_argument("file", metavar="FILE", help="a pcapng file; - for standard input")
    add = parser.add_argument
    views = ("messages", "sequence", "ruler")
    add("--view", choices=views, default="messages", help="how it is shown (default: messages)")
    add("--codec", metavar="SPECIMEN", help=f"whose messages they are: {SPECIMEN_HELP} (default: each read is one)")
    add("--connection", type=count(2**31), metavar="N", help="of connection N alone")
    add("--bytes", type=count(2**31), metavar="N", help="with the ruler: of the first N bytes of each direction")
    add("--svg", type=Path, metavar="FILE", help="draw the view there, too; not of messages")
    add("--json", action="store_true", help="with messages: one JSON object a line")
    add("--follow", action="store_true", help="go on with what is written to the file later, until interrupted")


def describe_dissector(parser: Parser) -> None:
    """Add those of ``twisted-lab dissector``."""
    from twisted_lab.cli.quantity import count

    parser.add_argument("specimen", metavar="SPECIMEN", help=SPECIMEN_HELP)
    text = "the server's port (default: the specimen's own)"
    parser.add_argument("--port", type=count(65535), metavar="N", help=text)
