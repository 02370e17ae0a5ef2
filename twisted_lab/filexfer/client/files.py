"""
A server's files, over one connection; `twisted_lab.filexfer.connect` gives them::

    async with connect(reactor, "tcp:127.0.0.1:5680") as files:
        receipt = await files.put("report.pdf", "in/report.pdf")
"""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from twisted_lab.filexfer.client.conversation import Conversation
from twisted_lab.filexfer.client.directory_pages import DirectoryPages, ask_page
from twisted_lab.filexfer.client.put import Sending
from twisted_lab.filexfer.client.small_put import put_small
from twisted_lab.filexfer.client.sources import FileSource, source_of
from twisted_lab.filexfer.client.watch import Unwatched, Watch
from twisted_lab.filexfer.conditions import ANYWAY, Condition, Durability
from twisted_lab.filexfer.errors import DisconnectedError, FilexferError
from twisted_lab.filexfer.messages.replies import Welcome, status_from
from twisted_lab.filexfer.messages.requests import DigestOf, Mkdir, Ping, Remove, Rename, Request, Stat, Symlink
from twisted_lab.filexfer.names import join_name, parse_name
from twisted_lab.filexfer.receipt import Receipt
from twisted_lab.filexfer.small_file import SmallFile
from twisted_lab.filexfer.status import Status
from twisted_lab.filexfer.store.listing import Page
from twisted_lab.net.detached import RunInThread, Worker

if TYPE_CHECKING:
    from twisted_lab.filexfer.client.targets import FileTarget


