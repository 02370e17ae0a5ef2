"""toxiproxy's HTTP API as a resource: requests read strictly and within bounds, answers as JSON."""

import json
from typing import Any
from urllib.parse import unquote

from twisted.internet.defer import ensureDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from twisted_lab.instruments.proxy.browsers import refusal
from twisted_lab.instruments.proxy.collection import ApiError, Collection
from twisted_lab.instruments.proxy.metrics import CONTENT_TYPE
from twisted_lab.instruments.proxy.routes import Answer, Routes

#: Bytes of a request's body at most.
MAX_BODY = 2**20
#: Seconds that a client may take between two requests, or within one.
TIMEOUT = 60


class Api(Resource):
    """The API. `loopback`: it is for this machine alone, so that nobody needs another name for it."""

    isLeaf = True
    log = Logger()

    def __init__(self, collection: Collection) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.loopback = True
        self._routes = Routes(collection)

    def render(self, request: Request) -> int:
        """Answer a request, once what it asks for is done."""
        gone: list[Failure] = []
        request.notifyFinish().addErrback(gone.append)
        answering = ensureDeferred(self._find(request)).addErrback(self._explain)
        answering.addCallback(lambda answer: None if gone else _write(request, *answer))
        answering.addErrback(lambda failure: self.log.failure("an answer of the API's can't be sent", failure))
        return NOT_DONE_YET

    async def _find(self, request: Request) -> Answer:
        why = refusal(request.getHeader, loopback=self.loopback)
        if why is not None:
            raise ApiError(403, why)
        path = [unquote(part.decode("ascii", "replace")) for part in request.path.split(b"/")[1:]]
        handlers, names = self._routes.find(path)
        method = request.method.decode("ascii", "replace")
        if method not in handlers:
            request.setHeader("Allow", ", ".join(handlers))
            raise ApiError(405, f"only {', '.join(handlers)} can be done here")
        return await handlers[method](lambda kind: _read(request, kind), *names)

    def _explain(self, failure: Failure) -> Answer:
        if failure.check(ApiError):
            error: Any = failure.value
            return error.status, {"error": str(error), "status": error.status}
        self.log.failure("the API failed", failure)
        return 500, {"error": "a fault of the API's own: the log says more", "status": 500}


def _write(request: Request, status: int, body: Any) -> None:
    request.setResponseCode(status)
    if isinstance(body, str):
        request.setHeader("Content-Type", CONTENT_TYPE)
        request.write(body.encode())
    elif body is not None:
        request.setHeader("Content-Type", "application/json")
        request.write(json.dumps(body).encode() + b"\n")
    request.finish()


def _read(request: Any, kind: type[Any]) -> Any:
    """Give the JSON of a request's body, which must be of that kind."""
    try:
        found = json.loads(request.content.read())
        json.dumps(found, ensure_ascii=False).encode()  # UnicodeEncodeError: an escape that is half a character
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"bad request body: {error}") from None
    if not isinstance(found, kind):
        raise ApiError(400, f"bad request body: {'an object' if kind is dict else 'a list'} is wanted")
    return found


class _BoundedRequest(Request):
    """A request whose body is bounded: beyond `MAX_BODY` the connection is closed."""

    content: Any
    channel: Any

    def handleContentChunk(self, data: bytes) -> None:
        """Keep some of the body."""
        if self.content.tell() + len(data) > MAX_BODY:
            self.channel.forceAbortClient()
        else:
            super().handleContentChunk(data)  # type: ignore[no-untyped-call]


class ApiSite(Site):
    """The API as a factory, for an endpoint."""

    noisy = False
    requestFactory = _BoundedRequest
    displayTracebacks = False

    def __init__(self, collection: Collection, clock: Any) -> None:
        self.api = Api(collection)
        super().__init__(self.api, timeout=TIMEOUT, reactor=clock)  # type: ignore[no-untyped-call]

    def log(self, request: Any) -> None:
        """Write no line a request."""
