"""The pictures on the page about captures are what is drawn."""

from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path

import pytest

from twisted_lab.instruments.capture.messages import Messages
from twisted_lab.instruments.capture.segment import Address
from twisted_lab.instruments.capture.sequence import Sequence
from twisted_lab.instruments.capture.stream_ruler import StreamRuler
from twisted_lab.instruments.capture.streams import Connection, Ended, Happening, Opened, Read
from twisted_lab.instruments.directions import DOWNSTREAM, UPSTREAM
from twisted_lab.wire.header import HeaderCodec, Message

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
LOCAL = ip_address("127.0.0.1")
THE = Connection(1, Address(LOCAL, 54204), Address(LOCAL, 5679))
#: What docs/examples/sliced.py sends, and how it is answered: the reads in which each message came, and its content.
CONTENTS = [(2, b"hello"), (1, b""), (3, b"how are you?")]
FAULT = ("fault=slicer average_size=40",)


def encode(number: int, content: bytes, **more: int) -> bytes:
    """Give one of the messages, or a reply."""
    return HeaderCodec().encode(Message({"type": "greeting", "id": number, **more}, content))


def happenings() -> list[Happening]:
    """Give what happens when the example is run."""
    stream = b"".join(encode(number, content) for number, (_, content) in enumerate(CONTENTS, 1))
    cuts = [*range(0, len(stream), 40), len(stream)]
    one, two, three, four = (stream[start:end] for start, end in pairwise(cuts))
    replies = [encode(number, content, **{"received-in": reads}) for number, (reads, content) in enumerate(CONTENTS, 1)]
    return [
        Opened(THE, 0.0, (), midst=False),
        Read(THE, 0.000742, UPSTREAM, one, FAULT),
        Read(THE, 1.001792, UPSTREAM, two, FAULT),
        Read(THE, 1.007569, DOWNSTREAM, replies[0] + replies[1]),
        Read(THE, 2.003129, UPSTREAM, three, FAULT),
        Read(THE, 3.004478, UPSTREAM, four, FAULT),
        Read(THE, 3.007288, DOWNSTREAM, replies[2]),
        Ended(THE, 4.007018, UPSTREAM, reset=False, comments=()),
        Ended(THE, 4.007018, DOWNSTREAM, reset=False, comments=()),
    ]


@pytest.mark.parametrize(("name", "view"), [("ruler.svg", StreamRuler()), ("sequence.svg", Sequence())])
def test_the_page_shows_what_is_drawn(name: str, view: StreamRuler | Sequence) -> None:
    """When a view changes, the page's picture has to."""
    messages = Messages(HeaderCodec)
    for happening in happenings():
        for each in messages.take(happening):
            list(view.take(each))
    assert view.draw() == (EXAMPLES / name).read_text()
