"""The server's side of put, resume and bundle: content written and hashed in threads, published when it is whole."""

from typing import Any

from twisted.internet.task import deferLater
from twisted.logger import Logger

from twisted_lab.filexfer.conditions import Condition
from twisted_lab.filexfer.errors import BusyError, ChangedError, DisconnectedError, FilexferError
from twisted_lab.filexfer.messages.bundle import BundleDecoder, BundleFault
from twisted_lab.filexfer.messages.replies import receipt_fields, result_line
from twisted_lab.filexfer.messages.request_headers import parse_in_put
from twisted_lab.filexfer.messages.requests import Abandon, Bundle, Finish, Part, Put, Resume
from twisted_lab.filexfer.names import Name
from twisted_lab.filexfer.receipt import Receipt
from twisted_lab.filexfer.server.audit import FileRecord
from twisted_lab.filexfer.server.exchange import Exchange, Turn
from twisted_lab.filexfer.small_file import SmallFile
from twisted_lab.filexfer.store.incoming import Incoming
from twisted_lab.net.detached import Worker
from twisted_lab.wire.errors import RemoteProtocolError

#: Bytes hashed in one call of a thread.
HASHED = 2**24
#: How often a path is asked for that somebody else is putting, and the seconds in between.
BUSY_TRIES = 20
BUSY_PAUSE = 0.1
#: How many small files, bytes of them, and components of their names, are published together, in one call of a thread.
#: Each component may be a directory that is to be made, and brought to the disk: thousands of them hold the thread.
GROUP_FILES = 64
GROUP_BYTES = 2**18
GROUP_COMPONENTS = 2**10


