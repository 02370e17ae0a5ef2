"""
One client's session on the server: hello, then its requests one after the other, each answered before the next.

A request that can't be carried out is answered by an error, and the session goes on; one that breaks the protocol ends
it. Whatever ends it, what was open is closed, in threads like all that blocks.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from twisted_lab.filexfer.errors import BadRequestError, DisconnectedError, FilexferError
from twisted_lab.filexfer.messages.replies import sentence_of
from twisted_lab.filexfer.messages.request_headers import parse_request
from twisted_lab.filexfer.messages.requests import Ping, Put
from twisted_lab.filexfer.server.audit import FileRecord
from twisted_lab.filexfer.server.exchange import Exchange, Turn
from twisted_lab.filexfer.server.greeting import greet
from twisted_lab.filexfer.server.operations import OPERATIONS
from twisted_lab.filexfer.server.upload import Uploads
from twisted_lab.net.address import show_address
from twisted_lab.wire.errors import RemoteProtocolError

if TYPE_CHECKING:
    from twisted_lab.filexfer.server.factory import FilexferConnection, FilexferFactory

#: Seconds between two signs of life, at most; a third of the idle timeout, if that is less.
WORKING = 30.0
#: The code of a fault of ours.
INTERNAL = "internal-error"
#: Characters of a request's type in the log: one that isn't known may be as long as it likes.
MAX_TYPE = 32


class Session:
    """
    What goes on over one `FilexferConnection`; `run` returns when it is over and has let go of everything.

    `busy`: whether a request is being answered.
    """

    log = Logger()

    def __init__(self, stream: "FilexferConnection", factory: "FilexferFactory") -> None:
        self.busy = False
        self._stream = stream
        self._factory = factory
        self._clock: IReactorTime = factory.clock
        self._started = self._clock.seconds()
        self._turn = Turn(0)
        self._user = ""
        self._uploads: Uploads | None = None

    async def run(self) -> None:
        """Answer the client until it, or the connection, has gone."""
        stream = self._stream
        ended = "closed by peer"
        try:
            ended = await self._serve() or ended
        except DisconnectedError:
            """It has gone: there is nothing to say."""
        except RemoteProtocolError as error:
            ended = error.code
            if stream.lost is None and not stream.owed:
                stream.sendError(error.code, str(error))
        except Exception:  # noqa: BLE001  # a fault of ours mustn't hold the connection
            ended = INTERNAL
            self.log.failure("filexfer: a session failed")
            if stream.lost is None and not stream.owed:
                stream.sendError(INTERNAL, "the server failed; its log says why")
        if self._uploads is not None:
            await self._uploads.close()
        self.busy = False
        if stream.lost is None:
            if stream.owed:
                stream.abort(ended)
            elif not stream.closing:
                stream.finish(ended)

    async def _serve(self) -> str | None:
        """Greet, and answer; give why the session ends, if we end it."""
        stream = self._stream
        welcomed = await greet(stream, self._factory, self._tell_login)
        if welcomed is None:
            return "not welcome"
        stream.hello_done()
        account, algorithm = welcomed
        exchange = Exchange(stream, account, algorithm, self._factory.in_thread, self._clock, self._tell_files)
        self._user = account.user
        self._uploads = uploads = Uploads(exchange)
        interval = min(WORKING, self._factory.idle_timeout / 3 or WORKING)
        while True:
            stream.finish_if_draining()
            header = await stream.receive()
            self.busy = True
            working = LoopingCall(self._say_working)
            working.clock = self._clock
            working.start(interval, now=False)
            try:
                await self._answer(exchange, uploads, header)
            finally:
                working.stop()
                self.busy = False

    async def _answer(self, exchange: Exchange, uploads: Uploads, header: dict[str, Any]) -> None:
        """Answer one request, by its reply or by an error, and tell the log."""
        stream = self._stream
        turn = self._turn = Turn(header.get("id", 0), result=INTERNAL)
        self._started = self._clock.seconds()
        uploads.unfinished = header["type"] == "put"
        try:
            await self._carry_out(exchange, uploads, header, turn)
        except (DisconnectedError, RemoteProtocolError) as error:
            if turn.result == INTERNAL:  # else it was done, and only its reply is lost
                turn.result = error.code
            raise
        except FilexferError as error:
            turn.result = error.code
            stream.check_connected()
            if stream.owed:  # nothing can be said in the middle of content
                stream.abort(str(error))
                raise DisconnectedError(str(error)) from error
            stream.sendError(error.code, sentence_of(error), header)
            await uploads.close()
            await uploads.skip()
        finally:
            if header["type"] != "ping":
                self._tell(header["type"][:MAX_TYPE], turn)

    async def _carry_out(self, exchange: Exchange, uploads: Uploads, header: dict[str, Any], turn: Turn) -> None:
        request = parse_request(header)
        if hasattr(request, "path"):
            turn.path = "/".join(request.path)
        operation = OPERATIONS.get(type(request))
        if operation is None:
            raise BadRequestError("that has no place here: hello comes once, and the others belong into a put")
        exchange.account.mode.check(header["type"])
        if not isinstance(request, Put | Ping):  # a client that hashes what it has left over pings meanwhile
            await uploads.close()
        reply = await operation(exchange, uploads, request, turn)
        if turn.result == INTERNAL:  # nothing else became of it
            turn.result = "ok"
        if reply is not None:
            await self._send(*reply)

    async def _send(self, header: dict[str, Any], content: bytes) -> None:
        reply = {**header, "id": self._turn.identity}
        if content:
            self._stream.send({**reply, "length": len(content)})
            await self._stream.send_content(content)
        else:
            self._stream.send(reply)

    def _tell_login(self, user: str, result: str) -> None:
        self._record(user, "hello", Turn(0, result=result))

    def _tell(self, what: str, turn: Turn) -> None:
        self._record(self._user, what, turn)

    def _tell_files(self, what: str, files: Sequence[FileRecord]) -> None:
        duration = self._clock.seconds() - self._started
        self._factory.audit.record_files(user=self._user, peer=self._peer(), what=what, duration=duration, files=files)

    def _peer(self) -> str:
        return show_address(self._stream.transport.getPeer())

    def _record(self, user: str, what: str, turn: Turn) -> None:
        self._factory.audit.record(
            user=user,
            peer=self._peer(),
            what=what,
            path=turn.path,
            to=turn.to,
            size=turn.size,
            digest=turn.digest,
            duration=self._clock.seconds() - self._started,
            result=turn.result,
        )

    def _say_working(self) -> None:
        """Give a sign of life, if it is us for whom the other side waits: else it would be taken for one of its own."""
        stream = self._stream
        if stream.lost is None and not (stream.closing or stream.owed or stream.waits_for_peer):
            stream.send({"type": "working", "id": self._turn.identity})
