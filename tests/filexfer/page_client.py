"""A client written from docs/filexfer-protocol.rst, with nothing but the standard library, and nothing of ours."""

import hashlib
import json
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

#: Bytes of content in a message of a put.
PART = 2**16
TIMEOUT = 60.0

Message = tuple[dict[str, Any], bytes]


class RefusedError(Exception):
    """The server answered by an error; `code` is its name for programs."""

    def __init__(self, header: dict[str, Any]) -> None:
        super().__init__(f"{header['code']}: {header['message']}")
        self.code = header["code"]
        self.identity = header.get("id")


class PageClient:
    """A connection; each method is a request and its reply, but for `send` and `receive`."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self.welcome: dict[str, Any] = {}
        self._identity = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up, whatever goes on."""
        self.socket.close()

    def hello(self, **login: str) -> dict[str, Any]:
        """Say hello, and who one is; `welcome` is what the server says of itself."""
        self.welcome, _ = self.ask({"type": "hello", "versions": [1], "digests": ["sha-256"], **login})
        return self.welcome

    def send(self, header: Mapping[str, Any], content: bytes = b"", identity: int | None = None) -> int:
        """Send a message, with an id of its own unless it belongs to one before; give the id."""
        if identity is None:
            self._identity = identity = self._identity + 1
        self.socket.sendall(pack({**header, "id": identity}, content))
        return identity

    def receive(self) -> Message:
        """Receive the next message; `EOFError` at the end of the stream."""
        (length,) = struct.unpack("!I", self._read(4))
        header = json.loads(self._read(length))
        return header, self._read(header.get("length", 0))

    def reply(self, identity: int) -> Message:
        """Receive the reply to a request; `RefusedError` if it is an error."""
        header, content = self.receive()
        while header["type"] == "working":
            header, content = self.receive()
        if header["type"] == "error":
            raise RefusedError(header)
        if header["id"] != identity:
            raise ValueError(f"a reply to {identity} was due, and this came: {header}")
        return header, content

    def ask(self, header: Mapping[str, Any], content: bytes = b"") -> Message:
        """Send a request and receive its reply."""
        return self.reply(self.send(header, content))

    def put(self, path: str, data: bytes, *, offset: int = 0, streamed: bool = False, **keys: Any) -> dict[str, Any]:
        """Put a file, in parts, from `offset` on; give the receipt."""
        size = {} if streamed else {"size": len(data)}
        identity = self.send({"type": "put", "path": path, "offset": offset, **size, **keys})
        for start in range(offset, len(data), PART):
            self.send({"type": "part"}, data[start : start + PART], identity)
        self.send({"type": "digest", "digest": digest(data)}, identity=identity)
        receipt, _ = self.reply(identity)
        if receipt["digest"] != digest(data) or receipt["size"] != len(data):
            raise ValueError(f"the receipt is another file's: {receipt}")
        return receipt

    def resume(self, path: str, data: bytes) -> tuple[int, dict[str, Any]]:
        """Go on with a put that was broken off; give how many bytes were there, and the receipt."""
        left_over, _ = self.ask({"type": "resume", "path": path, "size": len(data)})
        offset = left_over["offset"]
        if left_over["digest"] != digest(data[:offset]):
            offset = 0
        return offset, self.put(path, data, offset=offset)

    def get(self, path: str, **keys: Any) -> tuple[dict[str, Any], bytes]:
        """Get a file, or some of it, and check the digest that follows."""
        identity = self.send({"type": "get", "path": path, **keys})
        facts, content = self.reply(identity)
        end, _ = self.reply(identity)
        if end["digest"] != digest(content):
            raise ValueError(f"other bytes arrived than were sent: {end}")
        return facts, content

    def list(self, path: str, count: int = 4096) -> Iterator[dict[str, Any]]:
        """Give the entries of a directory, page by page."""
        after: dict[str, Any] = {}
        while True:
            page, content = self.ask({"type": "list", "path": path, "count": count, **after})
            for line in content.splitlines():
                entry = json.loads(line)
                if entry["name"] in {"", ".", ".."} or "/" in entry["name"]:
                    raise ValueError("the server names a file that isn't in that directory")
                yield entry
            if "next" not in page:
                return
            after = {"after": page["next"]}

    def bundle(self, files: Sequence[tuple[dict[str, Any], bytes]], **keys: Any) -> Sequence[dict[str, Any]]:
        """Put small files; give what became of each."""
        run = b"".join(pack({"type": "file", "digest": digest(data), **facts}, data) for facts, data in files)
        _, content = self.ask({"type": "bundle", **keys}, run)
        return [json.loads(line) for line in content.splitlines()]

    def get_bundle(self, wanted: Sequence[dict[str, Any]]) -> Sequence[Message]:
        """Get small files: give for each a message ``file``, its digest checked, or ``error``."""
        lines = b"".join(json.dumps(each).encode() + b"\n" for each in wanted)
        identity = self.send({"type": "get-bundle"}, lines)
        answers: Sequence[Message] = ()
        while len(answers) < len(wanted):
            head, run = self.reply(identity)
            here = (*unpack(run),)
            if len(here) != head["count"]:
                raise ValueError(f"{len(here)} files came in a message about {head['count']}")
            answers = (*answers, *here)
        for each, (facts, content) in zip(wanted, answers, strict=True):
            if facts["type"] == "file" and (facts["path"], facts["digest"]) != (each["path"], digest(content)):
                raise ValueError(f"another file came than was asked for: {facts}")
        return answers

    def _read(self, length: int) -> bytes:
        pieces = []
        while length:
            piece = self.socket.recv(min(length, 2**20))
            if not piece:
                raise EOFError("the server closed the connection")
            pieces.append(piece)
            length -= len(piece)
        return b"".join(pieces)


def pack(header: Mapping[str, Any], content: bytes = b"") -> bytes:
    """Give a message's bytes."""
    if content:
        header = {**header, "length": len(content)}
    raw = json.dumps(header).encode()
    return struct.pack("!I", len(raw)) + raw + content


def unpack(run: bytes) -> Iterator[Message]:
    """Give the messages of a run."""
    while run:
        (length,) = struct.unpack("!I", run[:4])
        header = json.loads(run[4 : 4 + length])
        end = 4 + length + header.get("length", 0)
        yield header, run[4 + length : end]
        run = run[end:]


def digest(data: bytes) -> str:
    """Give the digest of `data` as the protocol writes it."""
    return f"sha-256:{hashlib.sha256(data).hexdigest()}"
