"""A client's get of many small files: in as few requests as the server's limits allow."""

from collections.abc import Iterator, Sequence

from twisted_lab.filexfer.client.conversation import Conversation
from twisted_lab.filexfer.client.turn import Turn
from twisted_lab.filexfer.messages.bundle import MAX_BUNDLE
from twisted_lab.filexfer.messages.get_bundle import MAX_ANSWER, MAX_REQUEST, Answer, answers_from, wanted_line
from twisted_lab.filexfer.messages.requests import GetBundle
from twisted_lab.net.detached import Detached, RunInThread
from twisted_lab.wire.errors import RemoteProtocolError

#: Messages of a reply: how many files each is about, and its content.
_Messages = list[tuple[int, bytes]]


async def get_small(conversation: Conversation, paths: Sequence[str], run_in_thread: RunInThread) -> list[Answer]:
    """
    Get the files `paths`, which are checked names, and give, in order, each or what kept it from being got.

    Raises what the server says of the request, and what is said of a connection that is lost.
    """
    answers: list[Answer] = []
    for lot, content in _split(paths, conversation.welcome.limits.bundle_files):
        messages = await _ask(conversation, content, len(lot))
        try:
            answers += await run_in_thread(_read, messages, lot, conversation.welcome.digest)
        except RemoteProtocolError as error:
            conversation.break_off(error)
            raise
    return answers


def _split(paths: Sequence[str], most: int) -> Iterator[tuple[list[str], bytes]]:
    """Give what is asked for in one request each, and its content."""
    lot: list[str] = []
    content = bytearray()
    for path in paths:
        line = wanted_line(path)
        if lot and (len(lot) == most or len(content) + len(line) > MAX_REQUEST):
            yield lot, bytes(content)
            lot, content = [], bytearray()
        lot.append(path)
        content += line
    if lot:
        yield lot, bytes(content)


async def _ask(conversation: Conversation, content: bytes, count: int) -> _Messages:
    """Give the reply; whoever waits for it may be cancelled, then it is dropped."""
    async with conversation.places:
        async with conversation.speaking:
            await conversation.flushed()
            turn = conversation.begin(GetBundle(len(content)))
            reply = Detached(_receive(conversation, turn, count))
            await conversation.send_whole(content)
        return await reply.result()


async def _receive(conversation: Conversation, turn: Turn, count: int) -> _Messages:
    room = min(conversation.welcome.limits.bundle_bytes, MAX_BUNDLE) + count * MAX_ANSWER
    messages: _Messages = []
    with turn:
        while count:
            header = await turn.header()
            here = header.get("count")
            if type(here) is not int or not 1 <= here <= count:
                raise conversation.violated("bad-reply", "a bundle has some of the files that were asked for")
            count -= here
            room -= header.get("length", 0)
            if room < 0:
                raise conversation.violated("reply-too-large", "a bundle has more bytes than it may have")
            pieces: list[bytes] = []
            while some := await turn.read():
                pieces += some
            messages.append((here, b"".join(pieces)))
    return messages


def _read(messages: _Messages, paths: list[str], algorithm: str) -> list[Answer]:
    answers: list[Answer] = []
    for count, content in messages:
        answers += answers_from(content, paths[len(answers) : len(answers) + count], algorithm)
    return answers
