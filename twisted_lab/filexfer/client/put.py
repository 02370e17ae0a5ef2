"""
A client's put: a source's pieces, hashed while they are sent, and the one reply.

It goes in parts, so that a put can end between two of them and the connection goes on: if the source changes, or the
server answers with an error before it has everything. Where a file goes by itself a part is as much as is sent in a
moment, and if the file turns out to be shorter, what is missing of the part is filled up before it is abandoned.
Otherwise each piece that was read is a part of its own; while one is sent the next is read: two are in memory at most.
"""

from typing import Any

from twisted_lab.filexfer.client.conversation import Conversation
from twisted_lab.filexfer.client.sources import FileSource, Source
from twisted_lab.filexfer.client.turn import Turn
from twisted_lab.filexfer.client.watch import Watch
from twisted_lab.filexfer.conditions import Condition, Durability
from twisted_lab.filexfer.errors import DisconnectedError, FilexferError, SourceChangedError
from twisted_lab.filexfer.messages.keys import Keys
from twisted_lab.filexfer.messages.replies import receipt_from
from twisted_lab.filexfer.messages.request_headers import to_header
from twisted_lab.filexfer.messages.requests import Abandon, Finish, Part, Put, Resume
from twisted_lab.filexfer.names import Name, join_name
from twisted_lab.filexfer.receipt import Receipt
from twisted_lab.net.detached import Detached, Worker, first

#: Bytes that are read, hashed and sent at one time; and of the first part of a file that goes by itself.
PIECE = 2**19
FIRST = 2**22
#: Seconds that such a part shall take: what took less is followed by twice as much, what took more by half.
PART_TIME = 0.05
#: Bytes hashed in one call of a thread, when none are sent.
HASHED = 2**24
#: Bytes up to which it is quicker to send a file again than to ask what is left over of it.
NOT_WORTH_ASKING = 2**16


