"""Experiment 13: header and content: messages that arrive whole, in however many reads."""

import json
import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from twisted_lab.experiments.client import (
    PREFIX,
    Connection,
    connect,
    deadline_of,
    letters,
    receive,
    receive_all,
    send_apart,
    visit,
)
from twisted_lab.experiments.experiment import Claim, Experiment, Picture
from twisted_lab.experiments.patience import Deadline
from twisted_lab.experiments.pieces import send_piece, wait_until_read
from twisted_lab.experiments.server import Server, model, service
from twisted_lab.wire.header import MAX_HEADER

#: Seconds, of those that the server has for it, in which a check wants an answer.
PATIENCE = 2.0
#: The longest content that is sent, and that a reply may have.
CONTENT = letters(300_000)
#: Characters of a reply's value that are shown.
_SHOWN = 40
Message = tuple[dict[str, Any], bytes]


def run() -> Iterator[Claim | Picture]:
    """Send one large message to an echo server and to the header service, and hold that to the check."""
    with model("blocking") as server, connect(server.address) as connection:
        send_apart(connection, CONTENT).join()
        answers = receive_all(connection)[0].count(PREFIX)
    with service("header") as server:
        with connect(server.address) as connection:
            (header, content), *rest = converse(connection, message({"type": "large"}, CONTENT), 1)
        reads = header.get("received-in", 0)
        yield Claim(
            f"a message of {len(CONTENT)} bytes, which an echo server answers in several pieces, has one answer here, "
            "in however many reads it arrived",
            f"{answers} echoes against {1 + len(rest)} answer of {len(content)} bytes, after {reads} reads",
            answers > 1 and content == CONTENT and not rest and reads > 1,
        )
        yield from check(server)


def check(server: Server) -> Iterator[Claim]:
    """Say for each point whether a server, that answers each message with its type and content, does it right."""
    yield check_one(server)
    yield check_content(server)
    yield check_together(server)
    yield check_apart(server)
    yield check_large(server)
    yield check_identity(server)
    yield check_bad(server, "a header that isn't JSON", b"\x00\x00\x00\x05hello")
    yield check_bad(server, "a header of over 64 KiB, by its length alone,", b"\x00\x01\x00\x01")
    yield check_truncated(server)


def check_one(server: Server) -> Claim:
    """Send a header without content."""
    with visit(server, PATIENCE) as connection:
        replies = converse(connection, message({"type": "greeting"}), 1)
    return judge(
        "a message without content is answered with its type",
        replies,
        [("greeting", b"")],
        "Answer with a header of the same type: 4 bytes of length, and one JSON object.",
    )


def check_content(server: Server) -> Claim:
    """Send every byte there is as content."""
    content = bytes(range(256))
    with visit(server, PATIENCE) as connection:
        replies = converse(connection, message({"type": "bytes"}, content), 1)
    return judge(
        "content of any bytes comes back as it is, with its length in the header",
        replies,
        [("bytes", content)],
        "The reply's header says in length how many bytes of content follow it.",
    )


def check_together(server: Server) -> Claim:
    """Send three messages in one piece."""
    parts = [("one", b"first"), ("two", b""), ("three", b"third")]
    with visit(server, PATIENCE) as connection:
        stream = b"".join(message({"type": name}, content) for name, content in parts)
        replies = converse(connection, stream, len(parts))
    return judge(
        "three messages that are read at once are all answered, in their order",
        replies,
        parts,
        "Content ends where length says; the next 4 bytes are the next header's length.",
    )


def check_apart(server: Server) -> Claim:
    """Cut a message in its length, its header, and its content."""
    data = message({"type": "cut"}, b"hello")
    with visit(server, PATIENCE) as connection:
        deadline = deadline_of(connection)
        for start, end in ((0, 2), (2, 9), (9, len(data) - 5), (len(data) - 5, len(data) - 2)):
            send_piece(connection, data[start:end], deadline)
        replies = converse(connection, data[-2:], 1)
    return judge(
        "a message that is cut anywhere is answered when it is complete",
        replies,
        [("cut", b"hello")],
        "Keep what isn't complete: of the length, of the header, of the content.",
    )


def check_large(server: Server) -> Claim:
    """Send content that is longer than any read."""
    with visit(server, PATIENCE) as connection:
        replies = converse(connection, message({"type": "large"}, CONTENT), 1)
    return judge(
        f"content of {len(CONTENT)} bytes comes back whole",
        replies,
        [("large", CONTENT)],
        "Gather content until length bytes are there.",
    )


def check_identity(server: Server) -> Claim:
    """Send a message with an id, a length of 0 and a key that nobody knows."""
    with visit(server, PATIENCE) as connection:
        replies = converse(connection, message({"type": "greeting", "id": 7, "length": 0, "x-mood": "good"}), 1)
    identity = replies[0][0].get("id") if replies else None
    return Claim(
        "the id comes back, a length of 0 is no content, and a key that nobody knows does no harm",
        f"{len(replies)} replies, id {show_value(identity)}",
        len(replies) == 1 and identity == 7 and replies[0][1] == b"",
        "Copy id into the reply; ignore the keys that you don't know.",
    )