class Files:
    """
    A server's files. A path on the server is a string, as `twisted_lab.filexfer.names` describes it.

    Everything may be called at any time: requests go out in the order of the calls, without waiting for each other's
    replies. Each raises the `FilexferError` that says what is wrong: the server's answer, or of its own side
    `SourceChangedError`, `DigestMismatchError` and `DisconnectedError`; or `RemoteProtocolError` when the server broke
    the protocol, which ends the connection.

    To cancel a put or a get that is under way ends the connection, and what was transferred stays, to resume from; to
    cancel anything else drops its reply.

    `welcome` is what the server said of itself.
    """

    def __init__(self, conversation: Conversation, welcome: Welcome, run_in_thread: RunInThread) -> None:
        self.welcome = welcome
        self._conversation = conversation
        self._run_in_thread = run_in_thread

    @property
    def lost(self) -> DisconnectedError | None:
        """Why the connection is gone; None while it is there."""
        return self._conversation.lost

    async def put(  # noqa: PLR0913  # all but two by name
        self,
        source: Path | str | BinaryIO | FileSource,
        path: str,
        *,
        condition: Condition = ANYWAY,
        durability: Durability = Durability.DIRECTORY,
        resume: bool = True,
        mtime_ns: int | None = None,
        mode: int | None = None,
        watch: Watch | None = None,
    ) -> Receipt:
        """
        Put a local file at `path`; its directory must exist there. The receipt says what the server has done.

        With `resume` only what the server hasn't got is sent. A `source` that is a stream is read to its end, and
        can't be resumed. `mtime_ns` and `mode` are the file's own, and for a stream the server's choice, where None.
        """
        sending = Sending(
            self._conversation,
            Worker(self._run_in_thread),
            source_of(source, self.welcome.digest),
            parse_name(path),
            watch or Unwatched(),
        )
        return await sending.run(
            condition=condition, durability=durability, resume=resume, mtime_ns=mtime_ns, mode=mode
        )

    async def get(  # noqa: PLR0913  # all but two by name
        self,
        path: str,
        target: "Path | str | BinaryIO | FileTarget",
        *,
        condition: Condition = ANYWAY,
        durability: Durability = Durability.DIRECTORY,
        resume: bool = True,
        watch: Watch | None = None,
    ) -> Receipt:
        """
        Get the file `path` into the local file `target`, which is seen only when it is there whole; or into a stream.

        `condition` and `durability` are about the local file. A stream gets the bytes as they come, and only at the
        end is it known whether they are right. The receipt's path is the local one, and for a stream empty.
        """
        # Here, for a put needs nothing of what files are written with.
        from twisted_lab.filexfer.client.get import Receiving  # noqa: PLC0415
        from twisted_lab.filexfer.client.targets import FileTarget, StreamTarget  # noqa: PLC0415

        name = parse_name(path)
        algorithm = self.welcome.digest
        local: FileTarget | StreamTarget
        if isinstance(target, FileTarget):
            local = target
        elif isinstance(target, str | PathLike):
            local = FileTarget(target, algorithm, condition, durability)
        else:
            local = StreamTarget(target, algorithm)
        receiving = Receiving(self._conversation, Worker(self._run_in_thread), name, local, watch or Unwatched())
        return await receiving.run(resume=resume)

    async def put_small(
        self,
        files: Sequence[SmallFile],
        *,
        condition: Condition = ANYWAY,
        durability: Durability = Durability.DIRECTORY,
    ) -> list[Receipt | FilexferError]:
        """
        Put small files, of at most ``welcome.limits.bundle_file`` bytes each, in bundles; give, in order, what became
        of each. Each is published by itself; missing directories are made. One of them may fail without the others.
        """
        return await put_small(self._conversation, self.welcome.limits, files, condition, durability)

    async def get_small(self, paths: Sequence[str]) -> list[SmallFile | FilexferError]:
        """
        Get small files into memory; give, in order, each of `paths`, its digest verified, or what kept it from it.

        The server needs the feature ``get-bundle``, or else it is `UnsupportedError`. `TooLargeError` is that of a file
        of more than ``welcome.limits.bundle_file`` bytes, and of one with which those got by one request would be more
        than ``welcome.limits.bundle_bytes``.
        """
        from twisted_lab.filexfer.client.small_get import get_small  # noqa: PLC0415 - as for a get

        asked = [join_name(parse_name(path)) for path in paths]
        return await get_small(self._conversation, asked, self._run_in_thread)

    async def stat(self, path: str) -> Status:
        """Give a file's facts; of a symbolic link, its own."""
        header, _ = await self._conversation.ask(Stat(parse_name(path)))
        return self._conversation.read_reply(status_from, header)

    def list(self, path: str = "", page: int | None = None) -> DirectoryPages:
        """Give an iterator of the entries of the directory `path`, for ``async for``; `page` of them are asked for."""
        most = self.welcome.limits.page
        return DirectoryPages(self._conversation, parse_name(path), most if page is None else min(page, most))

    async def page(self, path: str, after: str = "", count: int | None = None) -> Page:
        """Give the entries of a directory whose names come after `after`, at most `count` of them."""
        most = self.welcome.limits.page
        return await ask_page(self._conversation, parse_name(path), after, most if count is None else min(count, most))

    async def digest(self, path: str, offset: int = 0, count: int | None = None, *, if_match: str | None = None) -> str:
        """Give the digest of a file, or of `count` bytes of it from `offset` on, as the server reads them now."""
        header, _ = await self._conversation.ask(DigestOf(parse_name(path), offset, count, if_match))
        return self._conversation.read_digest(header)

    async def mkdir(self, path: str, *, parents: bool = False) -> None:
        """Make a directory; with `parents` also those above it, and then it is no error if it is there."""
        await self._do(Mkdir(parse_name(path), parents))

    async def rename(self, source: str, target: str, condition: Condition = ANYWAY) -> None:
        """Give a file, a directory or a link another name; the condition's etag is of `source`."""
        await self._do(Rename(parse_name(source), parse_name(target), condition))

    async def remove(self, path: str, *, if_match: str | None = None) -> None:
        """Remove a file, a link, or an empty directory."""
        await self._do(Remove(parse_name(path), if_match))

    async def symlink(self, path: str, target: str, condition: Condition = ANYWAY) -> None:
        """Make `path` a symbolic link to `target`, relative and within the root; the server needs that feature."""
        await self._do(Symlink(parse_name(path), target, condition))

    async def ping(self) -> None:
        """Hear from the server, once all that was asked before is answered."""
        await self._do(Ping())

    async def close(self) -> None:
        """Close the connection, and return when it is gone; what still waits for a reply is lost."""
        await self._conversation.end()

    async def _do(self, request: Request) -> None:
        await self._conversation.ask(request)
