"""
A bundle that is got: the lines by which a client asks, and the messages by which a server answers each of them.

A line is a JSON object, and its answer a file as it stands in a bundle, or an error. A client takes no answer for
another file than the one whose turn it is, so that no name of the server's becomes one here. docs/filexfer-protocol.rst
lays it down.
"""

import json
from collections.abc import Sequence
from typing import Any

from twisted_lab.filexfer.digests import Digest, algorithm_of
from twisted_lab.filexfer.errors import BadRequestError, DigestMismatchError, FilexferError
from twisted_lab.filexfer.messages.bundle import MAX_FILES, encode_small
from twisted_lab.filexfer.messages.keys import Keys
from twisted_lab.filexfer.messages.replies import bad_reply, error_from, sentence_of
from twisted_lab.filexfer.names import Name, parse_name, show_name
from twisted_lab.filexfer.small_file import SmallFile
from twisted_lab.wire.errors import RemoteProtocolError
from twisted_lab.wire.fields import MAX_INTEGER
from twisted_lab.wire.header import Content, End, Header, HeaderCodec, Message

#: Bytes of a request's content, and of one line of it with its end, at most.
MAX_REQUEST = 2**20
MAX_LINE = 2**15
#: Bytes that an answer has beside a file's content, at most.
MAX_ANSWER = 2**14

Answer = SmallFile | FilexferError


def wanted_line(path: str, if_match: str | None = None) -> bytes:
    """Ask for the file `path`, if it has that etag."""
    condition = {} if if_match is None else {"if-match": if_match}
    return json.dumps({"path": path, **condition}, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def split_wanted(content: bytes) -> list[bytes]:
    """Give the lines of a request; `BadRequestError` if they are none, or too many, or one has no end."""
    lines = content.split(b"\n", MAX_FILES)
    if lines.pop() or not lines:
        raise BadRequestError(f"what is wanted is in 1 to {MAX_FILES} lines, each with its end")
    return lines


def parse_wanted(line: bytes) -> tuple[Name, str | None]:
    """Read which file is wanted, and the etag that it must have; `BadRequestError`, `BadNameError`."""
    if len(line) >= MAX_LINE:  # before anything is made of it
        raise BadRequestError(f"a line may not be longer than {MAX_LINE} bytes")
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        raise BadRequestError("a line isn't JSON") from None
    if not isinstance(fields, dict):
        raise BadRequestError("a line isn't an object")
    keys = Keys(fields)
    return keys.name("path"), keys.optional("if-match", keys.etag)


def encode_answer(answer: Answer) -> bytes:
    """Answer a line."""
    if isinstance(answer, SmallFile):
        return encode_small(answer)
    header = {"type": "error", "code": answer.code, "message": sentence_of(answer)}
    return _ENCODER.encode(Message(header))


def answers_from(content: bytes, paths: Sequence[str], algorithm: str) -> list[Answer]:
    """
    Read the answers for `paths`, in their order; each file's content has the digest that was sent.

    `RemoteProtocolError` for what can't be read, for an answer too many or too few, and for another file's.
    """
    codec = HeaderCodec()
    answers: list[Answer] = []
    fields: dict[str, Any] = {}
    data = b""
    try:
        events = codec.feed(content)
        codec.eof()
    except RemoteProtocolError as error:
        raise bad_reply(f"its bundle can't be read: {error}") from None
    for event in events:
        match event:
            case Header(fields):
                data = b""
            case Content(data):
                """All of it: it was fed whole."""
            case End():
                if len(answers) == len(paths):
                    raise bad_reply("its bundle has more files than were asked for")
                answers.append(_read(fields, data, paths[len(answers)], algorithm))
    if len(answers) != len(paths):
        raise bad_reply("its bundle has fewer files than it says")
    return answers


def _read(fields: dict[str, Any], content: bytes, path: str, algorithm: str) -> Answer:
    if fields["type"] == "error" and not content:
        return error_from(fields)
    if fields["type"] != "file" or fields.get("path") != path:
        raise bad_reply("its bundle has another file than the one that was asked for")
    keys = Keys(fields, bad_reply)
    try:
        told = keys.digest("digest")
    except FilexferError as error:
        raise bad_reply(f'"digest": {error}') from None
    if algorithm_of(told) != algorithm:
        raise bad_reply("a digest of another algorithm than was agreed on")
    mtime_ns, mode = keys.mtime("mtime", -MAX_INTEGER, MAX_INTEGER), keys.integer("mode", 0, 0o777)
    found = SmallFile(parse_name(path), content, told, mtime_ns, mode, keys.etag("etag"))
    digest = Digest(algorithm)
    digest.update(content)
    if digest.text != told:
        return DigestMismatchError(f"{show_name(path)}: other bytes arrived than were sent; get it again")
    return found


#: Encoding keeps nothing.
_ENCODER = HeaderCodec()