def check_bad(server: Server, what: str, stream: bytes) -> Claim:
    """Break the protocol after a good message."""
    with visit(server, PATIENCE) as connection:
        replies = converse(connection, message({"type": "good"}) + stream, 3)
        end = receive_all(connection, most=MAX_HEADER, within=2 * PATIENCE)[1]
    types = [header.get("type") for header, _ in replies]
    return Claim(
        f"{what} is answered with an error, and the connection is closed; the message before it is answered",
        f"answers of the types {show_types(replies)}; then it was {end}",
        types == ["good", "error"] and "code" in replies[1][0] and end in {"closed", "reset"},
        "Where the next message begins is unknown: send a header of type error with a code, and close.",
    )


def check_truncated(server: Server) -> Claim:
    """End the stream inside the content; then be another client."""
    with visit(server, PATIENCE) as connection:
        connection.sendall(message({"type": "short"}, b"hello")[:-2])
        wait_until_read(connection, deadline_of(connection))
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        replies = read_replies(connection, 2)
    with visit(server, PATIENCE) as connection:
        well = bool(converse(connection, message({"type": "next"}), 1))
    return Claim(
        "a message that the stream's end cuts short isn't answered, but for an error, and the server goes on",
        f"answers of the types {show_types(replies)}; the next client is {'' if well else 'not '}answered",
        [header.get("type") for header, _ in replies] in ([], ["error"]) and well,
        "What isn't complete when the stream ends never will be: drop it.",
    )


def judge(predicted: str, replies: list[Message], expected: list[tuple[str, bytes]], hint: str) -> Claim:
    """Compare types and contents of replies with what they should be."""
    seen = [(header.get("type"), content) for header, content in replies]
    shown = ", ".join(f"{show_value(name)} with {len(content)} bytes" for name, content in seen)
    return Claim(predicted, shown or "no whole answer came back", seen == expected, hint)


def message(header: Mapping[str, Any], content: bytes = b"") -> bytes:
    """Give a message: the header's length, the header, the content."""
    encoded = json.dumps({**header, **({"length": len(content)} if content else {})}).encode()
    return struct.pack("!I", len(encoded)) + encoded + content


def converse(connection: Connection, data: bytes, count: int) -> list[Message]:
    """Send, and give up to `count` replies, as many as come."""
    with suppress(OSError):
        connection.sendall(data)
    return read_replies(connection, count)


def read_replies(connection: Connection, count: int) -> list[Message]:
    """Give up to `count` messages, as many as come whole within the connection's patience; none is longer than ours."""
    replies: list[Message] = []
    deadline = deadline_of(connection)
    with suppress(ValueError, RecursionError):  # what isn't a message ends it
        while len(replies) < count:
            replies.append(read_reply(connection, deadline))
    return replies


def read_reply(connection: Connection, deadline: Deadline) -> Message:
    """Give one message; `ValueError` or `RecursionError` if what comes isn't one, or not whole."""
    header_length = int.from_bytes(receive_whole(connection, 4, deadline))
    if header_length > MAX_HEADER:
        raise ValueError("the header is too long")
    header = json.loads(receive_whole(connection, header_length, deadline).decode())
    if not isinstance(header, dict):
        raise ValueError("the header is no object")  # noqa: TRY004  # of what was received, not of an argument
    length = header.get("length", 0)
    if type(length) is not int or not 0 <= length <= len(CONTENT):
        raise ValueError("no check sends content of such a length")
    return header, receive_whole(connection, length, deadline)


def receive_whole(connection: Connection, count: int, deadline: Deadline) -> bytes:
    """Receive `count` bytes; `ValueError` if they don't come."""
    data = receive(connection, count, deadline)
    if len(data) < count:
        raise ValueError("it isn't whole")
    return data


def show_value(value: object) -> str:
    """Give a value of a reply's header for a line on a terminal: a server may have put anything into it."""
    if isinstance(value, str) and value.isprintable():
        return value[:_SHOWN]
    return f"(a {type(value).__name__})" if isinstance(value, (dict, list)) else f"{value!r:.{_SHOWN}}"


def show_types(replies: list[Message]) -> str:
    """Give the types of replies."""
    return ", ".join(show_value(header.get("type")) for header, _ in replies) or "(none)"


EXPERIMENT = Experiment(
    13,
    "header and content",
    "A header says what a message is, and how long its content. Does it arrive whole?",
    "Each message has one answer, in however many reads it arrived and however it was cut; a broken one ends the "
    "connection, and nothing else.",
    run,
    check,
)
