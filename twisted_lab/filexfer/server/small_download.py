"""
The server's side of a bundle that is got: small files read and hashed in threads, a group at a time.

While a group goes out the next one is read, and no more: so a client that doesn't read holds two groups, and no thread.
"""

from dataclasses import dataclass, field

from twisted_lab.filexfer.errors import BadRequestError, DisconnectedError, FilexferError
from twisted_lab.filexfer.messages.bundle import MAX_BUNDLE, MAX_FILE
from twisted_lab.filexfer.messages.content import ContentStream
from twisted_lab.filexfer.messages.get_bundle import MAX_REQUEST, encode_answer, parse_wanted, split_wanted
from twisted_lab.filexfer.messages.requests import GetBundle
from twisted_lab.filexfer.server.audit import FileRecord
from twisted_lab.filexfer.server.exchange import Exchange, Turn
from twisted_lab.filexfer.store.store import Store
from twisted_lab.net.detached import Worker

#: How many files, and bytes of them, are read in one call of a thread and sent in one message. The last file may go
#: over it.
GROUP_FILES = 64
GROUP_BYTES = 2**18


async def send_small(exchange: Exchange, request: GetBundle, turn: Turn) -> None:
    """Answer a get-bundle: as many messages as it takes, each with the next files, and tell the log of each file."""
    stream = exchange.stream
    if request.length > MAX_REQUEST:
        raise BadRequestError(f"what is wanted may not be longer than {MAX_REQUEST} bytes")
    lines = split_wanted(await _take(stream))
    worker = Worker(exchange.in_thread)
    reads = _Reads(exchange.account.store, exchange.algorithm, lines, turn.identity)
    turn.size = 0
    reading = worker.start(reads.next)
    sent = 0
    while sent < len(lines):
        group = await reading.result()
        sent += len(group.turns)
        if sent < len(lines):
            reading = worker.start(reads.next)
        content = b"".join(group.pieces)
        turn.size += len(content)
        try:
            header = {"type": "get-bundle", "id": turn.identity, "count": len(group.turns), "length": len(content)}
            stream.send(header)
            await stream.send_content(content)
        except DisconnectedError as error:
            for each in group.turns:
                each.result = error.code
            raise
        finally:
            exchange.tell_files(
                "get", [FileRecord(each.path or "", each.size, each.digest, each.result) for each in group.turns]
            )


async def _take(stream: ContentStream) -> bytes:
    pieces: list[bytes] = []
    while some := await stream.read_some():
        pieces += some
    return b"".join(pieces)


@dataclass
class _Group:
    """What goes in one message, and what the log will say of each file."""

    pieces: list[bytes] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    size: int = 0


class _Reads:
    """Reads what `lines` ask for, a group in each call of `next`."""

    def __init__(self, store: Store, algorithm: str, lines: list[bytes], identity: int) -> None:
        self._store = store
        self._algorithm = algorithm
        self._lines = iter(lines)
        self._identity = identity
        self._room = MAX_BUNDLE

    def next(self) -> _Group:
        """Give the next group; this blocks. No descriptor stays open in between."""
        group = _Group()
        with self._store.read_small(self._algorithm) as reads:
            for line in self._lines:
                turn = Turn(self._identity)
                group.turns.append(turn)
                try:
                    name, if_match = parse_wanted(line)
                    turn.path = "/".join(name)
                    found = reads.read(name, min(MAX_FILE, self._room), if_match)
                except FilexferError as error:
                    turn.result = error.code
                    group.pieces.append(encode_answer(error))
                else:
                    turn.size, turn.digest = len(found.content), found.digest
                    self._room -= turn.size
                    group.size += turn.size
                    group.pieces.append(encode_answer(found))
                if len(group.turns) == GROUP_FILES or group.size >= GROUP_BYTES:
                    break
        return group