class Sending:
    """One put over `conversation`, of `source` to `path`; what blocks is done by `worker`."""

    def __init__(self, conversation: Conversation, worker: Worker, source: Source, path: Name, watch: Watch) -> None:
        self._conversation = conversation
        self._worker = worker
        self._source = source
        self._path = path
        self._watch = watch
        self._most = conversation.welcome.limits.part
        self._sent = 0

    async def run(
        self,
        *,
        condition: Condition,
        durability: Durability,
        resume: bool,
        mtime_ns: int | None,
        mode: int | None,
    ) -> Receipt:
        """Put it; the source is closed afterwards, whatever becomes of it."""
        conversation, source = self._conversation, self._source
        try:
            await self._worker.do(source.open)
            async with conversation.places:
                async with conversation.speaking:
                    offset = await self._resume() if resume else 0
                    request = Put(
                        self._path,
                        source.size,
                        offset,
                        mtime_ns=source.mtime_ns if mtime_ns is None else mtime_ns,
                        mode=source.mode if mode is None else mode,
                        condition=condition,
                        durability=durability,
                    )
                    await conversation.flushed()
                    turn = conversation.begin(request)
                    reply = Detached(turn.whole(most=0))
                    digest = await self._talk(turn, reply)
                try:
                    header, _ = await reply.result()
                except BaseException as error:
                    self._give_up(error)
                    raise
            return self._check(header, digest)
        finally:
            source.stop()
            await self._worker.end(source.close)

    async def _resume(self) -> int:
        """Give how many bytes the server has that are the source's first ones too."""
        source = self._source
        if not isinstance(source, FileSource) or source.size <= NOT_WORTH_ASKING:
            return 0
        conversation = self._conversation
        await conversation.flushed()
        reply = Detached(conversation.begin(Resume(self._path, source.size)).whole(most=0))
        # The server says how much it has when it has hashed that; this side doesn't wait for it to do likewise.
        more = True
        while more and not reply.over:
            more = await self._worker.do(source.hash_ahead, HASHED)
        header, _ = await reply.result()
        keys = Keys(header, lambda sentence: conversation.violated("bad-reply", sentence))
        offset = keys.integer("offset", 0, source.size)
        done = await self._worker.do(source.go_back, offset)
        mine = await self._worker.do(source.pass_over, 0)
        while done < offset:
            count = min(HASHED, offset - done)
            mine = await self._worker.do(source.pass_over, count)
            done += count
        if offset and mine != conversation.read_digest(header):
            await self._worker.do(source.go_back, 0)
            return 0
        self._sent = offset
        self._watch.resumed(offset)
        return offset

    async def _talk(self, turn: Turn, reply: "Detached[Any]") -> str:
        """Send the parts and what ends them; give the digest. Returns early if the reply comes early."""
        conversation = self._conversation
        conversation.put_begins(turn.identity)
        try:
            await self._send_parts(turn, reply)
            digest = "" if reply.over else await self._worker.do(self._source.finish)
            conversation.put_ends()
            self._send_last(Finish(digest) if digest else Abandon(), turn)
        except DisconnectedError:
            conversation.put_ends()
            await reply.result()  # the server's last word says more
            raise
        except FilexferError:  # the source's
            conversation.put_ends()
            turn.abandoned = True
            self._send_last(Abandon(), turn)
            raise
        except BaseException as error:
            conversation.put_ends()
            self._give_up(error)
            raise
        return digest

    async def _send_parts(self, turn: Turn, reply: "Detached[Any]") -> None:
        if isinstance(self._source, FileSource):
            await self._move_parts(self._source, turn, reply)
        if not reply.over:
            await self._send_pieces(turn, reply)

    async def _move_parts(self, source: FileSource, turn: Turn, reply: "Detached[Any]") -> None:
        """Send all but what isn't worth it, if the source goes by itself."""
        conversation, clock = self._conversation, self._conversation.clock
        size = FIRST
        while not reply.over and conversation.can_move(count := min(size, self._most, source.size - self._sent)):
            begin = clock.seconds()
            conversation.send(to_header(Part(count), turn.identity))
            try:
                await conversation.send_file(source, count, self._worker, self._moved, self._watch.allow)
            except SourceChangedError:
                await conversation.fill_up()
                raise
            size = 2 * count if clock.seconds() - begin < PART_TIME else max(FIRST, count // 2)

    def _moved(self, count: int) -> None:
        self._sent += count
        self._watch.moved(count)

    async def _send_pieces(self, turn: Turn, reply: "Detached[Any]") -> None:
        conversation, source, worker = self._conversation, self._source, self._worker
        size = min(PIECE, self._most)
        reading = worker.start(source.read, size)
        while True:
            await first(reading, reply)  # a silent pipe mustn't keep us from hearing of an error
            if reply.over:
                return
            piece = await reading.result()
            if not piece:
                return
            reading = worker.start(source.read, size)
            await self._watch.allow(len(piece))
            if reply.over:
                return
            conversation.send(to_header(Part(len(piece)), turn.identity))
            await conversation.send_whole(piece)
            self._moved(len(piece))

    def _send_last(self, message: Finish | Abandon, turn: Turn) -> None:
        if self._conversation.lost is None:
            self._conversation.send(to_header(message, turn.identity))

    def _give_up(self, error: BaseException) -> None:
        """End the connection if we were cancelled: so the server keeps what it has, to go on from."""
        if not isinstance(error, FilexferError):
            self._conversation.break_off(DisconnectedError("a put was given up"))

    def _check(self, header: dict[str, Any], digest: str) -> Receipt:
        """Give the receipt, if it is of what was sent."""
        conversation = self._conversation
        receipt = conversation.read_reply(receipt_from, header, join_name(self._path))
        if (receipt.digest, receipt.size) != (digest, self._sent):
            raise conversation.violated("wrong-receipt", "a receipt is for another file than was put")
        return receipt
