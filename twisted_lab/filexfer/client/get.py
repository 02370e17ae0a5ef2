"""
A client's get: content written and hashed in threads while more of it arrives, published when its digest is right.

What is left over of a get that was broken off is hashed here and by the server; if both are the same, only the rest is
sent.
"""

from typing import Any

from twisted_lab.filexfer.client.conversation import Conversation
from twisted_lab.filexfer.client.put import HASHED
from twisted_lab.filexfer.client.targets import FileTarget, Target
from twisted_lab.filexfer.client.turn import Turn
from twisted_lab.filexfer.client.watch import Watch
from twisted_lab.filexfer.errors import (
    ChangedError,
    DisconnectedError,
    FilexferError,
    IsDirectoryError,
    NotRegularFileError,
)
from twisted_lab.filexfer.messages.replies import status_from
from twisted_lab.filexfer.messages.requests import DigestOf, Get, Stat
from twisted_lab.filexfer.names import Name, join_name, show_name
from twisted_lab.filexfer.receipt import Receipt
from twisted_lab.filexfer.status import Status
from twisted_lab.net.detached import Detached, Worker


class Receiving:
    """One get over `conversation`, of `path` to `target`; what blocks is done by `worker`."""

    def __init__(self, conversation: Conversation, worker: Worker, path: Name, target: Target, watch: Watch) -> None:
        self._conversation = conversation
        self._worker = worker
        self._path = path
        self._target = target
        self._watch = watch

    async def run(self, *, resume: bool) -> Receipt:
        """Get it; the target is closed afterwards, whatever becomes of it."""
        target, worker = self._target, self._worker
        try:
            known = await self._prepare(target, resume=resume) if isinstance(target, FileTarget) else None
            digest = await self._transfer(known)
            return await worker.do(target.finish, digest)
        finally:
            await worker.end(target.close)

    async def _prepare(self, target: FileTarget, *, resume: bool) -> Status:
        """Give the file's facts, with the target open for it, and what is left over of it compared."""
        conversation, worker = self._conversation, self._worker
        header, _ = await conversation.ask(Stat(self._path))
        status = conversation.read_reply(status_from, header)
        if status.kind != "file":
            kind = IsDirectoryError if status.kind == "directory" else NotRegularFileError
            raise kind(f"{show_name(join_name(self._path))}: it is no regular file")
        await worker.do(lambda: target.open(status, resume=resume))
        if target.offset:
            theirs = Detached(conversation.ask(DigestOf(self._path, 0, target.offset, status.etag)))
            while await worker.do(target.hash_left_over, HASHED):
                pass
            header, _ = await theirs.result()
            if conversation.read_digest(header) == target.digest:
                self._watch.resumed(target.offset)
            else:
                await worker.do(target.restart)
        return status

    async def _transfer(self, known: Status | None) -> str:
        """Write what is missing to the target; give its digest, which the server has sent."""
        conversation, worker, target = self._conversation, self._worker, self._target
        async with conversation.places:
            async with conversation.speaking:
                await conversation.flushed()
                turn = conversation.begin(Get(self._path, target.offset, None, known.etag if known else None))
            with turn:
                try:
                    header = await turn.header()
                except BaseException as error:
                    self._give_up(error)
                    raise
                try:
                    status = self._check(header, known)
                    if known is None:
                        await worker.do(lambda: target.open(status, resume=False))
                    await self._take_content(turn)
                except BaseException:
                    # Whatever it is: to skip the rest of the content may take as long as to get it.
                    conversation.break_off(DisconnectedError("a get was given up"))
                    raise
                return await self._digest(turn)

    async def _take_content(self, turn: Turn) -> None:
        worker, target = self._worker, self._target
        await worker.do(target.begin)
        await self._conversation.receive_content(target, worker, self._watch.moved, self._watch.allow)
        turn.check()

    async def _digest(self, turn: Turn) -> str:
        conversation = self._conversation
        try:
            return conversation.read_digest(await turn.header("digest"))
        except ChangedError:
            await self._worker.do(self._target.abandon)
            raise
        except BaseException as error:
            self._give_up(error)
            raise

    def _check(self, header: dict[str, Any], known: Status | None) -> Status:
        """Give the facts of what is sent, if that is what was asked for."""
        conversation = self._conversation
        status = conversation.read_reply(status_from, header)
        expected = {"offset": self._target.offset, "length": status.size - self._target.offset}
        found = {"offset": header.get("offset", 0), "length": header.get("length", 0)}
        if found != expected or (known is not None and known != status):
            raise conversation.violated("wrong-content", "the content isn't what was asked for")
        return status

    def _give_up(self, error: BaseException) -> None:
        """End the connection if we were cancelled: the content is on its way."""
        if not isinstance(error, FilexferError):
            self._conversation.break_off(DisconnectedError("a get was given up"))