class Uploads:
    """
    The puts of one session, one at a time.

    What a resume has opened and hashed is kept for the put that follows it directly, and locked until then.
    """

    log = Logger()

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._left_over: Incoming | None = None
        self._key: tuple[Name, int] | None = None
        #: Whether a put's end, its digest or that it is abandoned, is still to come.
        self.unfinished = False

    async def close(self) -> None:
        """Let go of what a resume has opened; that it can't be, say if its disk fails, is no other request's error."""
        left_over, self._left_over = self._left_over, None
        if left_over is not None:
            try:
                await self._exchange.in_thread(left_over.close)
            except FilexferError as error:
                self.log.warn("filexfer: what a put left over isn't in order: {error}", error=str(error))

    async def resume(self, request: Resume, turn: Turn) -> dict[str, Any]:
        """Tell how much of a file is there from a put that was broken off, and its digest."""
        incoming = await self._open(request.path, request.size)
        try:
            await self._hash_left_over(incoming)
        except BaseException:
            await self._exchange.in_thread(incoming.close)
            raise
        self._left_over, self._key = incoming, (request.path, request.size)
        turn.size = incoming.offset
        return {"type": "resume", "offset": incoming.offset, "digest": incoming.digest}

    async def put(self, request: Put, turn: Turn) -> dict[str, Any] | None:
        """Take a file and publish it; None if the client abandoned it, which has no reply."""
        condition = self._exchange.account.mode.narrow(request.condition)
        # Judged again when it is published; but who sends a large file in vain would like to know sooner.
        await self._exchange.in_thread(self._exchange.account.store.check, request.path, condition)
        incoming = await self._begin(request)
        try:
            await self._take_content(incoming)
            finish = await self._take_parts(incoming)
            if finish is None:
                await self._exchange.in_thread(incoming.abandon)
                turn.result = "abandoned"
                return None
            receipt = await self._exchange.in_thread(
                incoming.finish,
                finish.digest,
                mtime_ns=request.mtime_ns,
                mode=request.mode,
                condition=condition,
                durability=request.durability,
            )
        finally:
            turn.size = incoming.received
            await self._exchange.in_thread(incoming.close)
        turn.digest = receipt.digest
        return {"type": "ok", **receipt_fields(receipt)}

    async def skip(self) -> None:
        """Drop what still comes of a put that was answered by an error."""
        while self.unfinished:
            try:
                await self._receive_in_put()
            except DisconnectedError:
                raise
            except FilexferError as error:
                raise RemoteProtocolError("bad-sequence", f"inside a put: {error}") from None

    async def bundle(self, request: Bundle, turn: Turn) -> bytes:
        """Take many small files and publish each; give a line for each, in order."""
        condition = self._exchange.account.mode.narrow(request.condition)
        decoder = BundleDecoder()
        group = _Group()
        lines: list[bytes] = []
        stream = self._exchange.stream
        turn.size = 0
        while pieces := await stream.read_some(GROUP_BYTES):
            for piece in pieces:
                turn.size += len(piece)
                for found in decoder.feed(piece):
                    if group.take(found):
                        lines += await self._publish(group, request, condition)
                        group = _Group()
        decoder.eof()
        if group.found:
            lines += await self._publish(group, request, condition)
        return b"".join(lines)

    async def _begin(self, request: Put) -> Incoming:
        if self._key != (request.path, request.size):
            await self.close()
        left_over, self._left_over = self._left_over, None
        incoming = left_over or await self._open(request.path, request.size)
        try:
            _check_offset(request.offset, incoming.offset)
            if not request.offset and incoming.offset:
                await self._exchange.in_thread(incoming.restart)
            elif left_over is None:
                await self._hash_left_over(incoming)
        except BaseException:
            await self._exchange.in_thread(incoming.close)
            raise
        return incoming

    async def _open(self, path: Name, size: int | None) -> Incoming:
        await self.close()
        exchange = self._exchange
        for _ in range(BUSY_TRIES):
            try:
                return await self._receive(path, size)
            except BusyError:
                # It may be the same client's put from before, whose connection hasn't ended here yet.
                await deferLater(exchange.clock, BUSY_PAUSE)
                exchange.stream.check_connected()
        return await self._receive(path, size)

    async def _receive(self, path: Name, size: int | None) -> Incoming:
        exchange = self._exchange
        incoming: Incoming = await exchange.in_thread(
            exchange.account.store.receive, path, size=size, algorithm=exchange.algorithm
        )
        return incoming

    async def _hash_left_over(self, incoming: Incoming) -> None:
        while await self._exchange.in_thread(incoming.hash_left_over, HASHED):
            self._exchange.stream.check_connected()

    async def _take_content(self, incoming: Incoming) -> None:
        worker = Worker(self._exchange.in_thread)
        await self._exchange.stream.receive_content(incoming, worker, lambda _: None)

    async def _take_parts(self, incoming: Incoming) -> Finish | None:
        while True:
            match await self._receive_in_put():
                case Finish() as finish:
                    return finish
                case Abandon():
                    return None
            await self._take_content(incoming)

    async def _receive_in_put(self) -> Part | Finish | Abandon:
        header = await self._exchange.stream.receive()
        self.unfinished = header["type"] not in {"digest", "abandon"}  # it ends the put, whatever is wrong with it
        return parse_in_put(header)

    async def _publish(self, group: "_Group", request: Bundle, condition: Condition) -> list[bytes]:
        """Publish a group; give a line for each, in order, and tell the log."""
        exchange = self._exchange
        published = await exchange.in_thread(
            exchange.account.store.receive_small, group.files, request.durability, condition
        )
        outcomes = iter(published)
        records: list[FileRecord] = []
        lines: list[bytes] = []
        for found in group.found:
            if isinstance(found, BundleFault):
                outcome, path, size = found.error, found.path, None
            else:
                outcome, path, size = next(outcomes), "/".join(found.name), len(found.content)
            if isinstance(outcome, Receipt):
                records.append(FileRecord(path, size, outcome.digest, "ok"))
            else:
                records.append(FileRecord(path, size, None, outcome.code))
            lines.append(result_line(outcome))
        exchange.tell_files("put", records)
        exchange.stream.check_connected()
        return lines


class _Group:
    """What of a bundle is published together: all that was `found` of it, and the `files` among that."""

    def __init__(self) -> None:
        self.found: list[SmallFile | BundleFault] = []
        self.files: list[SmallFile] = []
        self._bytes = 0
        self._components = 0

    def take(self, found: SmallFile | BundleFault) -> bool:
        """Add one; tell whether that was all there is room for."""
        self.found.append(found)
        if isinstance(found, SmallFile):
            self.files.append(found)
            self._bytes += len(found.content)
            self._components += len(found.name)
        return len(self.found) >= GROUP_FILES or self._bytes >= GROUP_BYTES or self._components >= GROUP_COMPONENTS


def _check_offset(offset: int, left_over: int) -> None:
    if offset not in {0, left_over}:
        raise ChangedError(f"there are {left_over} bytes to go on from, not {offset}: ask for them anew")
